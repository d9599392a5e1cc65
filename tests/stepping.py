"""Walking events through a detector in Python as the engine does: states go through JSON between the steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from streams.detect.boxed import MAX_INNER
from streams.detect.detectors import Event, Found

_encode, _decode = msgspec.json.encode, msgspec.json.decode
#: What producers send by mistake or on purpose.
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, float("1e300"), 2**63, "", " ", "0", "-5", "+7", "1e999", "NaN", "Infinity", "0x1f",
    "9" * 400, "1." + "0" * 400 + "1", str(2**256), str(2**256 - 1), "١٢", "a" * 10_000, "0x" + "a" * 40, [], ["x"],
    {}, {"a": 1}, "\x00", "0.1",
)  # fmt: skip


def event(at: int, way: str = "", /, **fields: Any) -> Event:
    """An event of time ``at``. A field whose name is no word of Python's own is written with ``_`` at its end."""
    named = {name.removesuffix("_"): value for name, value in fields.items()}
    return Event(at, f"e{at}", named, (at, 0, f"e{at}"), (way,))


def walk(detector: Any, events: Iterable[Event], state: Any = None) -> list[tuple[int, Found]]:
    """(time of the event, finding) of all that is found. The state is JSON and small after every step."""
    found: list[tuple[int, Found]] = []
    for one in events:
        state, findings = detector.step(_decode(_encode(state)), one)
        assert len(_encode(state)) <= MAX_INNER
        _encode([[each.value, each.threshold, each.detail, each.evidence] for each in findings])
        found += [(one.time, each) for each in findings]
    return found


def values(detector: Any, events: Iterable[Event]) -> list[tuple[int, Any]]:
    """(time, observed) of the findings that fire."""
    return [(at, found.value) for at, found in walk(detector, events) if not found.clear]
