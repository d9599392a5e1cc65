"""The machines of ``absence``: what must be remembered of a key to say, later, that nothing came.

Both keep entries in order of event time. Of three that one wait spans the middle one is superfluous: whoever waits
for it is heard by one of its neighbours. So about two entries are kept for each length of a wait that is not closed.
"""

from __future__ import annotations

from bisect import bisect_right

from streams.detect.base import FIRST_EVIDENCE, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.entries import kept_id
from streams.model import FindingKind

_ID_LIMIT = 48
_MAX_ENTRIES = 1_000
_TRIGGER, _HEARD = 0, 1


class Listening:
    """After each event another one is awaited. State: ``[at, ref, event_id, …, silent, floor]``, oldest first.

    ``silent`` is 1 where the silence after the first entry has been reported and has not ended. Events up to
    ``floor``, the time of the one that ended a silence last, change nothing any more.
    """

    stride = 3
    max_items = _MAX_ENTRIES * 3 + 2

    def __init__(self, within: int) -> None:
        self._within = within

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, _, _, closed, _ = moment
        kept, within = kept_id(event_id, _ID_LIMIT), self._within
        if state is None:
            return [at, ref, kept, 0, None], None
        if kept and kept in state[2:-2:3]:
            return state, Skipped.DUPLICATE
        times, silent, floor = state[:-2:3], state[-2], state[-1]
        index = bisect_right(times, at)
        if index == 0:
            if silent or times[0] <= closed or at + within <= closed or (floor is not None and at < floor):
                return state, Skipped.STALE
        elif times[index - 1] == at:
            return state, None
        heard = index < len(times) and times[index] <= at + within
        if silent and at + within <= closed and not heard:
            return [at, ref, kept, *state[index * 3 :]], None  # it was not silent then, and is silent since
        if silent and len(times) == 1:
            clear = _said(FindingKind.CLEAR, at - times[0], within, (Witness(at, ref, event_id),), times[0], None)
            return [at, ref, kept, 0, at], clear
        entries = [*state[: index * 3], at, ref, kept, *state[index * 3 :]]
        times.insert(index, at)
        _thin(entries, times, index, within, 3)
        while not silent and len(times) > 1 and times[1] <= closed:
            del entries[:3], times[0]
        return entries, None

    def newest(self, state: State) -> int:
        newest: int = state[-5]
        return newest

    def holds(self, state: State) -> bool:
        return False

    def due(self, state: State) -> int | None:
        """The end of the first wait for which nothing is known; while silent, the time of what ends that."""
        if state[-2]:
            return state[3] if len(state) > 5 else None
        due: int = state[self._last_before_gap(state)] + self._within
        return due

    def expire(self, state: State) -> tuple[State | None, Seen]:
        within = self._within
        if state[-2]:
            (since, _, _, at, ref, kept), rest = state[:6], state[6:-2]
            clear = _said(FindingKind.CLEAR, at - since, within, (Witness(at, ref, kept),), since, at)
            return [at, ref, kept, *rest, 0, at], clear
        first = self._last_before_gap(state)
        at, ref, kept = state[first : first + 3]
        fire = _said(FindingKind.FIRE, within, within, (Witness(at, ref, kept),), at, at + within)
        return [*state[first:-2], 1, state[-1]], fire

    def _last_before_gap(self, state: State) -> int:
        last = len(state) - 5
        for place in range(0, last, 3):
            if state[place + 3] > state[place] + self._within:
                return place
        return last


class Awaiting:
    """After each trigger something else is awaited. State: ``[at, ref, event_id, role, …, mark, silent]``.

    Entries are triggers that nothing followed yet, and what was heard that triggers still to come may have been
    waiting for. ``silent``: the time of the last trigger reported, while nothing has come after it.
    """

    stride = 4
    max_items = _MAX_ENTRIES * 4 + 2

    def __init__(self, within: int, forget: int) -> None:
        self._within = within
        self._early = max(0, forget - 2 * within)  # so much earlier goes a key for which nothing is reported

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, _, _, closed, arms = moment
        kept = kept_id(event_id, _ID_LIMIT)
        entries = state[:-2] if state else []
        mark, silent = (state[-2], state[-1]) if state else (at - self._early, None)
        if kept and kept in entries[2::4]:
            return state, Skipped.DUPLICATE
        heard = [entry for entry in _entries(entries) if entry[3] == _HEARD and entry[0] > closed - self._within]
        waiting = [entry for entry in _entries(entries) if entry[3] == _TRIGGER]
        seen: Seen = None
        if _HEARD in arms:
            waiting = [entry for entry in waiting if not entry[0] <= at <= entry[0] + self._within]
            if silent is not None and at >= silent:
                witness = (Witness(at, ref, event_id),)
                seen, silent = _said(FindingKind.CLEAR, at - silent, self._within, witness, silent, None), None
            heard = _heard(heard, [at, ref, kept, _HEARD], closed, self._within)
        elif at + self._within <= closed:
            return state, Skipped.STALE
        elif not any(at <= entry[0] <= at + self._within for entry in heard):
            waiting.append([at, ref, kept, _TRIGGER])
        if not heard and not waiting and silent is None:
            return None, seen
        return self._state([*heard, *waiting], max(mark, at - self._early), silent), seen

    def _state(self, entries: list[State], mark: int, silent: int | None) -> State:
        entries.sort(key=lambda entry: entry[0])  # stable: of one time in order of arrival
        return [*(item for entry in entries for item in entry), mark, silent]

    def newest(self, state: State) -> int:
        newest: int = state[-2]
        return newest

    def holds(self, state: State) -> bool:
        return False

    def due(self, state: State) -> int | None:
        """The end of the first wait."""
        for place in range(0, len(state) - 2, 4):
            if state[place + 3] == _TRIGGER:
                due: int = state[place] + self._within
                return due
        return None

    def expire(self, state: State) -> tuple[State | None, Seen]:
        within, entries = self._within, _entries(state[:-2])
        since = next(entry[0] for entry in entries if entry[3] == _TRIGGER)
        over = [entry for entry in entries if entry[3] == _TRIGGER and entry[0] == since]
        rest = [entry for entry in entries if entry not in over]
        witnesses = tuple(Witness(*entry[:3]) for entry in (*over[: FIRST_EVIDENCE if len(over) > 1 else 0], over[-1]))
        fire = _said(FindingKind.FIRE, within, within, witnesses, since, since + within)
        late = next((entry[0] for entry in rest if entry[3] == _HEARD and entry[0] > since), None)
        if late is None:
            # What is reported is remembered in full, so that its end can be told.
            return self._state(rest, max(state[-2], since), since), fire
        clear = _said(FindingKind.CLEAR, late - since, within, witnesses, since, late)
        return self._state(rest, state[-2], None), [fire, clear]


def _entries(flat: State) -> list[State]:
    return [flat[place : place + 4] for place in range(0, len(flat), 4)]


def _heard(heard: list[State], entry: State, closed: int, within: int) -> list[State]:
    """What was heard with one more; only what a trigger whose wait is not closed may have been waiting for."""
    if entry[0] <= closed - within:
        return heard
    index = bisect_right([other[0] for other in heard], entry[0])
    heard = [*heard[:index], entry, *heard[index:]]
    _thin(heard, [other[0] for other in heard], index, within, 1)
    return heard


def _thin(entries: State, times: list[int], index: int, within: int, stride: int) -> None:
    """Drop, around a new entry, each that lies between two others that one wait spans."""
    middle = max(1, index - 1)
    while middle < len(times) - 1 and middle <= index + 1:
        if times[middle + 1] - times[middle - 1] <= within:
            del entries[middle * stride : (middle + 1) * stride], times[middle]
            index -= middle <= index
            middle = max(1, middle - 1)
        else:
            middle += 1


def _said(
    kind: FindingKind, silent: int, within: int, evidence: tuple[Witness, ...], since: int, at: int | None
) -> Observed:
    detail = {"since": since, "silent_seconds": _seconds(silent)}
    return Observed(kind, _seconds(silent), _seconds(within), evidence, None, at, detail)


def _seconds(ms: int) -> int | float:
    return ms / 1_000 if ms % 1_000 else ms // 1_000
