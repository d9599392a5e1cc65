"""How many events lie in a sliding window: the cheapest state that keeps times, positions and ids exactly.

A million keys have one or two events each, and most events complete nothing: both are what this file is written for.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import Any, Protocol

from streams.detect.base import FIRST_EVIDENCE, MAX_STATE, Moment, Observed, Ref, Seen, Skipped, State, Witness
from streams.detect.entries import ID_LIMIT, kept_id, windows
from streams.model import FindingKind

_COMPACT_ABOVE = 500
_BYTES = 60  #: of an entry in the changelog beside its id: time, position, punctuation


class Counted(Protocol):
    """What is to be known of a rule that counts."""

    @property
    def at_least(self) -> int: ...

    @property
    def within(self) -> int: ...

    @property
    def dedup(self) -> int:
        """0: ids are not kept."""


class Counting:
    """State: ``[at, …, "ref id,…"]``: the times, oldest first, then one line of their positions and ids in this order.

    Observed values saturate at ``need``. Twice ``need`` entries in one window make the one in the middle superfluous:
    any window, present or future, that would contain it contains ``need`` of its neighbours on one side. So what is
    kept stays exact up to ``need``.
    """

    stride = 1

    def __init__(self, count: Counted, need: int) -> None:
        self._at_least, self._within, self._need = count.at_least, count.within, need
        self._dedup = count.dedup > 0
        self._id_limit = ID_LIMIT if need <= _COMPACT_ABOVE else 16
        self.max_items = MAX_STATE // (_BYTES + self._id_limit) + 1

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, _, horizon, _, _ = moment
        # A plain id is kept as it is; the call is made for others only.
        if not (
            len(event_id) <= self._id_limit
            and event_id.isascii()
            and event_id.isprintable()
            and " " not in event_id
            and "," not in event_id
        ):
            event_id = kept_id(event_id, self._id_limit)
        if not self._dedup:
            event_id = ""
        if state is None or state[-2] <= horizon:
            if self._at_least > 1:
                return [at, f"{ref} {event_id},"], None
            return self._placed([], [], at, ref, event_id, moment)
        line: str = state[-1]
        tail = f" {event_id},"
        if event_id and tail in line and self._is_known(state, event_id, horizon):
            return state, Skipped.DUPLICATE
        if state[-2] <= at:
            if state[0] > horizon:
                if len(state) < self._at_least:  # the newest of too few: nothing to look for
                    entries = state + [f"{line}{ref}{tail}"]  # noqa: RUF005  # to unpack takes more time and room
                    entries[-2] = at
                    return entries, None
                gone = 0
            else:
                gone = bisect_right(state, horizon, 0, len(state) - 1)
                line = line.split(",", gone)[gone]
            if len(state) < self.max_items:  # else the line may be longer than the times
                entries = [*state[gone:-1], at, f"{line}{ref}{tail}"]
                last = len(entries) - 2
                first = bisect_right(entries, at - self._within, 0, last)
                if last - first + 1 < self._at_least:
                    return entries, None
                if last - first < 2 * self._need:
                    return entries, self._seen(
                        entries[:-1], entries[-1].split(",", first + FIRST_EVIDENCE + 1), first, last, last, moment
                    )
        times, places = _opened(state, horizon)
        return self._placed(times, places, at, ref, event_id, moment)

    def quick(self, state: State, at: int, ref: Ref, event_id: str, values: tuple[Any, ...], horizon: int) -> bool:
        """See ``streams.detect.base.Quick``: the newest of too few."""
        line, tail, last = state[-1], f" {event_id},", state[-2]
        if last > at or tail in line or len(event_id) > self._id_limit or not self._dedup:
            return False
        if state[0] <= horizon:
            if last <= horizon:
                if self._at_least == 1:
                    return False
                state[:] = at, f"{ref}{tail}"
                return True
            gone = bisect_right(state, horizon, 0, len(state) - 1)
            if len(state) - gone >= self._at_least:
                return False
            line = line.split(",", gone)[gone]
            del state[:gone]
        elif len(state) >= self._at_least:
            return False
        state[-1] = f"{line}{ref}{tail}"
        state.insert(-1, at)
        return True

    def _is_known(self, state: State, event_id: str, horizon: int) -> bool:
        """Whether the id is that of an entry that still counts; the line may have older ones."""
        tail = f" {event_id}"
        return any(place.endswith(tail) for place in _opened(state, horizon)[1])

    def _placed(
        self, times: list[int], places: list[str], at: int, ref: Ref, event_id: str, moment: Moment
    ) -> tuple[State, Seen]:
        within, need = self._within, self._need
        index = bisect_right(times, at)
        times.insert(index, at)
        places.insert(index, f"{ref} {event_id}")
        first, last = _largest(times, index, within)
        found = last - first + 1
        observed = self._seen(times, places, first, last, index, moment) if found >= self._at_least else None
        while found > 2 * need:
            middle = first + need
            del times[middle], places[middle]
            if middle == index:
                break
            index -= middle < index
            first, last = _largest(times, index, within)
            found = last - first + 1
        return [*times, ",".join(places) + ","], observed

    def _seen(self, times: list[int], places: list[str], first: int, last: int, index: int, moment: Moment) -> Observed:
        """A window, with its first entries and the completing event, oldest first."""
        others = islice((number for number in range(first, last + 1) if number != index), FIRST_EVIDENCE)
        chosen = [_witness(times[number], places[number]) for number in others]
        chosen.append(Witness(moment.at, moment.ref, moment.event_id))
        if index != last:
            chosen.sort(key=lambda witness: witness.at)
        found = min(last - first + 1, self._need)
        return Observed(FindingKind.FIRE, found, self._at_least, tuple(chosen))

    def measure(self, state: State) -> float | None:
        """Events kept as of the last one; see ``streams.detect.base.Measured``."""
        return float(len(state) - 1)

    def newest(self, state: State) -> int:
        newest: int = state[-2]
        return newest

    def holds(self, state: State) -> bool:
        return False


def _opened(state: State, horizon: int) -> tuple[list[int], list[str]]:
    """Times and places that still count. Where the oldest times had to go for want of room, the line has more."""
    times, places = state[:-1], state[-1].split(",")
    places.pop()
    gone = bisect_right(times, horizon)
    del times[:gone], places[: len(places) - len(times)]
    return times, places


def _largest(times: list[int], index: int, within: int) -> tuple[int, int]:
    """First and last entry of the window with the most of them among those that contain the entry ``index``."""
    if index == len(times) - 1:
        return bisect_right(times, times[index] - within), index
    return max(windows(times, index, within), key=_size)


def _size(window: tuple[int, int]) -> int:
    return window[1] - window[0]


def _witness(at: int, place: str) -> Witness:
    ref, event_id = place.split(" ")
    return Witness(at, int(ref) if ref.isdecimal() else ref, event_id)
