"""Driving one detector along a timeline as the engine does: time first, then the event; the state cut at every step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from streams.detect.base import NEVER, Moment, Observed, Skipped


class Came(NamedTuple):
    """An event, or (``event_id`` None) only that time has passed. ``closed``: what was closed before it."""

    at: int
    event_id: str | None
    values: tuple[Any, ...] = ()
    closed: int = NEVER
    arms: tuple[int, ...] = (0,)
    horizon: int = NEVER

    def moment(self, index: int) -> Moment:
        return Moment(self.at, index, self.event_id or "", self.values, self.horizon, self.closed, self.arms)


def drive(detector: Any, timeline: Iterable[Came]) -> list[tuple[int, Any]]:
    """(index, observation or reason) in order; what time brings about has the index of what came next."""
    state, seen = None, []
    written = getattr(detector, "written", lambda state: state)
    for index, came in enumerate(timeline):
        while state is not None and hasattr(detector, "due") and (due := detector.due(state)) is not None:
            if due > came.closed:
                break
            state, told = detector.expire(cut(written(state)))
            assert told is None or all(one.at is not None for one in listed(told))
            seen += [(index, one) for one in listed(told)]
        if came.event_id is None:
            continue
        before, mark = cut(state and written(state)), NEVER if state is None else detector.newest(state)
        state, told = detector.step(before, came.moment(index))
        if before is not None and state is not None:
            assert detector.newest(state) >= mark or mark <= came.horizon
        if isinstance(told, Skipped):
            assert written(state) == before
        elif state is not None and len(state) > detector.max_items:  # as the table does
            del state[: len(state) - detector.max_items]
        seen += [(index, one) for one in listed(told)]
    fires = [(one.kind, one.evidence[-1].ref) for _, one in seen if isinstance(one, Observed)]
    assert len(set(fires)) == len(fires), "two findings of one kind are named after the same event"
    for _, one in seen:
        if isinstance(one, Observed):
            msgspec.json.encode([one.value, one.threshold, one.detail])
    return seen


def listed(told: Any) -> list[Any]:
    return [] if told is None else told if isinstance(told, list) else [told]


def cut(state: Any) -> Any:
    """The state as it comes back from the changelog, and proof that nobody changes the one that was given."""
    return None if state is None else msgspec.json.decode(msgspec.json.encode(state))


def told(seen: Iterable[tuple[int, Any]]) -> list[str]:
    """``fire 5 @300`` for what time brought about, ``clear 8`` for what an event did, or the reason."""
    return [
        f"{one.kind} {one.value}" + (f" @{one.at}" if one.at is not None else "") if isinstance(one, Observed) else str(one)
        for _, one in seen
    ]  # fmt: skip
