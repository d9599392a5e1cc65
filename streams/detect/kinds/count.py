"""``count: {at_least: 5, within: 10m}``: so many events of one key inside one stretch of event time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import MAX_STATE, Moment, Observed, Option, Seen, Settings, Skipped, State
from streams.detect.entries import ID_LIMIT, above, kept_id, place, windows, witnesses
from streams.model import FindingKind
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

#: Larger numbers would need a state larger than a changelog value may be.
MAX_AT_LEAST = 1_500
#: So far is counted beyond any threshold, that a person reads "17 failed logins" and not the threshold again.
LEAST_NEED = 20
_COMPACT_ABOVE = 500
_BYTES = 60  #: of an entry in the changelog beside its id: time, position, punctuation
_STRIDE = 3

OPTIONS = (
    Option("at_least", "integer", None, "so many events"),
    Option("within", "duration", None, "length of the window"),
)

EXAMPLE = """
id: example.failed-login-burst
title: "{count} failed logins for {actor}"
source: audit
where: {action: login, outcome: failure}
group_by: [actor]
detect: {count: {at_least: 5, within: 10m}}
severity: {medium: 5, high: 20}
type: security
tests:
  - name: the fifth failure inside ten minutes fires
    events: [{at: 0s, actor: ada, action: login, outcome: failure, times: 5, every: 30s}]
    expect: [{at: 2m, actor: ada, count: 5, severity: medium}]
"""


@dataclass(frozen=True, slots=True)
class Count(Settings):
    """Fires on each event that makes ``at_least`` of them lie inside some window of ``within`` ms that contains it."""

    at_least: int
    within: int

    @property
    def name(self) -> str:
        return "count"

    @property
    def keeps(self) -> int:
        return self.within

    def document(self) -> dict[str, Any]:
        return {"at_least": self.at_least, "within": format_duration(self.within)}

    def against(self, ladder: Ladder) -> list[str]:
        return beyond(ladder, MAX_AT_LEAST)

    def detector(self, ladder: Ladder) -> Counting:
        return Counting(self, need(self.at_least, ladder, MAX_AT_LEAST))


def beyond(ladder: Ladder, most: int) -> list[str]:
    """What to say of a ladder whose top no state can count to."""
    top = ladder.top
    return [f"{top} is more than can be counted to ({most})"] if top is not None and top > most else []


def need(at_least: int, ladder: Ladder, most: int) -> int:
    """How far a rule has to be able to count: to its threshold, to the top of its ladder, and to ``LEAST_NEED``."""
    top = ladder.top
    return min(most, max(at_least, LEAST_NEED, math.ceil(top) if top is not None and math.isfinite(top) else 0))


class Counting:
    """State: ``[at, ref, event_id, …]``, oldest first. Observed values saturate at ``need``.

    Twice ``need`` entries in one window make the one in the middle superfluous: any window, present or future, that
    would contain it contains ``need`` of its neighbours on one side. So what is kept stays exact up to ``need``.
    """

    stride = _STRIDE

    def __init__(self, count: Count, need: int) -> None:
        self._count, self._need = count, need
        self._id_limit = ID_LIMIT if need <= _COMPACT_ABOVE else 16
        self.max_items = MAX_STATE // (_BYTES + self._id_limit) * _STRIDE

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, _, horizon, _, _ = moment
        kept = kept_id(event_id, self._id_limit)
        entries = above(state, horizon, _STRIDE)
        if kept and kept in entries[2::_STRIDE]:
            return state, Skipped.DUPLICATE
        index = place(entries, at, _STRIDE)
        entries[index * _STRIDE : index * _STRIDE] = (at, ref, kept)
        if index + 1 < self._count.at_least and len(entries) == (index + 1) * _STRIDE:
            return entries, None  # the newest of too few: nothing to look for
        within, times = self._count.within, entries[::_STRIDE]
        first, last = max(windows(times, index, within), key=_size)
        found = last - first + 1
        observed = None
        if found >= self._count.at_least:
            evidence = witnesses(entries, _STRIDE, first, last, moment)
            observed = Observed(FindingKind.FIRE, min(found, self._need), self._count.at_least, evidence)
        while found > 2 * self._need:
            middle = first + self._need
            del entries[middle * _STRIDE : (middle + 1) * _STRIDE], times[middle]
            if middle == index:
                break
            index -= middle < index
            first, last = max(windows(times, index, within), key=_size)
            found = last - first + 1
        return entries, observed

    def newest(self, state: State) -> int:
        newest: int = state[-_STRIDE]
        return newest

    def holds(self, state: State) -> bool:
        return False


def _size(window: tuple[int, int]) -> int:
    return window[1] - window[0]


def parse(block: Mapping[str, Any]) -> Count:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    at_least, within = read.integer("at_least", least=1, most=MAX_AT_LEAST), read.duration("within", least=1)
    read.check()
    return Count(at_least, within)
