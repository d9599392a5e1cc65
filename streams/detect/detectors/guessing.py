"""A success after many failures: somebody has found the password, or worn its owner down.

The heuristic is that of MITRE ATT&CK T1110 (brute force: "many failed attempts … followed by a success") and T1621.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.logins import FIELDS, short, succeeded, times
from streams.detect.detectors.rows import Row, after, trim
from streams.rules.durations import parse_duration

_KEPT = 64  #: failures and successes of a key: what is counted beyond them changes no decision


class GuessedPassword:
    """Fires on a success before which, inside ``within``, at least ``at_least`` attempts of the key failed.

    Settings: ``within`` (10m), ``at_least`` (5), ``same_address`` (true: the success must come from an address that
    had failed, where both are known: an attack must not make its victim's own login an alert), ``share`` (0: the least
    share of failures among all attempts, for addresses that many people stand behind). Failures of the same moment
    count as earlier. Events out of order, up to ``within`` late, count as if in order; a success is told again only
    where failures that came late make it worse. The state is the last 64 failures ``[time, attempts, address]`` and
    64 successes ``[time, address, how many failures were told of it]``.
    """

    fields: Sequence[str] = FIELDS
    version = "1"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._within = parse_duration(str(settings.get("within", "10m")))
        self._at_least = int(settings.get("at_least", 5))
        self._same_address = bool(settings.get("same_address", True))
        self._share = float(settings.get("share", 0))
        if self._at_least < 1 or not 0 <= self._share <= 1:
            raise ValueError("at_least is a number from 1 on, share lies between 0 and 1")
        self.keeps: str | int = 2 * self._within

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        ok = succeeded(event.fields)
        if ok is None:
            return state, ()
        state = state or [[], []]
        failures, successes = state
        at, address = event.time, short(event.fields.get("source_ip"))
        if ok:
            insort(successes, [at, address, 0])
        else:
            insort(failures, [at, times(event.fields), address])
        oldest = max(failures[-1][0] if failures else 0, successes[-1][0] if successes else 0) - 2 * self._within
        trim(failures, oldest, _KEPT)
        trim(successes, oldest, _KEPT)
        return state, self._told(at, failures, successes) if failures and successes else ()

    def _told(self, since: int, failures: list[Row], successes: list[Row]) -> Sequence[Found]:
        most, address = 0, ""
        for success in successes[after(successes, since - 1) :]:
            before = self._before(success, failures, successes)
            if before >= max(self._at_least, success[2] + 1):
                success[2] = before
                most, address = max(most, before), success[1]
        return [Found(most, self._at_least, detail={"known_address": bool(address)})] if most else ()

    def _before(self, success: Row, failures: list[Row], successes: list[Row]) -> int:
        """Failed attempts that make this success suspicious; 0 where it is not."""
        begin, end = success[0] - self._within, success[0]
        failed = failures[after(failures, begin) : after(failures, end)]
        count = sum(one[1] for one in failed)
        if count < self._at_least:
            return 0
        addresses = {one[2] for one in failed} - {""}
        if self._same_address and success[1] and addresses and success[1] not in addresses:
            return 0
        attempts = count + after(successes, end) - after(successes, begin)
        return count if count >= self._share * attempts else 0
