"""``group: {within: 30h, members: [...]}``: so many events of each member, in any order, inside one stretch of time.

group: {within: 1h, members: [{where: {action: invite}}, {where: {action: delete}, at_least: 2, at_most: 5}]}
group: {within: 30h, members: [{where: {action: found}}, {where: {action: revoke}, absent: true}], wait: 1h}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Option, Settings
from streams.detect.patterns.grouping import MAX_NEED, Capped, Grouping, Plan
from streams.detect.patterns.steps import PART_OPTIONS, read_name, read_parts, read_way
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import ArmSpec, Ladder

_LEAST_NEED = 20

MEMBER_OPTIONS = (
    *PART_OPTIONS,
    Option("at_least", "integer", "1", "so many events of the member"),
    Option("at_most", "integer", "", "not more"),
    Option("absent", "flag", "false", "no such event may come; without at_least and at_most"),
)

OPTIONS = (
    Option("within", "duration", None, "length of the window"),
    Option("members", "members", None, "two or more, in any order", MEMBER_OPTIONS),
    Option("absent_side", "one of around, before", "around", "whether what comes after the match is waited for"),
    Option("wait", "duration", "within", "how long after the match nothing that is absent may come; with around"),
)

EXAMPLE = """
id: example.admin-invited-and-members-deleted
title: "{actor} invited an admin and deleted members ({members})"
source: audit
group_by: [actor]
detect:
  group:
    within: 30h
    members:
      - {name: invited, where: {action: invite_admin}}
      - {name: deleted, where: {action: delete_member}, at_least: 2}
severity: high
type: security
tests:
  - name: in any order
    events:
      - {at: 0h, actor: ada, action: delete_member}
      - {at: 1h, actor: ada, action: invite_admin}
      - {at: 2h, actor: ada, action: delete_member}
    expect: [{at: 2h, actor: ada, count: 3}]
  - name: not by one actor
    events:
      - {at: 0h, actor: ada, action: delete_member, times: 2, every: 1m}
      - {at: 1h, actor: bob, action: invite_admin}
    expect: []
"""


@dataclass(frozen=True, slots=True)
class Member:
    """So many events of one kind. ``at_most``: None for no bound, 0 where it must be absent."""

    name: str
    way: ArmSpec
    at_least: int = 1
    at_most: int | None = None

    @property
    def absent(self) -> bool:
        return self.at_most == 0

    def document(self) -> dict[str, Any]:
        return {**self.way.document(), "at_least": self.at_least, "at_most": self.at_most}


@dataclass(frozen=True, slots=True)
class Group(Settings):
    """Fires on each event of a member with which some window of ``within`` ms that contains it is a match.

    Windows end at events of members: what is absent lies outside where the match's last event is too far from it. A
    window is a *match* where each member finds its ``at_least`` events in it, no event counting for two members, and
    none has more than its ``at_most``; an absent member has an ``at_most`` of 0. (What fits two members counts against
    the ``at_most`` of both.)

    With an ``at_most`` or an absent member, under ``absent_side: around``, a match is only that if none of them has
    more even with what comes less than ``wait`` after its last event. That is decided when event time up to there is
    closed; the finding is named after the match's last event. Under ``before`` nothing is waited for.

    Observed: the events of members in the window, the most over those windows. Needed: the sum of all ``at_least``.
    """

    within_ms: int
    members: tuple[Member, ...]
    absent_side: str = "around"
    wait: int | None = None

    @property
    def name(self) -> str:
        return "group"

    @property
    def within(self) -> int:
        return self.within_ms

    @property
    def timed(self) -> bool:
        return self.absent_side == "around" and any(member.at_most is not None for member in self.members)

    @property
    def waits(self) -> int:
        """How long after its last event a match is not certain, ms."""
        return (self.within_ms if self.wait is None else self.wait) if self.timed else 0

    @property
    def keeps(self) -> int:
        return self.within_ms + self.waits

    def arms(self) -> tuple[ArmSpec, ...]:
        return tuple(member.way for member in self.members)

    def document(self) -> dict[str, Any]:
        return {
            "within": format_duration(self.within_ms),
            "members": [member.document() for member in self.members],
            "wait": self.waits,
        }

    def against(self, ladder: Ladder) -> list[str]:
        top = ladder.top
        return [f"{top} is more than can be counted to ({MAX_NEED})"] if top is not None and top > MAX_NEED else []

    def detector(self, ladder: Ladder) -> Grouping:
        top = ladder.top
        needed = tuple((1 << number, one.at_least) for number, one in enumerate(self.members) if not one.absent)
        capped = tuple(
            Capped(1 << number, one.at_most) for number, one in enumerate(self.members) if one.at_most is not None
        )
        least = max(_LEAST_NEED, sum(n for _, n in needed), *(cap.most + 1 for cap in capped), 0)
        need = max(least, math.ceil(top) if top is not None and math.isfinite(top) else 0)
        names = tuple(member.name for member in self.members)
        return Grouping(Plan(self.within_ms, needed, capped, names, self.waits if self.timed else None, need))


def parse(block: Mapping[str, Any]) -> Group:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    within = read.duration("within", least=1)
    members = read.read("members", lambda raw: read_parts(raw, "members", _member, lambda member: member.name))
    side = read.choice("absent_side", ("around", "before"), "around")
    wait = read.duration("wait", None, least=1)
    if members and all(member.absent for member in members):
        read.problem("members", "are all absent: name at least one that must happen")
    if members and sum(member.at_least for member in members if not member.absent) > MAX_NEED:
        read.problem("members", f"take more than {MAX_NEED} events in all")
    if members and wait is not None and (side == "before" or all(member.at_most is None for member in members)):
        read.problem("wait", "has no meaning: no member has an at_most or is absent, or only what comes before counts")
    read.check()
    return Group(within, members, side, wait)


def _member(raw: Any, number: int) -> Member:
    read = Block(raw)
    way, name, absent = read_way(read), read_name(read, number), read.flag("absent", False)
    at_least = read.integer("at_least", 1, least=1, most=MAX_NEED)
    at_most = read.integer("at_most", None, least=1, most=MAX_NEED)
    if absent and (read.has("at_least") or read.has("at_most")):
        read.problem("absent", "goes with neither at_least nor at_most")
    elif at_most is not None and at_least is not None and at_most < at_least:
        read.problem("at_most", f"is below the at_least of {at_least}")
    read.check()
    return Member(name, way, at_least, 0 if absent else at_most)
