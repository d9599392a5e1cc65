"""Between the engine and a detector whose states live: they are kept as they are, and written once a transaction.

As in ``streams.detect.boxed`` otherwise; in the changelog both stand in one form, in which a state is also shown.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import msgspec

from streams.detect.base import Moment, Ref, Seen, Skipped, State
from streams.detect.boxed import HEAD, ID_LIMIT, LATEST, MAX_IDS, Boxed, observed, witnesses_of
from streams.detect.detectors import UNCHANGED
from streams.detect.entries import kept_id

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_SEQUENCES = (tuple, list)
_ITS_ONLY = (0,)  #: way in

#: All rules ask for the id of the same event.
_kept = lru_cache(64)(kept_id)


@runtime_checkable
class Live(Protocol):
    """A detector whose states are not what the changelog holds. A step that raises may have spoiled the state given;
    the key must begin anew.
    """

    def written(self, state: State) -> State:
        """The state as JSON values, for the changelog; a step takes those, too."""


class _Box:
    """What is remembered of a key, and changed in place.

    ``turn``: the last event whose step saw something, or raised, and what came of it: whoever steps a key to look
    whether that is so steps it again to tell, which must not count the event twice.
    """

    __slots__ = ("ids", "inner", "text", "turn", "witnesses")

    def __init__(self, inner: Any, text: str, witnesses: list[Any], ids: list[str]) -> None:
        self.inner = inner
        self.text: str | None = text  #: ``inner`` as JSON, where that is known
        self.witnesses = witnesses
        self.ids = dict.fromkeys(ids)
        self.turn: tuple[int, Ref, tuple[State, Seen] | Exception] | None = None


class Living(Boxed):
    """State: ``[newest, box, told, due]``, or what ``Boxed`` has, as it was loaded."""

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, arms = moment
        kept = _kept(event_id, ID_LIMIT)
        if state and state[0] > horizon:
            newest = state[0] if state[0] > at else at
            box = state[1] if state[1].__class__ is _Box else _opened(state)
            if box.turn is not None:
                when, where, came = box.turn
                if when == at and where == ref:
                    if isinstance(came, Exception):
                        raise came
                    return came
            if kept in box.ids:
                return state, Skipped.DUPLICATE
        else:
            newest, box = at, _Box(None, "null", [], [])
        return self._taken(box, newest, kept, at, ref, event_id, values, arms)

    def _taken(
        self, box: _Box, newest: int, kept: str, at: int, ref: Ref, event_id: str, values: tuple[Any, ...],
        arms: tuple[int, ...],
    ) -> tuple[State, Seen]:  # fmt: skip
        """The event taken into what is remembered of its key."""
        witnesses, ids = box.witnesses, box.ids
        try:
            inner, findings = self._inner.step(box.inner, self._read(values, at, ref, event_id, arms))
            witnesses[LATEST:] = at, ref, kept
            told, seen = 0, None
            if findings or findings.__class__ not in _SEQUENCES:
                seen, told = observed(findings, witnesses_of(witnesses), None, 0)
                if told:
                    del witnesses[:-3]
            if inner is not UNCHANGED:
                box.inner, box.text = inner, None
            if kept:
                ids[kept] = None
                if len(ids) > MAX_IDS:
                    del ids[next(iter(ids))]
            due = None if self._newly_due is None else self._newly_due(newest, box)
        except Exception as error:
            box.turn = at, ref, error
            raise
        after = [newest, box, told, due]
        if seen is not None:
            box.turn = at, ref, (after, seen)
        return after, seen

    def written(self, state: State) -> State:
        """See ``Live``: as ``Boxed`` has it."""
        newest, box, told, due = state[:4]
        if box.__class__ is not _Box:
            return state
        text = box.text
        if text is None:
            text = box.text = _encode(box.inner).decode()
        return [newest, text, told, due, len(box.witnesses) // 3, *box.witnesses, *box.ids]


class LivingInPlace(Living):
    """For a class without timers and a rule with one way in: most events need no new list, and no table looked at."""

    def quick(self, state: State, at: int, ref: Ref, event_id: str, values: tuple[Any, ...], horizon: int) -> bool:
        """See ``streams.detect.base.Quick``. What was seen or raised is kept for the step that tells it."""
        newest, box = state[0], state[1]
        if newest <= horizon or box.__class__ is not _Box:
            return False
        kept = _kept(event_id, ID_LIMIT)
        if kept in box.ids:
            return False
        try:
            _, seen = self._taken(box, newest if newest > at else at, kept, at, ref, event_id, values, _ITS_ONLY)
        except Exception:
            return False
        if seen is not None:
            return False
        if at > newest:
            state[0] = at
        state[2] = 0
        return True


class LivingTimed(Living):
    """For a class that has ``due`` and ``expire``, as ``BoxedTimed``."""

    def due(self, state: State) -> int | None:
        due: int | None = state[3]
        return due

    def _asked_due(self, newest: int, box: Any) -> int | None:
        return self._checked(self._inner.due(box.inner), newest)

    def expire(self, state: State) -> tuple[State | None, Seen]:
        newest, box, told, due = state[:4]
        if box.__class__ is not _Box:
            box = _opened(state)
        inner, findings = self._inner.expire(box.inner, due)
        seen, told = observed(findings, witnesses_of(box.witnesses), due, told)
        if inner is not UNCHANGED:
            box.inner, box.text = inner, None
        later = self._asked_due(newest, box)
        if later is not None and due is not None and later <= due:
            raise ValueError(f"expire at {due} leaves a due of {later}: it would never end")
        return [newest, box, told, later], seen


def _opened(state: State) -> _Box:
    end = HEAD + 3 * state[4]
    return _Box(_decode(state[1]), state[1], state[HEAD:end], state[end:])
