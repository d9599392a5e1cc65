"""``distinct: {field: source_ip, at_least: 5, within: 1h}``: fires when so many different values lie inside one window.

distinct: {field: actor, at_least: 2000, window: tumbling, within: 1h}             # exact up to 5,000 in a bucket
distinct: {field: actor, at_least: 1000000, align: day, approximate: true}         # at any size, 1.6 % error
distinct: {field: node, below: 3, within: 5m}                                      # too few: fires once, and clears

Sliding windows are exact, as are buckets without ``approximate``: what is kept of a value there is 64 bits of its hash.
With ``approximate`` a bucket is exact up to 341 values and above that a HyperLogLog sketch of 4 KiB, whose standard
error is 1.6 %; the same values give the same estimate in any order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from streams.detect.base import MAX_STATE, Detector, Moment, Observed, Option, Ref, Seen, Settings, Skipped, State
from streams.detect.buckets import Buckets, Sessions
from streams.detect.enough import ENOUGH_OPTIONS, beyond, length, need, parse_below, parse_dedup, parse_forget, single
from streams.detect.entries import above, kept_id, place, witnesses
from streams.detect.scarce import Scarce, ScarceBuckets
from streams.detect.tallies import Estimate, Tally, Values
from streams.detect.thinning import cap, thin
from streams.detect.values import token
from streams.detect.windows import WINDOW_OPTIONS, Shape, Window, parse_window
from streams.model import FindingKind
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

__all__ = ["EXAMPLE", "MAX_AT_LEAST", "OPTIONS", "Distinct", "Telling", "parse", "token"]

#: In a sliding window: larger numbers would need a state larger than a changelog value may be.
MAX_AT_LEAST = 400
#: In all panes of a hopping window together, or in one bucket.
MAX_IN_BUCKETS = 5_000
MAX_ESTIMATE = 10**15
_BYTES = 60  #: of an entry beside its id and value
_ID_LIMIT = 40
_VALUE_LIMIT = 64
_STRIDE = 4

OPTIONS = (
    Option("field", "field", None, "whose different values are counted"),
    Option("at_least", "integer", "", "so many different values; this or below"),
    Option("below", "integer", "", "fewer different values than this in a complete window"),
    Option("approximate", "flag", "false", "estimate large numbers; for windows other than sliding and hopping ones"),
    *WINDOW_OPTIONS,
    *ENOUGH_OPTIONS,
)

EXAMPLE = """
id: example.password-spray
title: "{source_ip} tried {count} accounts"
source: audit
where: {action: login, outcome: failure}
group_by: [source_ip]
detect: {distinct: {field: actor, at_least: 3, within: 1h}}
severity: high
type: security
tests:
  - name: three accounts from one address
    events: [{at: 0s, source_ip: 192.0.2.1, actor: "user{n}", action: login, outcome: failure, times: 3, every: 1m}]
    expect: [{at: 2m, source_ip: 192.0.2.1, count: 3}]
"""


@dataclass(frozen=True, slots=True)
class Distinct(Settings):
    """Fires on each event that makes some window that contains it hold ``at_least`` different values of ``field``.

    Or, with ``below``, when a complete window holds fewer. Values are typed: ``1``, ``"1"`` and ``true`` are three. An
    event without the field, or with null, does not count.
    """

    field: str
    at_least: int
    within: int
    dedup: int = 64
    window: Window | None = None  #: None: a sliding one of ``within`` ms
    approximate: bool = False
    below: int = 0
    forget: int = 0

    @property
    def name(self) -> str:
        return "distinct"

    @property
    def falling(self) -> bool:
        return self.below > 0

    @property
    def timed(self) -> bool:
        return self.below > 0

    @property
    def keeps(self) -> int:
        return max(self.within if self.window is None else self.window.keeps, self.forget)

    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"within": format_duration(self.within)}
        if self.window is not None:
            document = self.window.document()
        document["field"] = self.field
        if self.below:
            document |= {"below": self.below, "forget": format_duration(self.forget)}
        else:
            document["at_least"] = self.at_least
        if self.approximate:
            document["approximate"] = True
        if self.dedup != 64:
            document["dedup"] = self.dedup
        return document

    @property
    def most(self) -> int:
        """How far can be counted."""
        if self.window is None:
            return MAX_AT_LEAST
        return MAX_ESTIMATE if self.approximate else MAX_IN_BUCKETS // self.window.panes

    def against(self, ladder: Ladder) -> list[str]:
        return single(ladder) if self.below else beyond(ladder, self.most)

    def detector(self, ladder: Ladder) -> Detector:
        window = self.window
        enough = need(self.below or self.at_least, ladder, self.most)
        tally: Tally = Estimate() if self.approximate else Values(enough)
        if self.below:
            if window is None:
                return Scarce(self.within, self.below, self.forget, by_value=True, dedup=self.dedup)
            return ScarceBuckets(window, tally, self.below, self.forget, self.dedup)
        if window is not None:
            machine = Sessions if window.shape is Shape.SESSION else Buckets
            return machine(window, tally, self.at_least, self.dedup)
        return Telling(self, enough)


class Telling:
    """State: ``[at, ref, event_id, value, …]``, oldest first. Observed values saturate at ``need``.

    Superfluous is an entry between two of its own value that one window spans, and one that has ``need`` values on
    either side inside one window (see ``Counting``).
    """

    stride = _STRIDE
    max_items = MAX_STATE // (_BYTES + _ID_LIMIT + _VALUE_LIMIT) * _STRIDE

    def __init__(self, distinct: Distinct, need: int) -> None:
        self._distinct, self._need = distinct, need

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, (value,), horizon, _, _ = moment
        told = token(value)
        if told is None:
            return state, Skipped.UNUSABLE
        kept = kept_id(event_id, _ID_LIMIT) if self._distinct.dedup else ""
        entries = above(state, horizon, _STRIDE)
        if kept and kept in entries[2::_STRIDE]:
            return state, Skipped.DUPLICATE
        index = place(entries, at, _STRIDE)
        entries[index * _STRIDE : index * _STRIDE] = (at, ref, kept, told)
        times, values = entries[::_STRIDE], entries[3::_STRIDE]
        observed = None
        best, first, last = 0, 0, 0
        if len(times) >= self._distinct.at_least:
            best, first, last = self._most(times, values, index)
        if best >= self._distinct.at_least:
            evidence = witnesses(entries, _STRIDE, first, last, moment)
            observed = Observed(FindingKind.FIRE, min(best, self._need), self._distinct.at_least, evidence)
        thin(entries, _STRIDE, told, self._distinct.within)
        cap(entries, _STRIDE, self._distinct.within, 4 * self._need, at)
        return entries, observed

    def quick(self, state: State, at: int, ref: Ref, event_id: str, values: tuple[Any, ...], horizon: int) -> bool:
        """See ``streams.detect.base.Quick``: the newest of too few."""
        told = token(values[0])
        if told is None or len(event_id) > _ID_LIMIT or not self._distinct.dedup or state[-_STRIDE] > at:
            return False
        gone = 0 if state[0] > horizon else bisect_right(state[::_STRIDE], horizon) * _STRIDE
        if event_id and event_id in state[gone + 2 :: _STRIDE]:
            return False
        at_least = self._distinct.at_least
        if len(state) - gone >= (at_least - 1) * _STRIDE and len({*state[gone + 3 :: _STRIDE], told}) >= at_least:
            return False
        del state[:gone]
        state += (at, ref, event_id, told)
        thin(state, _STRIDE, told, self._distinct.within)
        cap(state, _STRIDE, self._distinct.within, 4 * self._need, at)
        return True

    def _most(self, times: list[int], values: list[str], index: int) -> tuple[int, int, int]:
        """The largest number of values in any window that contains the entry ``index``; its first and last entry."""
        within = self._distinct.within
        first, last, top = bisect_right(times, times[index] - within), index, times[index] + within
        held = Counter(values[first : index + 1])
        best = len(held), first, last
        for last in range(index + 1, len(times)):
            if times[last] >= top:
                break
            held[values[last]] += 1
            while times[first] <= times[last] - within:
                held[values[first]] -= 1
                if not held[values[first]]:
                    del held[values[first]]
                first += 1
            if len(held) > best[0]:
                best = len(held), first, last
        return best

    def newest(self, state: State) -> int:
        newest: int = state[-_STRIDE]
        return newest

    def holds(self, state: State) -> bool:
        return False


def parse(block: Mapping[str, Any]) -> Distinct:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    field, window = read.path("field"), parse_window(read)
    approximate = read.flag("approximate", False)
    kind = Distinct(
        field, 1, length(window), parse_dedup(read), None if window.shape is Shape.SLIDING else window, approximate
    )
    if approximate and window.shape in (Shape.SLIDING, Shape.HOPPING):
        read.problem("approximate", f"has no meaning for {window.shape} windows: use window, or align")
    most = max(1, kind.most)
    below = parse_below(read, window, most)
    at_least = 1 if read.has("below") else read.integer("at_least", least=1, most=most)
    forget = parse_forget(read, window)
    read.check()
    return replace(kind, at_least=at_least, below=below, forget=forget)
