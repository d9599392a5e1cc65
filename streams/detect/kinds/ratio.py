"""``ratio: {of: {outcome: failure}, above: "10%", within: 5m, min_volume: 50}``: when the share of some events among
all of the rule's passes a threshold; clears when it has come back.

ratio: {of: {outcome: failure}, above: "10%", clear: "5%", within: 5m, min_volume: 50}
ratio: {of: {side: buy}, weight: qty, above: "95%", within: 1h, every: 5m}     # of the volume, not of the orders
ratio: {of: {outcome: success}, below: "99%", within: 15m, min_volume: 100}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Detector, Option
from streams.detect.edge import EDGE_OPTIONS, Edge, Rungs, parse_edge
from streams.detect.kinds.aggregate import DEDUP, FORGET, VOLUME_OPTIONS, Volume, machine, parse_volume
from streams.detect.measures import Share
from streams.detect.windows import Window, parse_window
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import ArmSpec, Ladder
from streams.rules.where import parse_where

OPTIONS = (
    Option("of", "condition", None, "which of the rule's events make the share"),
    *EDGE_OPTIONS,
    Option("weight", "field", "", "a number that each event counts for, instead of one; not below 0"),
    Option("min_volume", "integer", "1", "with fewer events in the window nothing holds"),
    *VOLUME_OPTIONS,
)

EXAMPLE = """
id: example.failing-logins
title: "{observed} % of the logins at {resource} fail"
source: audit
where: {action: login}
group_by: [resource]
detect: {ratio: {of: {outcome: failure}, above: "10%", within: 5m, min_volume: 4}}
severity: {medium: 10, critical: 50}
type: security
tests:
  - name: one of four is 25 percent, four of seven are 57
    events:
      - {at: 0s, resource: vpn, action: login, outcome: success, times: 3, every: 1s}
      - {at: 10s, resource: vpn, action: login, outcome: failure}
      - {at: 20s, resource: vpn, action: login, outcome: failure, times: 3, every: 1s}
    expect: [{at: 10s, resource: vpn, severity: medium}, {at: 22s, resource: vpn, severity: critical}]
"""


@dataclass(frozen=True, slots=True)
class Ratio(Volume):
    """Edge-triggered: fires when the percentage passes the threshold and at each higher rung.

    Observed, thresholds and ladder are in percent. Windows are those of ``aggregate``.
    """

    of: ArmSpec
    edge: Edge
    window: Window
    weight: str = ""
    min_volume: int = 1
    dedup: int = DEDUP
    forget: int = FORGET

    @property
    def name(self) -> str:
        return "ratio"

    def arms(self) -> tuple[ArmSpec, ...]:
        return (ArmSpec(), self.of)

    def fields(self) -> tuple[str, ...]:
        return (self.weight,) if self.weight else ()

    def document(self) -> dict[str, Any]:
        return {
            "of": self.of.document(), "weight": self.weight, **self.edge.document(), **self.window.document(),
            "min_volume": self.min_volume, "dedup": self.dedup, "forget": format_duration(self.forget),
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        beyond = [
            f"{limit} % is no share: from 0 to 100"
            for limit, _, _ in ladder.rungs
            if limit is not None and not 0 <= limit <= 100
        ]
        return beyond or self.edge.against(ladder)

    def detector(self, ladder: Ladder) -> Detector:
        return machine(self, Share(bool(self.weight)), Rungs(self.edge, ladder), self.min_volume)


def parse(block: Mapping[str, Any]) -> Ratio:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    where, weight = read.read("of", parse_where), read.path("weight", "")
    if read.has("of") and not read.raw("of"):
        read.problem("of", "is empty: the share would always be all of it")
    edge, window = parse_edge(read, percent=True, fields=False), parse_window(read)
    events, dedup, forget = parse_volume(read, window, "min_volume")
    never = {"above": 100, "below": 0}.get(edge.comparison)
    for name, number in ((edge.comparison, edge.threshold.number), ("clear", edge.clear)):
        if number is not None and not 0 <= number <= 100:
            read.problem(name, "is a share: from 0% to 100%")
    if edge.threshold.number == never and read.has(edge.comparison):
        read.problem(edge.comparison, f"of {never}% can never be")
    read.check()
    return Ratio(ArmSpec(where), edge, window, weight, events, dedup, forget)
