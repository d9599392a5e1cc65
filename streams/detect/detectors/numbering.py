"""Numbers that a log gives to its records: what is missing among them, what is given twice, and a new beginning.

The heuristic is that of sequence numbers in tamper-evident logs: B. Schneier, J. Kelsey, "Secure Audit Logs to Support
Computer Forensics" (1999), and RFC 5848 (signed syslog), where a gap shows what was taken out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.exact import exact
from streams.rules.durations import parse_duration

_GAPS, _RECENT, _ID = 32, 64, 40
_LARGEST = 2**63


class Numbering:
    """Fires for numbers that did not come, on a number that came before, and on a count that begins anew.

    Settings: ``field`` (sequence); ``wait`` (2m): so long after the event that shows a gap what is missing may still
    come, in event time; ``resets`` (tell, or accept): what to make of a count that goes back while time goes on. A gap
    is named after the event that showed it, and its value is how many numbers are missing; that of the other two is 1.
    An older number of an older time is late and no finding; so is a number with the id it had before. The state holds
    at most 32 open gaps (one more tells the oldest at once) and the last 64 numbers.
    """

    keeps: str | int = "30d"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._field = str(settings.get("field", "sequence"))
        self._wait = parse_duration(str(settings.get("wait", "2m")))
        resets = settings.get("resets", "tell")
        if resets not in ("tell", "accept"):
            raise ValueError("resets is tell or accept")
        self._tells_resets = resets == "tell"
        self.fields: Sequence[str] = (self._field,)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        number = _number(event.fields.get(self._field))
        if number is None:
            return state, ()
        if state is None:
            return _begun(number, event), ()
        high, newest = state["high"], state["newest"]
        state["newest"] = max(newest, event.time)
        if number > high:
            state["high"] = number
            _remember(state, number, event)
            if number == high + 1:
                return state, ()
            state["gaps"].append([high + 1, number - 1, event.time, list(event.sight)])
            return state, [_gap(state["gaps"].pop(0))] if len(state["gaps"]) > _GAPS else []
        if _filled(state, number):
            _remember(state, number, event)
            return state, ()
        ids = [known for seen, known in state["recent"] if seen == number]
        went_back = event.time > newest
        if ids and (not event.id or event.id[:_ID] in ids):
            return state, ()
        if ids and not (went_back and number <= 1):
            _remember(state, number, event)
            return state, [Found(1, detail={"kind": "repeat", "number": number})]
        if not went_back:
            return state, ()
        again = {**_begun(number, event), "gaps": state["gaps"]}
        detail = {"kind": "reset", "from": high, "to": number}
        return again, [Found(1, detail=detail)] if self._tells_resets else []

    def due(self, state: Any) -> int | None:
        return min(gap[2] for gap in state["gaps"]) + self._wait if state and state["gaps"] else None

    def expire(self, state: Any, now: int) -> tuple[Any, Sequence[Found]]:
        over = [gap for gap in state["gaps"] if gap[2] + self._wait <= now]
        state["gaps"] = [gap for gap in state["gaps"] if gap[2] + self._wait > now]
        whole: dict[str, list[Any]] = {}
        for gap in over:  # what is left of one gap after late numbers is one finding
            whole.setdefault(str(gap[3]), []).append(gap)
        return state, [_gap(*gaps) for gaps in whole.values()]


def _number(value: Any) -> int | None:
    """A counter: a whole number from 0 on, of at most 63 bits, also as decimal text."""
    number = exact(value) if not (isinstance(value, str) and len(value) > 20) else None
    if number is None or number.denominator != 1 or not 0 <= number < _LARGEST:
        return None
    return number.numerator


def _begun(number: int, event: Event) -> dict[str, Any]:
    return {"high": number, "newest": event.time, "gaps": [], "recent": [[number, event.id[:_ID]]]}


def _remember(state: dict[str, Any], number: int, event: Event) -> None:
    state["recent"].append([number, event.id[:_ID]])
    del state["recent"][:-_RECENT]


def _filled(state: dict[str, Any], number: int) -> bool:
    """Whether the number was missing; it is not any more."""
    for place, (low, high, since, sight) in enumerate(state["gaps"]):
        if low <= number <= high:
            left = [[low, number - 1, since, sight], [number + 1, high, since, sight]]
            state["gaps"][place : place + 1] = [gap for gap in left if gap[0] <= gap[1]]
            return True
    return False


def _gap(*gaps: Sequence[Any]) -> Found:
    missing = sum(high - low + 1 for low, high, _, _ in gaps)
    detail = {"kind": "gap", "from": gaps[0][0], "to": gaps[-1][1], "missing": missing}
    return Found(missing, detail=detail, about=gaps[0][3])
