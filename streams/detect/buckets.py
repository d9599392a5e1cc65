"""Windows that begin and end by themselves (tumbling, by the calendar, hopping) or by pauses (sessions).

Nothing is kept of an event but what its bucket adds up, the first event of each bucket, and the last ids of the key.
An event fires where it makes a window reach the threshold, and each further one again, as it does in a sliding window.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from streams.detect import ring
from streams.detect.base import FIRST_EVIDENCE, MAX_STATE, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.exact import plain
from streams.detect.tallies import Number, Span, Tally
from streams.detect.windows import Bucket, Window
from streams.model import FindingKind

_BYTES = 130  #: of a bucket in the changelog beside what it holds
_RING = 8_000  #: of the ids, at most
_PANE = 5
_SESSION = 6


class Buckets:
    """State: ``[end, held, at, ref, id, …, ids]``: buckets, oldest first, with their first event; then the last ids.

    A bucket counts until the horizon has reached its last moment.
    """

    stride = _PANE

    def __init__(self, window: Window, tally: Tally, at_least: Number, dedup: int) -> None:
        self._window, self._tally, self._at_least, self._dedup = window, tally, at_least, dedup
        self._recent = Bucket(0, 0)
        self.max_items = (MAX_STATE - _RING) // (_BYTES + tally.room) * _PANE + 1

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        taken = take(self._tally, state, moment, _PANE, self._last)
        if isinstance(taken, Skipped):
            return state, taken
        at, ref, (value, kept, panes, ids) = moment.at, moment.ref, taken
        end = self.bucket(at).end
        ends = panes[::_PANE]
        index = bisect_left(ends, end)
        place = index * _PANE
        if index < len(ends) and ends[index] == end:
            panes[place + 1] = self._tally.add(panes[place + 1], value)
        else:
            panes[place:place] = (end, self._tally.add(None, value), at, ref, kept)
            ends.insert(index, end)
        spans = self._spans(ends, index)
        found = seen(self._tally, panes[1::_PANE], spans, self._at_least, witnesses(panes, _PANE, moment), moment)
        return [*panes, ring.with_id(ids, kept, self._dedup)], found

    def bucket(self, at: int) -> Bucket:
        """The bucket of a time; the last one is remembered, for a calendar takes a while to ask."""
        if not self._recent.start <= at < self._recent.end:
            self._recent = self._window.bucket(at)
        return self._recent

    def _spans(self, ends: Sequence[int], index: int) -> list[Span]:
        """The windows that contain a bucket, as first and last of their buckets; those are enough that end with one."""
        if self._window.panes == 1:
            return [(index, index)]
        within, spans = self._window.within, []
        for last in range(index, len(ends)):
            if ends[last] - within >= ends[index]:
                break
            spans.append((bisect_right(ends, ends[last] - within), last))
        return spans

    def _last(self, entries: State, place: int) -> int:
        last: int = entries[place] - 1
        return last

    def newest(self, state: State) -> int:
        return self._last(state, len(state) - 1 - _PANE)

    def holds(self, state: State) -> bool:
        return False


class Sessions:
    """State: ``[first, last, held, at, ref, id, …, ids]``: sessions, oldest first; then the last ids.

    An event joins the session before it, else the one after it, where it is no further away than the gap and the whole
    stays shorter than the longest session; it may join two into one. So in disorder what is one session may depend
    on what came first, but only where sessions reach their greatest length.
    """

    stride = _SESSION

    def __init__(self, window: Window, tally: Tally, at_least: Number, dedup: int) -> None:
        self._gap, self._within = window.gap, window.within
        self._tally, self._at_least, self._dedup = tally, at_least, dedup
        self.max_items = (MAX_STATE - _RING) // (_BYTES + tally.room) * _SESSION + 1

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        taken = take(self._tally, state, moment, _SESSION, self._last)
        if isinstance(taken, Skipped):
            return state, taken
        at, ref, (value, kept, entries, ids) = moment.at, moment.ref, taken
        place = bisect_right(entries[::_SESSION], at) * _SESSION  # of the session after it
        if place and self._joins(entries[place - _SESSION], entries[place - _SESSION + 1], at, at):
            place -= _SESSION
            entries[place + 1] = max(entries[place + 1], at)
            entries[place + 2] = self._tally.add(entries[place + 2], value)
            after = place + _SESSION
            if after < len(entries) and self._joins(*entries[place : place + 2], *entries[after : after + 2]):
                entries[place + 1] = entries[after + 1]
                entries[place + 2] = self._tally.join(entries[place + 2], entries[after + 2])
                del entries[after : after + _SESSION]
        elif place < len(entries) and self._joins(at, at, entries[place], entries[place + 1]):
            entries[place] = at
            entries[place + 2] = self._tally.add(entries[place + 2], value)
        else:
            entries[place:place] = (at, at, self._tally.add(None, value), at, ref, kept)
        index = place // _SESSION
        said = witnesses(entries[1:], _SESSION, moment)
        found = seen(self._tally, entries[2::_SESSION], [(index, index)], self._at_least, said, moment)
        return [*entries, ring.with_id(ids, kept, self._dedup)], found

    def _joins(self, first: int, last: int, begin: int, end: int) -> bool:
        """Whether a session and what begins after it are one."""
        return begin - last <= self._gap and max(last, end) - first < self._within

    def _last(self, entries: State, place: int) -> int:
        """The last moment at which it could go on."""
        last: int = entries[place + 1] + self._gap
        return last

    def newest(self, state: State) -> int:
        return self._last(state, len(state) - 1 - _SESSION)

    def holds(self, state: State) -> bool:
        return False


def opened(state: State | None, horizon: int, stride: int, last: Callable[[State, int], int]) -> tuple[State, str]:
    """A copy of the buckets that still count, and the ids; of a key all of which is past, nothing."""
    if not state or last(state, len(state) - 1 - stride) <= horizon:
        return [], ring.EMPTY
    place, end = 0, len(state) - 1
    while last(state, place) <= horizon:
        place += stride
    return state[place:end], state[end]


def take(
    tally: Tally, state: State | None, moment: Moment, stride: int, last: Callable[[State, int], int]
) -> tuple[Any, str, State, str] | Skipped:
    """What an event adds, its id as it is kept, a copy of the buckets that still count, and the ids so far."""
    value = tally.read(moment.values)
    if value is None:
        return Skipped.UNUSABLE
    kept = ring.named(moment.event_id)
    entries, ids = opened(state, moment.horizon, stride, last)
    if kept and ring.has(ids, kept):
        return Skipped.DUPLICATE
    return value, kept, entries, ids


Said = Callable[[int, int], tuple[Witness, ...]]


def witnesses(entries: State, stride: int, moment: Moment) -> Said:
    """For a span of buckets their first events and the completing one, oldest first."""

    def said(first: int, last: int) -> tuple[Witness, ...]:
        chosen: list[Witness] = []
        for place in range(first * stride, (last + 1) * stride, stride):
            if entries[place + 3] != moment.ref:
                chosen.append(Witness(*entries[place + 2 : place + 5]))
                if len(chosen) == FIRST_EVIDENCE:
                    break
        chosen.append(Witness(moment.at, moment.ref, moment.event_id))
        return tuple(sorted(chosen, key=lambda witness: witness.at))

    return said


def seen(
    tally: Tally, held: Sequence[Any], spans: Sequence[Span], at_least: Number, said: Said, moment: Moment
) -> Observed | None:
    """The largest of the windows, where it reaches the threshold; of equal ones the first."""
    sizes = tally.sizes(held, spans)
    size = max(sizes)
    if size < at_least:
        return None
    evidence = said(*spans[sizes.index(size)])
    return Observed(FindingKind.FIRE, plain(Fraction(size)), plain(Fraction(at_least)), evidence)
