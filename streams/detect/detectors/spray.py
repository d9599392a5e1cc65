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
from streams.rules.durations import parse_duration

_KEPT = 600  #: attempts of a key; some 20 KiB
_Attempt = list[Any]  # [time, account, attempts, address, succeeded]


class Spray:
    """Fires where ``accounts`` accounts of one key failed inside ``within`` and did not get in, few times each.

    Settings: ``within`` (1h), ``accounts`` (15), ``tries`` (5: the most failures an account on average), ``addresses``
    (1: from so many addresses at least), ``share`` (0.5: the least share of accounts that only failed). Late events
    count in the window that ends at the newest event inside their own hour. The state is the last 600 attempts.
    """

    fields: Sequence[str] = (*FIELDS, "actor")

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
        attempts: list[_Attempt] = state or []
        insort(attempts, [event.time, account, times(event.fields), short(event.fields.get("source_ip")), ok])
        oldest = attempts[-1][0] - 2 * self._within
        attempts = [one for one in attempts if one[0] > oldest][-_KEPT:]
        return attempts, () if ok else self._found(event.time, attempts)

    def _found(self, at: int, attempts: list[_Attempt]) -> Sequence[Found]:
        end = max((one[0] for one in attempts if at <= one[0] < at + self._within), default=at)
        window = [one for one in attempts if end - self._within < one[0] <= end]
        entered = {one[1] for one in window if one[4]}
        failed = [one for one in window if one[1] not in entered]
        accounts = {one[1] for one in failed}
        if len(accounts) < max(self._accounts, self._share * (len(accounts) + len(entered))):
            return ()
        count, addresses = sum(one[2] for one in failed), {one[3] for one in failed} - {""}
        if count > self._tries * len(accounts) or len(addresses) < self._addresses > 1:
            return ()
        detail = {"attempts": count, "addresses": len(addresses), "entered": len(entered)}
        return [Found(len(accounts), self._accounts, detail=detail)]
