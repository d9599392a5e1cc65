"""Between the engine and a detector of a user's package: states in a box, evidence, duplicates, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streams.detect.base import FIRST_EVIDENCE, MAX_STATE, NEVER, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.detectors import Event, Found
from streams.detect.entries import kept_id
from streams.model import FindingKind, Severity

_ID_LIMIT = 40
_MAX_IDS = 64
#: Of a detector's own state, as JSON; the rest of the value is the box.
MAX_INNER = MAX_STATE // 2
_HEAD = 5

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Boxed:
    """State: ``[newest, state as JSON text, told, due, witnesses, at, ref, event_id, …, ids…]``.

    ``told``: the kinds of findings that the latest event has named: 1 for fire, 2 for clear. The witnesses are the
    first events since the last finding, and the latest of all.
    """

    stride = 1
    max_items = _HEAD + 3 * (FIRST_EVIDENCE + 1) + _MAX_IDS

    def __init__(self, inner: Any, fields: tuple[str, ...], keeps: int) -> None:
        self._inner, self._fields, self._keeps = inner, fields, keeps

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, _ = moment
        newest, text, _, witnesses, ids = _opened(state) if state and state[0] > horizon else (at, "null", 0, [], [])
        kept = kept_id(event_id, _ID_LIMIT)
        if kept and kept in ids:
            return state, Skipped.DUPLICATE
        found = {path: value for path, value in zip(self._fields, values, strict=True) if value is not msgspec.UNSET}
        inner, findings = self._inner.step(_decode(text), Event(at, event_id, found))
        witnesses = [*witnesses[:FIRST_EVIDENCE], Witness(at, ref, kept)]
        evidence = tuple(sorted(witnesses, key=lambda witness: witness.at))
        seen, told = _observed(findings, evidence, None, 0)
        ids = [*ids[-_MAX_IDS + 1 :], kept] if kept else ids
        return self._boxed(max(newest, at), inner, told, witnesses[-1:] if told else witnesses, ids), seen

    def _boxed(self, newest: int, inner: Any, told: int, witnesses: list[Witness], ids: list[str]) -> State:
        raw = _encode(inner)
        if len(raw) > MAX_INNER:
            raise ValueError(f"the state of a key has {len(raw)} bytes; at most {MAX_INNER} are kept")
        text = raw.decode()
        flat = (item for one in witnesses for item in one)
        return [newest, text, told, self._due(newest, text), len(witnesses), *flat, *ids]

    def _due(self, newest: int, text: str) -> int | None:
        return None

    def newest(self, state: State) -> int:
        newest: int = state[0]
        return newest

    def holds(self, state: State) -> bool:
        return False


class BoxedTimed(Boxed):
    """For a class that has ``due`` and ``expire``. One event names one finding of a kind: a second is not told."""

    def due(self, state: State) -> int | None:
        due: int | None = state[3]
        return due

    def _due(self, newest: int, text: str) -> int | None:
        """Asked once, where the detector may raise: nobody else but the step that makes a state runs its code."""
        due = self._inner.due(_decode(text))
        if due is None:
            return None
        if isinstance(due, bool) or not isinstance(due, int):
            raise TypeError(f"due gives {type(due).__name__}, not ms or None")
        if due <= NEVER:
            raise ValueError(f"due gives {due}, which is no time")
        if due >= newest + self._keeps:
            return None  # the key is forgotten before
        return due

    def expire(self, state: State) -> tuple[State | None, Seen]:
        due = self.due(state)
        newest, text, told, witnesses, ids = _opened(state)
        inner, findings = self._inner.expire(_decode(text), due)
        seen, told = _observed(findings, tuple(witnesses), due, told)
        after = self._boxed(newest, inner, told, witnesses, ids)
        later = self.due(after)
        if later is not None and due is not None and later <= due:
            raise ValueError(f"expire at {due} leaves a due of {later}: it would never end")
        return after, seen


def _opened(state: State) -> tuple[int, str, int, list[Witness], list[str]]:
    newest, text, told, _, count = state[:_HEAD]
    end = _HEAD + 3 * count
    return newest, text, told, [Witness(*state[place : place + 3]) for place in range(_HEAD, end, 3)], state[end:]


def _observed(
    findings: Sequence[Found], evidence: tuple[Witness, ...], at: int | None, told: int
) -> tuple[list[Observed] | None, int]:
    """What was found, and ``told`` with it. Raises TypeError or ValueError for what is no finding."""
    seen: list[Observed] = []
    kinds: list[FindingKind] = []
    for found in findings:
        if not isinstance(found, Found):
            raise TypeError(f"a finding is {type(found).__name__}, not Found")
        kind = FindingKind.CLEAR if found.clear else FindingKind.FIRE
        if kind in kinds:
            raise ValueError(f"finds {kind} twice in one step")
        kinds.append(kind)
        bit = 2 if found.clear else 1
        if told & bit:
            continue
        told |= bit
        if not isinstance(found.detail, Mapping):
            raise TypeError("the detail of a finding is no mapping")
        _encode([found.value, found.threshold, found.detail])
        severity = (Severity(found.severity), found.severity) if found.severity else None
        seen.append(Observed(kind, found.value, found.threshold, evidence, severity, at, dict(found.detail)))
    return seen or None, told
