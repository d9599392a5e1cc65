"""Between the engine and a detector of a user's package: states in a box, evidence, duplicates, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from streams.detect.base import (
    FIRST_EVIDENCE,
    MAX_STATE,
    NEVER,
    Moment,
    Observed,
    Seen,
    Skipped,
    State,
    Target,
    Witness,
)
from streams.detect.detectors import MAX_EVIDENCE, Found, Retraction
from streams.detect.entries import kept_id
from streams.detect.handed import read, reading
from streams.model import FindingKind, Severity

ID_LIMIT = 40
MAX_IDS = 64
#: Of a detector's own state, as JSON; the rest of the value is the box.
MAX_INNER = MAX_STATE // 2
HEAD = 5

#: Of the witnesses, where the latest stands if there are more.
LATEST = 3 * FIRST_EVIDENCE
_NOTHING = "null"
_SEQUENCES = (tuple, list)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Boxed:
    """State: ``[newest, state as JSON text, told, due, witnesses, at, ref, event_id, …, ids…]``.

    ``told``: the kinds of findings that the latest event has named: 1 for fire, 2 for clear. The witnesses are the
    first events since the last finding, and the latest of all. ``ways``: the names of the rule's arms.
    """

    stride = 1
    max_items = HEAD + 3 * (FIRST_EVIDENCE + 1) + MAX_IDS

    def __init__(self, inner: Any, fields: tuple[str, ...], keeps: int, ways: tuple[str, ...] = ("",)) -> None:
        self._inner, self._keeps = inner, keeps
        self._steady = getattr(inner, "steady", False) is True
        self._read = reading(fields, ways) if self._steady else partial(read, fields, ways)
        self._newly_due = getattr(self, "_asked_due", None)

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, arms = moment
        kept = kept_id(event_id, ID_LIMIT)
        if state and state[0] > horizon:
            newest, text, _, _, count = state[:HEAD]
            end = HEAD + 3 * count
            witnesses, ids = state[HEAD:end], state[end:]
            if kept and kept in ids:
                return state, Skipped.DUPLICATE
            given = None if text == _NOTHING else _decode(text)
            newest = max(newest, at)
        else:
            newest, text, given, witnesses, ids = at, _NOTHING, None, [], []
        inner, findings = self._inner.step(given, self._read(values, at, ref, event_id, arms))
        witnesses[LATEST:] = at, ref, kept
        told, seen = 0, None
        if findings or findings.__class__ not in _SEQUENCES:
            seen, told = observed(findings, witnesses_of(witnesses), None, 0)
            witnesses = witnesses[-3:] if told else witnesses
        if inner is not given or not (inner is None or self._steady):
            text = _text(inner)
        if kept:
            ids[: -MAX_IDS + 1] = ()
            ids.append(kept)
        return self._boxed(newest, text, told, witnesses, ids), seen

    def _boxed(self, newest: int, text: str, told: int, witnesses: list[Any], ids: list[str]) -> State:
        due = None if self._newly_due is None else self._newly_due(newest, text)
        return [newest, text, told, due, len(witnesses) // 3, *witnesses, *ids]

    def _checked(self, due: Any, newest: int) -> int | None:
        """What a detector says is due; None where the key is forgotten before. Raises TypeError or ValueError."""
        if due is None:
            return None
        if isinstance(due, bool) or not isinstance(due, int):
            raise TypeError(f"due gives {type(due).__name__}, not ms or None")
        if due <= NEVER:
            raise ValueError(f"due gives {due}, which is no time")
        return None if due >= newest + self._keeps else due

    def newest(self, state: State) -> int:
        newest: int = state[0]
        return newest

    def holds(self, state: State) -> bool:
        return False


class BoxedTimed(Boxed):
    """For a class that has ``due`` and ``expire``. The latest event names one finding of a kind; no second is told."""

    def due(self, state: State) -> int | None:
        due: int | None = state[3]
        return due

    def _asked_due(self, newest: int, text: str) -> int | None:
        """Asked once, where the detector may raise: nobody else but the step that makes a state runs its code."""
        return self._checked(self._inner.due(_decode(text)), newest)

    def expire(self, state: State) -> tuple[State | None, Seen]:
        due = self.due(state)
        newest, text, told, _, count = state[:HEAD]
        end = HEAD + 3 * count
        witnesses = state[HEAD:end]
        inner, findings = self._inner.expire(_decode(text), due)
        seen, told = observed(findings, witnesses_of(witnesses), due, told)
        after = self._boxed(newest, _text(inner), told, witnesses, state[end:])
        later = self.due(after)
        if later is not None and due is not None and later <= due:
            raise ValueError(f"expire at {due} leaves a due of {later}: it would never end")
        return after, seen


def _text(inner: Any) -> str:
    """A detector's own state, as it is kept. Raises where it is no JSON, or too large."""
    raw = _encode(inner)
    if len(raw) > MAX_INNER:
        raise ValueError(f"the state of a key has {len(raw)} bytes; at most {MAX_INNER} are kept")
    return raw.decode()


def witnesses_of(flat: list[Any]) -> list[Witness]:
    return [Witness(*flat[place : place + 3]) for place in range(0, len(flat), 3)]


def observed(
    findings: Sequence[Found], witnesses: Sequence[Witness], at: int | None, told: int
) -> tuple[list[Observed] | None, int]:
    """What was found, and ``told`` with it; the last witness is the latest event. Raises TypeError or ValueError for
    what is no finding."""
    seen: list[Observed] = []
    names: set[tuple[Any, ...]] = set()
    latest = witnesses[-1]
    for found in findings:
        if not isinstance(found, Found):
            raise TypeError(f"a finding is {type(found).__name__}, not Found")
        kind = _kind(found)
        about = None if found.about is None else _witness(found.about)
        if about is not None and about.ref == latest.ref:
            about = None
        target = None if found.retract is None else _target(found.retract)
        name = kind, latest.ref if about is None else about.ref, target and target.alert_id
        if name in names:
            raise ValueError(f"finds {kind} twice in one step, about one event")
        names.add(name)
        if about is None and target is None:
            bit = 2 if found.clear else 1
            if told & bit:
                continue
            told |= bit
        if not isinstance(found.detail, Mapping):
            raise TypeError("the detail of a finding is no mapping")
        _encode([found.value, found.threshold, found.detail])
        severity = (Severity(found.severity), found.severity) if found.severity else None
        others = [_witness(sight) for sight in found.evidence[:MAX_EVIDENCE]] if found.evidence else witnesses
        if at is not None and about is None and not found.evidence:
            evidence = tuple(witnesses)
        else:
            chosen = about is not None or bool(found.evidence)
            evidence = _evidence(others, latest if about is None else about, moved=chosen)
        seen.append(
            Observed(kind, found.value, found.threshold, evidence, severity, at, dict(found.detail), about, target)
        )
    return seen or None, told


def _kind(found: Found) -> FindingKind:
    if found.retract is not None:
        if found.clear:
            raise ValueError("a finding both clears and retracts")
        return FindingKind.RETRACT
    return FindingKind.CLEAR if found.clear else FindingKind.FIRE


def _witness(sight: Any) -> Witness:
    """Of a ``Sight``, which may come out of a detector's state."""
    if not isinstance(sight, (list, tuple)) or len(sight) != 3:
        raise TypeError("what a finding names is no sight of an event")
    at, ref, event_id = sight
    if type(at) is not int or type(ref) not in (int, str) or not isinstance(event_id, str):
        raise TypeError("what a finding names is no sight of an event")
    return Witness(at, ref, event_id)


def _target(retraction: Retraction) -> Target:
    if not isinstance(retraction, Retraction) or not isinstance(retraction.key, Mapping):
        raise TypeError("what a finding retracts is no Retraction with a key")
    if not all(isinstance(part, str) and part for part in (retraction.alert_id, retraction.rule)):
        raise TypeError("a retraction names no alert and rule")
    return Target(retraction.alert_id, retraction.rule, dict(retraction.key))


def _evidence(witnesses: Sequence[Witness], named: Witness, *, moved: bool) -> tuple[Witness, ...]:
    """Oldest first. The one the finding is named after stands last, where the detector chose (``moved``)."""
    if not moved:
        return tuple(sorted(witnesses, key=lambda witness: witness.at))
    others = {one.ref: one for one in witnesses if one.ref != named.ref}
    return (*sorted(others.values(), key=lambda witness: witness.at), named)
