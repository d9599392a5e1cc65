"""The state machine of ``group``: entries of one key, and the windows over them that hold every member."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streams.detect.base import MAX_STATE, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.entries import ID_LIMIT, kept_id, place
from streams.model import FindingKind

STRIDE = 4
_BYTES = 72  #: of an entry in the changelog beside its id: time, position, mask, punctuation
MAX_ENTRIES = MAX_STATE // (_BYTES + ID_LIMIT)
#: More than so many events are not counted.
MAX_NEED = 500


class Capped(NamedTuple):
    """A member of which there may not be more."""

    bit: int
    most: int


class Window(NamedTuple):
    """Entries from ``first`` to before ``end``; by mask, how many of them."""

    first: int
    end: int
    held: Counter[int]


@dataclass(frozen=True, slots=True)
class Plan:
    """A group as its state machine needs it: bits stand for members by number."""

    within: int
    needed: tuple[tuple[int, int], ...]  #: (bit, so many at least)
    capped: tuple[Capped, ...]
    names: tuple[str, ...]
    wait: int | None  #: None: nothing is waited for
    need: int  #: exact up to so many of one mask


class Grouping:
    """State: ``[at, ref, event_id, mask, …, due]``, oldest first. ``due``: None, or when the first match is decided.

    Where time decides, a bit beyond those of the members marks an event after which it was. More than twice ``need``
    entries of one mask in a window make the one in the middle superfluous: any window that would contain it contains
    ``need`` of its neighbours on one side. (A duplicate of one that is gone counts again.)
    """

    stride = STRIDE
    max_items = MAX_ENTRIES * STRIDE + 1

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._least = sum(n for _, n in plan.needed)
        self._members = sum(bit for bit, _ in plan.needed)
        self._decided = 1 << len(plan.names)
        self._unions = [
            (sum(bit for bit, _ in chosen), sum(n for _, n in chosen))
            for chosen in _subsets(plan.needed)
            if len(chosen) > 1
        ]

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, _, horizon, closed, arms = moment
        kept, entries, due = kept_id(event_id), state[:-1] if state else [], state[-1] if state else None
        if entries and entries[0] <= horizon:
            del entries[: bisect_right(entries[::STRIDE], horizon) * STRIDE]
        if kept and kept in entries[2::STRIDE]:
            return state, Skipped.DUPLICATE
        mask = 0
        for arm in arms:
            mask |= 1 << arm
        index = place(entries, at, STRIDE)
        entries[index * STRIDE : index * STRIDE] = (at, ref, kept, mask)
        seen: Seen = None
        if mask & self._members and len(entries) >= self._least * STRIDE:
            times: list[int] = entries[::STRIDE]
            masks: list[int] = entries[3::STRIDE]
            if not self._all_there(masks):
                pass
            elif self._plan.wait is None:
                seen = self._matched(entries, times, masks, index, moment)
            elif due is None or index + 1 < len(times):  # what comes last is decided last
                due = self._sooner(times, masks, index, due)
        if len(entries) > 2 * self._plan.need * STRIDE:
            self._thin(entries, mask, at, closed)
        entries.append(due)
        return entries, seen

    # -- matches ---------------------------------------------------------------------------------------------------

    def _all_there(self, masks: list[int]) -> bool:
        together = 0
        for mask in set(masks):
            together |= mask
        return self._members & together == self._members

    def _complete(self, held: Counter[int]) -> bool:
        """Whether each member finds its events, none counting for two."""
        for bit, least in self._plan.needed:
            if sum(n for mask, n in held.items() if mask & bit) < least:
                return False
        shared, members = 0, self._members
        for mask, n in held.items():
            if n and (mask & members).bit_count() > 1:
                shared |= mask & members
        # Hall: each set of members has as many events that fit any of them as they need together.
        return not shared or all(
            sum(n for mask, n in held.items() if mask & bits) >= least
            for bits, least in self._unions
            if not bits & ~shared
        )

    def _exceeded(self, held: Counter[int]) -> bool:
        return any(sum(n for mask, n in held.items() if mask & bit) > most for bit, most in self._plan.capped)

    def _windows(self, times: list[int], masks: list[int], begin: int, end: int) -> Iterator[Window]:
        """The windows that end at the entries from ``begin`` to before ``end``. Their counts are good for one look."""
        within, clean = self._plan.within, self._decided - 1
        first = bisect_right(times, times[begin] - within) if begin < end else 0
        held = Counter(mask & clean for mask in masks[first:begin])
        for last in range(begin, end):
            held[masks[last] & clean] += 1
            if last + 1 < len(times) and times[last + 1] == times[last]:
                continue  # equal times end together
            oldest = times[last] - within
            while times[first] <= oldest:
                held[masks[first] & clean] -= 1
                first += 1
            yield Window(first, last + 1, held)

    def _matched(self, entries: State, times: list[int], masks: list[int], index: int, moment: Moment) -> Seen:
        """The match with the most events that contains the entry ``index``."""
        best, most = None, 0
        for window in self._windows(times, masks, index, bisect_left(times, times[index] + self._plan.within)):
            if self._complete(window.held) and not self._exceeded(window.held):
                value = self._value(window.held)
                if value > most:
                    best, most = Window(window.first, window.end, window.held.copy()), value
        if best is None:
            return None
        completing = Witness(moment.at, moment.ref, moment.event_id)
        return self._observed(entries, masks, best, most, index, completing)

    def _value(self, held: Counter[int]) -> int:
        need = self._plan.need
        return min(sum(min(n, need) for mask, n in held.items() if mask & self._members), MAX_NEED)

    def _observed(
        self, entries: State, masks: list[int], window: Window, value: int, index: int, named: Witness
    ) -> Observed:
        """``index``: the entry of the event that the finding is named after, as ``named`` describes it."""
        shown, said = {index}, []
        for number, name in enumerate(self._plan.names):
            bit = 1 << number
            places = [link for link in range(window.first, window.end) if masks[link] & bit]
            if bit & self._members and places:
                shown.add(places[0])
                said.append(f"{name} {min(len(places), self._plan.need)}")
        evidence = tuple(
            named if link == index else Witness(*entries[link * STRIDE : link * STRIDE + 3]) for link in sorted(shown)
        )
        return Observed(FindingKind.FIRE, value, self._least, evidence, detail={"members": ", ".join(said)})

    # -- what time decides -----------------------------------------------------------------------------------------

    def _sooner(self, times: list[int], masks: list[int], index: int, due: int | None) -> int | None:
        """``due``, or that of a match which contains the entry ``index``."""
        assert self._plan.wait is not None
        for window in self._windows(times, masks, index, bisect_left(times, times[index] + self._plan.within)):
            if self._complete(window.held):
                found = times[window.end - 1] + self._plan.wait - 1
                return found if due is None else min(due, found)
        return due

    def due(self, state: State) -> int | None:
        due: int | None = state[-1]
        return due

    def expire(self, state: State) -> tuple[State | None, Seen]:
        wait = self._plan.wait
        assert wait is not None
        entries, at = state[:-1], state[-1] - wait + 1
        times: list[int] = entries[::STRIDE]
        masks: list[int] = entries[3::STRIDE]
        seen, due = None, None
        for window in self._windows(times, masks, bisect_left(times, at), len(times)):
            ends = times[window.end - 1]
            same = range(bisect_left(times, ends), window.end)
            open_ends = [n for n in same if masks[n] & self._members and not masks[n] & self._decided]
            if not open_ends or not self._complete(window.held):
                continue
            if ends > at:
                due = ends + wait - 1
                break
            for end in open_ends:
                entries[end * STRIDE + 3] |= self._decided
            after = Counter(mask & (self._decided - 1) for mask in masks[window.end : bisect_left(times, at + wait)])
            if not self._exceeded(window.held + after):
                last = open_ends[-1]
                named = Witness(*entries[last * STRIDE : last * STRIDE + 3])
                within = Window(window.first, last + 1, window.held)
                seen = self._observed(entries, masks, within, self._value(window.held), last, named)
                seen = seen._replace(at=at + wait)
        entries.append(due)
        return entries, seen

    # -- room ------------------------------------------------------------------------------------------------------

    def _thin(self, entries: State, mask: int, at: int, closed: int) -> None:
        """Take superfluous entries of ``mask`` out of the windows around ``at``; the newest entry stays."""
        plan = self._plan
        settled = None if plan.wait is None else closed - plan.wait + 1
        members = mask & self._members
        alike = [n for n in range(len(entries) // STRIDE) if entries[n * STRIDE + 3] & (self._decided - 1) == mask]
        while len(alike) > 2 * plan.need:
            here = [n for n in alike if entries[n * STRIDE] > at - plan.within and entries[n * STRIDE] <= at]
            if len(here) <= 2 * plan.need:
                return
            middle = here[plan.need]
            begun = entries[middle * STRIDE]
            # What may still be the last event of a match must not go.
            if settled is not None and members and begun > settled and not entries[middle * STRIDE + 3] & self._decided:
                return
            del entries[middle * STRIDE : (middle + 1) * STRIDE]
            alike = [n - (n > middle) for n in alike if n != middle]

    def newest(self, state: State) -> int:
        newest: int = state[-1 - STRIDE]
        return newest

    def holds(self, state: State) -> bool:
        return False


def _subsets(needed: tuple[tuple[int, int], ...]) -> Iterable[tuple[tuple[int, int], ...]]:
    for number in range(1 << len(needed)):
        yield tuple(one for bit, one in enumerate(needed) if number >> bit & 1)
