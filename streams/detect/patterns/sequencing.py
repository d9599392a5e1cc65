"""The state machine of ``sequence``: entries of one key, and the chains that they make."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from streams.detect.base import MAX_STATE, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.entries import ID_LIMIT, kept_id, place
from streams.detect.patterns.chain import NONE, Pattern
from streams.detect.patterns.thinning import thinned
from streams.model import FindingKind

STRIDE = 4
_BYTES = 72  #: of an entry in the changelog beside its id: time, position, mask, punctuation
MAX_ENTRIES = MAX_STATE // (_BYTES + ID_LIMIT)
#: Entries times events of a match, above which the oldest entries go: what one event may cost.
_MAX_WORK = 60_000
#: More than so many events are not counted.
MAX_NEED = 500
#: Above it a key forgets what no event that is still waited for can need.
THIN_ABOVE = 128


@dataclass(frozen=True, slots=True)
class Plan:
    """A sequence as its state machine needs it. Bits stand for steps by number, then ``until``, then the barrier."""

    pattern: Pattern
    after: tuple[tuple[int, int], ...]  #: (bit, ms): not less than so long after the last event
    names: tuple[str, ...]
    skip: bool
    barrier: int  #: bit of the last event of a match: as ``until``, for what began before it
    need: int


class Sequencing:
    """State: ``[at, ref, event_id, mask, …, due]``, oldest first. ``due``: None, or when the first end is decided.

    ``mask``: the steps that the event can still be. Where time decides, a bit beyond the barrier marks an event after
    which a match has been decided; another one an event with which none begins, for what forbade it is forgotten.
    """

    stride = STRIDE

    def __init__(self, plan: Plan) -> None:
        pattern = plan.pattern
        self.max_items = min(MAX_ENTRIES, _MAX_WORK // len(pattern.slots)) * STRIDE + 1
        self._plan, self._need = plan, plan.need
        until = pattern.until | plan.barrier if plan.skip else pattern.until
        self._pattern = replace(pattern, until=until, barred=plan.barrier << 2)
        self._bits = tuple(slot.bit for slot in pattern.slots)
        self._steps: int = reduce(or_, self._bits)
        self._last = pattern.slots[-1].bit
        self._decided = plan.barrier << 1
        self._wait = max((ms for _, ms in plan.after), default=0)
        runs = {slot.bit: self._bits.count(slot.bit) for slot in pattern.slots}
        bounded = {slot.bit for slot in pattern.slots if slot.within}
        # Of events of such a step in a row, only the latest can be needed by what is still to come.
        self._rows = {
            bit: max(n, plan.need if n > 1 else 1)
            for bit, n in runs.items()
            if bit not in bounded and not (plan.after and bit == self._last)
        }
        self._counted = {bit for bit, n in runs.items() if n > 1}

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, _, horizon, closed, arms = moment
        kept, entries, due = kept_id(event_id), state[:-1] if state else [], state[-1] if state else None
        if entries and entries[0] <= horizon:
            self._forget(entries, bisect_right(entries[::STRIDE], horizon) * STRIDE)
        if kept and kept in entries[2::STRIDE]:
            return state, Skipped.DUPLICATE
        mask = 0
        for arm in arms:
            mask |= 1 << arm
        index = place(entries, at, STRIDE)
        entries[index * STRIDE : index * STRIDE] = (at, ref, kept, mask)
        newest = len(entries) == (index + 1) * STRIDE
        seen: Seen = None
        if mask & (self._last if newest else self._steps) and len(entries) >= len(self._bits) * STRIDE:
            if not self._wait:
                seen = self._completed(entries, index, moment)
            elif due is None or not newest:  # what comes last is decided last
                due = self._sooner(entries, index, due)
        if len(entries) > THIN_ABOVE * STRIDE:
            entries = self._thinned(entries, closed)
        entries.append(due)
        return entries, seen

    # -- a match ---------------------------------------------------------------------------------------------------

    def _completed(self, entries: State, index: int, moment: Moment) -> Seen:
        """The latest match of which the entry ``index`` is part."""
        base, times, masks = self._around(entries, index)
        if not _all_there(self._bits, masks):
            return None
        pattern, through = self._pattern, index - base
        rows = pattern.starts(times, masks, through)
        for end in range(len(times) - 1, through - 1, -1):
            if rows[-1][end] > NONE and rows[-1][end] >= pattern.earliest(times, masks, end):
                chain = pattern.latest(rows, times, masks, through, end)
                seen = self._observed(entries, base, chain, masks, index)
                completing = Witness(moment.at, moment.ref, moment.event_id)
                seen = seen._replace(
                    evidence=tuple(completing if one.ref == moment.ref else one for one in seen.evidence)
                )
                self._use_up(entries, base, chain)
                return seen
        return None

    def _around(self, entries: State, index: int) -> tuple[int, list[int], list[int]]:
        """Number of the first entry that may matter for matches of which ``index`` is part; times and masks from it."""
        times: list[int] = entries[::STRIDE]
        masks: list[int] = entries[3::STRIDE]
        at, within = times[index], self._pattern.within
        reach = within + max((ms for _, ms in self._pattern.before), default=0)
        first = bisect_right(times, at - reach, hi=index)
        last = bisect_left(times, at + within, lo=index)
        return first, times[first:last], masks[first:last]

    def _observed(self, entries: State, base: int, chain: list[int], masks: list[int], index: int | None) -> Observed:
        """What is told of a chain, by numbers from ``base``; ``index``: an entry that must be among the evidence."""
        slots, times = self._pattern.slots, entries[base * STRIDE :: STRIDE]
        count, names = 0, []
        shown = {chain[-1]} if index is None else {chain[-1], index - base}
        before = self._pattern.earliest(times, masks, chain[-1]) - 1
        for number, (slot, link) in enumerate(zip(slots, chain, strict=True)):
            if number == 0 or slots[number - 1].step != slot.step:
                before = chain[number - 1] if number else before
                names.append(self._plan.names[slot.step])
                shown.add(link)
            if number + 1 == len(slots) or slots[number + 1].step != slot.step:
                between = masks[before + 1 : link + 1] if slot.bit in self._counted else [slot.bit]
                count += sum(1 for mask in between if mask & slot.bit)
        evidence = (Witness(*entries[(base + link) * STRIDE : (base + link) * STRIDE + 3]) for link in sorted(shown))
        return Observed(
            FindingKind.FIRE, min(count, self._need), len(slots), tuple(evidence), detail={"steps": ", ".join(names)}
        )

    def _use_up(self, entries: State, base: int, chain: Iterable[int]) -> None:
        if not self._plan.skip:
            return
        at = 0
        for link in chain:
            at = (base + link) * STRIDE + 3
            entries[at] &= ~self._steps
        entries[at] |= self._plan.barrier

    # -- an end that time decides ----------------------------------------------------------------------------------

    def _sooner(self, entries: State, index: int, due: int | None) -> int | None:
        """``due``, or that of a match of which the entry ``index`` is part."""
        base, times, masks = self._around(entries, index)
        if not _all_there(self._bits, masks):
            return due
        rows = self._pattern.starts(times, masks, index - base)
        found = self._undecided(rows[-1], times, masks, index - base)
        return due if found is None else found if due is None else min(due, found)

    def _undecided(self, row: list[int], times: list[int], masks: list[int], begin: int) -> int | None:
        for end in range(begin, len(times)):
            open_end = row[end] > NONE and not masks[end] & self._decided
            if open_end and row[end] >= self._pattern.earliest(times, masks, end):
                return times[end] + self._wait - 1
        return None

    def due(self, state: State) -> int | None:
        due: int | None = state[-1]
        return due

    def expire(self, state: State) -> tuple[State | None, Seen]:
        pattern, entries = self._pattern, state[:-1]
        times: list[int] = entries[::STRIDE]
        masks: list[int] = entries[3::STRIDE]
        none = len(times)
        at = state[-1] - self._wait + 1
        rows = pattern.starts(times, masks, none)
        seen = None
        for end in range(bisect_right(times, at) - 1, -1, -1):
            if times[end] != at:
                break
            feasible = rows[-1][end] > NONE and rows[-1][end] >= pattern.earliest(times, masks, end)
            if not feasible or masks[end] & self._decided:
                continue
            entries[end * STRIDE + 3] |= self._decided
            if seen is None and not self._broken(times, masks, end):
                chain = pattern.latest(rows, times, masks, none, end)
                seen = self._observed(entries, 0, chain, masks, None)._replace(at=at + self._wait)
                self._use_up(entries, 0, chain)
        masks = entries[3::STRIDE]
        if seen is not None and self._plan.skip:
            rows = pattern.starts(times, masks, none)
        entries.append(self._undecided(rows[-1], times, masks, 0))
        return entries, seen

    def _broken(self, times: list[int], masks: list[int], end: int) -> bool:
        """Whether what came after the entry ``end`` makes a match that ends there none."""
        guards = [*self._plan.after, (self._pattern.until & ~self._plan.barrier, self._wait)]
        return any(
            times[later] < times[end] + ms and masks[later] & bits
            for later in range(end + 1, len(times))
            for bits, ms in guards
        )

    def _forget(self, entries: State, end: int) -> None:
        """Take out what does not count any more; what it forbids to begin is forbidden for good."""
        until = max(
            (
                entries[n] + ms
                for bits, ms in self._pattern.before
                for n in range(0, end, STRIDE)
                if entries[n + 3] & bits
            ),
            default=0,
        )
        del entries[:end]
        for n in range(0, len(entries), STRIDE):
            if entries[n] >= until:
                break
            entries[n + 3] |= self._pattern.barred

    # -- room ------------------------------------------------------------------------------------------------------

    def _thinned(self, entries: State, closed: int) -> State:
        # An end of which nothing has been told may still be: by the last event alone where nothing is waited for.
        over = 0 if self._wait or self._bits.count(self._last) > 1 else self._last
        guards = reduce(or_, (bits for bits, _ in self._pattern.before), 0)
        return thinned(entries, closed, self._rows, over, self._pattern.until, guards, self._steps)

    def newest(self, state: State) -> int:
        newest: int = state[-1 - STRIDE]
        return newest

    def holds(self, state: State) -> bool:
        return False


def _all_there(bits: tuple[int, ...], masks: list[int]) -> bool:
    together = reduce(or_, set(masks), 0)
    return all(together & bit for bit in bits)
