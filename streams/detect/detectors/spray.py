"""Password spraying: one origin tries many accounts, each too seldom to lock it or to be seen by itself.

MITRE ATT&CK T1110.003. What tells it from an office behind one address, where somebody always mistypes, is that those
who mistype get in at last, and that most people get in.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.logins import FIELDS, short, succeeded, times
from streams.detect.detectors.rows import Row, after, trim
from streams.rules.durations import parse_duration

_KEPT = 600  #: attempts of a key; some 20 KiB


class Spray:
    """Fires where ``accounts`` accounts of one key failed inside ``within`` and did not get in, few times each.

    Settings: ``within`` (1h), ``accounts`` (15), ``tries`` (5: the most failures an account on average), ``addresses``
    (1: from so many addresses at least), ``share`` (0.5: the least share of accounts that only failed). Late events
    count in the window that ends at the newest event inside their own hour. The state is the last 600 attempts
    ``[time, account, attempts, address, succeeded]``, and how many of them failed.
    """

    fields: Sequence[str] = FIELDS
    version = "1"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._within = parse_duration(str(settings.get("within", "1h")))
        self._accounts = int(settings.get("accounts", 15))
        self._tries = float(settings.get("tries", 5))
        self._addresses = int(settings.get("addresses", 1))
        self._share = float(settings.get("share", 0.5))
        if not 1 <= self._accounts <= _KEPT or self._addresses < 1 or self._tries < 1 or not 0 <= self._share <= 1:
            raise ValueError(f"accounts lie between 1 and {_KEPT}, share between 0 and 1, the others from 1 on")
        self.keeps: str | int = 2 * self._within

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        ok, account = succeeded(event.fields), short(event.fields.get("actor"))
        if ok is None or not account:
            return state, ()
        state = state or [[], 0]
        attempts: list[Row] = state[0]
        insort(attempts, [event.time, account, times(event.fields), short(event.fields.get("source_ip")), ok])
        state[1] += not ok
        for gone in trim(attempts, attempts[-1][0] - 2 * self._within, _KEPT):
            state[1] -= not gone[4]
        return state, () if ok or state[1] < self._accounts else self._found(event.time, attempts)

    def _found(self, at: int, attempts: list[Row]) -> Sequence[Found]:
        last = after(attempts, at + self._within - 1)
        end = max(at, attempts[last - 1][0]) if last else at
        window = attempts[after(attempts, end - self._within) : after(attempts, end)]
        entered = {one[1] for one in window if one[4]}
        accounts = {one[1] for one in window if not one[4]} - entered
        if len(accounts) < max(self._accounts, self._share * (len(accounts) + len(entered))):
            return ()
        failed = [one for one in window if one[1] in accounts]
        count, addresses = sum(one[2] for one in failed), {one[3] for one in failed} - {""}
        if count > self._tries * len(accounts) or len(addresses) < self._addresses > 1:
            return ()
        detail = {"attempts": count, "addresses": len(addresses), "entered": len(entered)}
        return [Found(len(accounts), self._accounts, detail=detail)]
