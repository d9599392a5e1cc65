"""Too few: windows of a known key that are complete, and hold fewer events or values than they should.

Fires once, at the moment of event time at which it was so, when nothing is waited for any more up to there; clears with
the event that fills a window again. A key is known from the first event that came, and forgotten, whatever is open,
when none came for ``forget``. Findings by time are named after the event that came last into a window that is looked
at: not after one that was delivered again.

Windows that ended before the last event came, and was not waited for, are not looked at again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Any

from streams.detect import ring
from streams.detect.base import MAX_STATE, NEVER, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.entries import kept_id
from streams.detect.tallies import Tally
from streams.detect.thinning import cap, thin
from streams.detect.values import token
from streams.detect.windows import Window
from streams.model import FindingKind

_ENTRY = 3
_BYTES = 20 + 40 + 64
_ID_LIMIT = 40

#: Behind the entries: whether it is held, up to when windows have been looked at, the newest event's time, and the
#: event that came last into a window that is looked at: its time, position and id.
_HEAD = 6


class Scarce:
    """In sliding windows. State: ``[at, id, value, …, head]``; without a field every value is another."""

    stride = _ENTRY
    max_items = MAX_STATE // _BYTES * _ENTRY + _HEAD

    def __init__(self, within: int, below: int, forget: int, *, by_value: bool, dedup: int) -> None:
        self._within, self._below, self._forget, self._by_value = within, below, forget, by_value
        self._dedup = dedup

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, closed, _ = moment
        told = token(values[0]) if self._by_value else ""
        if told is None:
            return state, Skipped.UNUSABLE
        within, kept = self._within, kept_id(event_id, _ID_LIMIT) if self._dedup else ""
        if state is None or self.newest(state) <= horizon:
            entries, held, until, newest, last = [], 0, at + within - 1, at, [at, ref, kept]
        else:
            entries, (held, until, newest, *last) = state[:-_HEAD], state[-_HEAD:]
        until = max(until, closed)
        gone = bisect_right(entries[::_ENTRY], until + 1 - within) * _ENTRY
        if kept and kept in entries[gone + 1 :: _ENTRY]:
            return state, Skipped.DUPLICATE
        del entries[:gone]
        if at > until + 1 - within:
            place = bisect_right(entries[::_ENTRY], at) * _ENTRY
            entries[place:place] = (at, kept, told)
            last = [at, ref, kept]
        seen = None
        if held and last[1] == ref and (full := self._filled(entries, until)) is not None:
            held, until = 0, full
            seen = Observed(FindingKind.CLEAR, self._below, self._below, (Witness(at, ref, event_id),))
        if self._by_value:
            thin(entries, _ENTRY, told, within)
        cap(entries, _ENTRY, within, (4 if self._by_value else 2) * self._below, at)
        return [*entries, held, until, max(newest, at), *last], seen

    def _sizes(self, entries: State, until: int, ends: list[int]) -> list[int]:
        """How much lies in the windows that end at ``ends``, ascending."""
        times, told = entries[::_ENTRY], entries[2::_ENTRY]
        inside: Counter[Any] = Counter()
        first = last = 0
        sizes = []
        for end in ends:
            while last < len(times) and times[last] <= end:
                inside[told[last] if self._by_value else last] += 1
                last += 1
            while first < last and times[first] <= end - self._within:
                value = told[first] if self._by_value else first
                inside[value] -= 1
                if not inside[value]:
                    del inside[value]
                first += 1
            sizes.append(len(inside))
        return sizes

    def _filled(self, entries: State, until: int) -> int | None:
        """The end of the first window after ``until`` that holds enough."""
        ends: list[int] = [until + 1, *(at for at in entries[::_ENTRY] if at > until + 1)]
        for end, size in zip(ends, self._sizes(entries, until, ends), strict=True):
            if size >= self._below:
                return end
        return None

    def _low(self, state: State) -> tuple[int, int]:
        """The end of the first window that holds too little by what is known, and how much it holds."""
        entries, until = state[:-_HEAD], state[1 - _HEAD]
        ends = [until + 1, *(at + self._within for at in entries[::_ENTRY] if at + self._within > until + 1)]
        sizes = self._sizes(entries, until, ends)
        return next((end, size) for end, size in zip(ends, sizes, strict=True) if size < self._below)

    def due(self, state: State) -> int | None:
        forgotten = self.newest(state) + self._forget - 1
        return forgotten if self.holds(state) else min(self._low(state)[0], forgotten)

    def expire(self, state: State) -> tuple[State | None, Seen]:
        if self.holds(state):
            return None, None
        end, size = self._low(state)
        if end > self.newest(state) + self._forget - 1:
            return None, None
        _, _, newest, *last = state[-_HEAD:]
        return [*state[:-_HEAD], 1, end, newest, *last], too_few(size, self._below, last, end)

    def newest(self, state: State) -> int:
        newest: int = state[2 - _HEAD]
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[-_HEAD])


def too_few(size: int, below: int, last: list[Any], at: int) -> Observed:
    """Too few at a moment, named after the event that came last."""
    return Observed(FindingKind.FIRE, size, below, (Witness(*last),), at=at)


class ScarceBuckets:
    """In windows that follow each other. State: ``[end, held, …, head, ids]``, the head as above; windows have been
    looked at up to the beginning of one.
    """

    stride = 2

    def __init__(self, window: Window, tally: Tally, below: int, forget: int, dedup: int) -> None:
        self._window, self._tally, self._below = window, tally, below
        self._forget, self._dedup = forget, dedup
        self.max_items = (MAX_STATE - 8_000) // (tally.room + 20) * 2 + _HEAD + 1

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, closed, _ = moment
        value = self._tally.read(values)
        if value is None:
            return state, Skipped.UNUSABLE
        kept = ring.named(event_id)
        bucket = self._window.bucket(at)
        panes: State
        if state is None or self.newest(state) <= horizon:
            until = bucket.start if bucket.start == at else bucket.end
            panes, held, newest, last, ids = [], 0, at, [at, ref, kept], ring.EMPTY
        else:
            panes, (held, until, newest, *last, ids) = state[: -_HEAD - 1], state[-_HEAD - 1 :]
        if kept and ring.has(ids, kept):
            return state, Skipped.DUPLICATE
        if closed != NEVER and closed + 1 > until:
            until = max(until, self._window.bucket(closed + 1).start)
        del panes[: bisect_right(panes[::2], until) * 2]
        seen = None
        if bucket.end > until:
            place = bisect_left(panes[::2], bucket.end) * 2
            if place == len(panes) or panes[place] != bucket.end:
                panes[place:place] = (bucket.end, None)
            panes[place + 1] = self._tally.add(panes[place + 1], value)
            last = [at, ref, kept]
        if held and last[1] == ref and (full := self._filled(panes)) is not None:
            held, until = 0, full
            seen = Observed(FindingKind.CLEAR, self._below, self._below, (Witness(at, ref, event_id),))
        ids = ring.with_id(ids, kept, self._dedup)
        return [*panes, held, until, max(newest, at), *last, ids], seen

    def _filled(self, panes: State) -> int | None:
        """The end of the first window that holds enough."""
        for place in range(0, len(panes), 2):
            if self._tally.sizes([panes[place + 1]], [(0, 0)])[0] >= self._below:
                end: int = panes[place]
                return end
        return None

    def _low(self, state: State) -> tuple[int, int]:
        """The end of the first window that holds too little by what is known, and how much it holds."""
        until: int = state[-_HEAD]
        for place in range(bisect_right(state[: -_HEAD - 1 : 2], until) * 2, len(state) - _HEAD - 1, 2):
            end = self._window.bucket(until).end
            size = int(self._tally.sizes([state[place + 1]], [(0, 0)])[0]) if state[place] == end else 0
            if size < self._below:
                return end, size
            until = end
        return self._window.bucket(until).end, 0

    def due(self, state: State) -> int | None:
        forgotten = self.newest(state) + self._forget - 1
        return forgotten if self.holds(state) else min(self._low(state)[0] - 1, forgotten)

    def expire(self, state: State) -> tuple[State | None, Seen]:
        if self.holds(state):
            return None, None
        end, size = self._low(state)
        if end > self.newest(state) + self._forget:
            return None, None
        _, _, newest, *last, ids = state[-_HEAD - 1 :]
        return [*state[: -_HEAD - 1], 1, end, newest, *last, ids], too_few(size, self._below, last, end - 1)

    def newest(self, state: State) -> int:
        newest: int = state[1 - _HEAD]
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[-_HEAD - 1])
