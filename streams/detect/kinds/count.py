"""``count: {at_least: 5, within: 10m}``: so many events of one key inside one stretch of event time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Option, Settings
from streams.detect.counting import Counting
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

#: Larger numbers would need a state larger than a changelog value may be.
MAX_AT_LEAST = 1_500
#: So far is counted beyond any threshold, that a person reads "17 failed logins" and not the threshold again.
LEAST_NEED = 20

__all__ = ["MAX_AT_LEAST", "OPTIONS", "Count", "Counting", "beyond", "need", "parse"]

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
    dedup: int = 64

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


def parse(block: Mapping[str, Any]) -> Count:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    at_least, within = read.integer("at_least", least=1, most=MAX_AT_LEAST), read.duration("within", least=1)
    read.check()
    return Count(at_least, within)
