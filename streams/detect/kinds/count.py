"""``count: {at_least: 5, within: 10m}``: fires when so many events of one key lie inside one stretch of event time.

count: {at_least: "1000000", weight: bytes, within: 1h}        # what the field says, added up exactly
count: {at_least: 100000, within: 1d, every: 1h}               # hopping: panes are kept, not events
count: {at_least: 100, align: day, timezone: Europe/Berlin}    # from midnight to midnight
count: {at_least: 50, window: session, gap: 30m}               # between two pauses
count: {below: 1, within: 10m}                                 # too few: fires once, clears when there are enough

Sliding windows are exact, and count an event id once. Other windows keep numbers instead of events: exact at any size,
and a repeated event is recognised while its id is among the last ``dedup`` of its key. A threshold that was reached
is reached again by each further event; the alert's cooldown folds them.

``below`` looks at complete windows of a known key only, and when nothing is waited for any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Detector, Option, Settings
from streams.detect.buckets import Buckets, Sessions
from streams.detect.counting import Counting
from streams.detect.enough import (
    ENOUGH_OPTIONS,
    LEAST_NEED,
    beyond,
    length,
    need,
    parse_below,
    parse_dedup,
    parse_forget,
    single,
)
from streams.detect.exact import exact
from streams.detect.scarce import Scarce, ScarceBuckets
from streams.detect.tallies import Events, Number, Weights, weight
from streams.detect.weighing import Weighing
from streams.detect.windows import WINDOW_OPTIONS, Shape, Window, parse_window
from streams.rules.block import Block
from streams.rules.durations import format_duration, shown
from streams.rules.rule import Ladder

__all__ = ["EXAMPLE", "LEAST_NEED", "MAX_AT_LEAST", "OPTIONS", "Count", "Counting", "parse"]

#: In a sliding window: larger numbers would need a state larger than a changelog value may be.
MAX_AT_LEAST = 1_500
#: Where buckets are kept.
MAX_IN_BUCKETS = 10**15
#: Panes of a hopping window in which each holds a sum of 256-bit weights.
_MAX_WEIGHED_PANES = 400

OPTIONS = (
    Option("at_least", "number", "", "so many events, or so much weight; this or below"),
    Option("below", "integer", "", "fewer events than this in a complete window"),
    Option("weight", "field", "", "a number from 0 on, added up in place of 1 for each event"),
    *WINDOW_OPTIONS,
    *ENOUGH_OPTIONS,
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
    """Fires on each event that makes some window that contains it hold ``at_least`` of them, or so much weight.

    Or, with ``below``, when a complete window holds fewer.
    """

    at_least: Any  #: an integer, or with a weight any exact number
    within: int
    dedup: int = 64
    window: Window | None = None  #: None: a sliding one of ``within`` ms
    weight: str = ""
    below: int = 0
    forget: int = 0

    @property
    def name(self) -> str:
        return "count"

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
        return (self.weight,) if self.weight else ()

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"within": format_duration(self.within)}
        if self.window is not None:
            document = self.window.document()
        if self.below:
            document |= {"below": self.below, "forget": format_duration(self.forget)}
        else:
            document["at_least"] = str(self.at_least) if self.weight else self.at_least
        if self.weight:
            document["weight"] = self.weight
        if self.dedup != 64:
            document["dedup"] = self.dedup
        return document

    def against(self, ladder: Ladder) -> list[str]:
        if self.below:
            return single(ladder)
        return [] if self.weight or self.window is not None else beyond(ladder, MAX_AT_LEAST)

    def detector(self, ladder: Ladder) -> Detector:
        window, tally = self.window, Weights() if self.weight else Events()
        if self.below:
            if window is None:
                return Scarce(self.within, self.below, self.forget, by_value=False, dedup=self.dedup)
            return ScarceBuckets(window, tally, self.below, self.forget, self.dedup)
        if window is not None:
            machine = Sessions if window.shape is Shape.SESSION else Buckets
            return machine(window, tally, self.at_least, self.dedup)
        if self.weight:
            return Weighing(self.within, self.at_least, dedup=self.dedup > 0)
        return Counting(self, need(self.at_least, ladder, MAX_AT_LEAST))


def parse(block: Mapping[str, Any]) -> Count:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    window = parse_window(read)
    sliding = window.shape is Shape.SLIDING
    weighed, field = read.has("weight"), read.path("weight", "")
    below = parse_below(read, window, MAX_AT_LEAST if sliding else MAX_IN_BUCKETS)
    at_least: Number | None = 0
    if not read.has("below"):
        if weighed:
            at_least = read.read("at_least", _amount)
        else:
            at_least = read.integer("at_least", least=1, most=MAX_AT_LEAST if sliding else MAX_IN_BUCKETS)
    elif weighed:
        read.problem("weight", "has a meaning only with at_least: for a sum that is too low use aggregate")
    if weighed and window.panes > _MAX_WEIGHED_PANES:
        read.problem("every", f"makes {window.panes} panes of a window: with a weight at most {_MAX_WEIGHED_PANES}")
    dedup, forget = parse_dedup(read), parse_forget(read, window)
    read.check()
    return Count(at_least, length(window), dedup, None if sliding else window, field, below, forget)


def _amount(raw: Any) -> Number:
    """A weight above 0. Raises ValueError."""
    number = None if isinstance(raw, float) and exact(raw) is None else weight(raw)
    if not number:
        raise ValueError(f"takes a number above 0, or such a number as text, not {shown(raw)}")
    return number
