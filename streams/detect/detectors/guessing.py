"""A success after many failures: somebody has found the password, or worn its owner down.

The heuristic is that of MITRE ATT&CK T1110 (brute force: "many failed attempts … followed by a success") and T1621.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.logins import FIELDS, short, succeeded, times
from streams.rules.durations import parse_duration

_KEPT = 64  #: failures and successes of a key: what is counted beyond them changes no decision
_Failure = list[Any]  # [time, attempts, address]
_Success = list[Any]  # [time, address, how many failures were told of it]


class GuessedPassword:
    """Fires on a success before which, inside ``within``, at least ``at_least`` attempts of the key failed.

    Settings: ``within`` (10m), ``at_least`` (5), ``same_address`` (true: the success must come from an address that
    had failed, where both are known: an attack must not make its victim's own login an alert), ``share`` (0: the least
    share of failures among all attempts, for addresses that many people stand behind). Failures of the same moment
    count as earlier. Events out of order, up to ``within`` late, count as if in order; a success is told again only
    where failures that came late make it worse. The state is the last 64 failures and 64 successes.
    """

    fields: Sequence[str] = FIELDS

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
        failures, successes = state or ([], [])
        address = short(event.fields.get("source_ip"))
        if ok:
            insort(successes, [event.time, address, 0])
        else:
            insort(failures, [event.time, times(event.fields), address])
        oldest = max(failures[-1][0] if failures else 0, successes[-1][0] if successes else 0) - 2 * self._within
        failures = [one for one in failures if one[0] > oldest][-_KEPT:]
        successes = [one for one in successes if one[0] > oldest][-_KEPT:]
        return [failures, successes], self._told(event.time, failures, successes)

    def _told(self, since: int, failures: list[_Failure], successes: list[_Success]) -> Sequence[Found]:
        most, address = 0, ""
        for success in successes:
            if success[0] < since:
                continue
            before = self._before(success, failures, successes)
            if before >= max(self._at_least, success[2] + 1):
                success[2] = before
                most, address = max(most, before), success[1]
        return [Found(most, self._at_least, detail={"known_address": bool(address)})] if most else ()

    def _before(self, success: _Success, failures: list[_Failure], successes: list[_Success]) -> int:
        """Failed attempts that make this success suspicious; 0 where it is not."""
        begin, end = success[0] - self._within, success[0]
        failed = [one for one in failures if begin < one[0] <= end]
        addresses = {one[2] for one in failed} - {""}
        if self._same_address and success[1] and addresses and success[1] not in addresses:
            return 0
        count = sum(one[1] for one in failed)
        attempts = count + sum(begin < one[0] <= end for one in successes)
        return count if count >= self._share * attempts else 0
