"""``sequence: {within: 10m, steps: [...]}``: so many steps, one after the other, inside one stretch of event time.

sequence: {within: 10m, steps: [{where: {outcome: failure}, runs: 5}, {where: {outcome: success}, within: 1m}]}
sequence: {within: 1h, steps: [{where: {action: debit}}, {where: {action: credit}, absent: true, within: 10m}]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Option, Settings
from streams.detect.patterns.chain import Pattern, Slot
from streams.detect.patterns.sequencing import MAX_NEED, Plan, Sequencing
from streams.detect.patterns.steps import PART_OPTIONS, WAY_OPTIONS, read_name, read_parts, read_way
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import ArmSpec, Ladder

#: Events of one match.
MAX_EVENTS = 100
#: So far is counted beyond what a step with ``runs`` needs.
_LEAST_NEED = 20

STEP_OPTIONS = (
    *PART_OPTIONS,
    Option("runs", "integer", "1", "so many events of the step"),
    Option("within", "duration", "", "how long after the step before it; of an absent step, how far is looked"),
    Option("absent", "flag", "false", "no such event may come there"),
)

OPTIONS = (
    Option("within", "duration", None, "from the first event of the steps to the last"),
    Option("steps", "steps", None, "two or more, in their order", STEP_OPTIONS),
    Option(
        "until", "condition or step", "none", "an event that abandons what was begun before it: conditions, or "
        "where, source and by", WAY_OPTIONS,
    ),
    Option(
        "overlap", "one of skip, all", "skip", "whether the events of a match are used up, or may be part of others"
    ),
)  # fmt: skip

EXAMPLE = """
id: example.guessed-password
title: "{actor}: {count} events of a guessed password ({steps})"
source: audit
where: {action: login}
group_by: [actor]
detect:
  sequence:
    within: 10m
    steps:
      - {name: fail, where: {outcome: failure}, runs: 5}
      - {name: ok, where: {outcome: success}, within: 1m}
severity: high
type: security
tests:
  - name: five failures, then a success
    events:
      - {at: 0s, actor: ada, action: login, outcome: failure, times: 5, every: 10s}
      - {at: 1m, actor: ada, action: login, outcome: success}
    expect: [{at: 1m, actor: ada, count: 6}]
  - name: the success came too late
    events:
      - {at: 0s, actor: ada, action: login, outcome: failure, times: 5, every: 10s}
      - {at: 2m, actor: ada, action: login, outcome: success}
    expect: []
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``within`` in ms, 0 for none; see ``Sequence``."""

    name: str
    way: ArmSpec
    runs: int = 1
    within: int = 0
    absent: bool = False

    def document(self) -> dict[str, Any]:
        return {**self.way.document(), "runs": self.runs, "within": self.within, "absent": self.absent}


@dataclass(frozen=True, slots=True)
class Sequence(Settings):
    """Fires on each event that makes a match complete; where the last step is absent, once that is certain.

    A *match* takes ``runs`` events for each step that is not absent: all of one key, each after the one before it in
    order of event time and then arrival, whatever lies between. From the first to the last it takes less than
    ``within``. The first event of a step with a ``within`` comes less than so long after the last of the step before.
    An event is part of a match once, whichever of its steps it fits.

    An *absent* step between two others: no such event between theirs. As the first: none less than its ``within``
    before the match begins. As the last: none less than its ``within`` after the match's last event; that is decided
    when event time up to there is closed, and the finding is named after that last event. Both default to the
    ``within`` of the whole. An ``until`` event between the first and the last event of a match (and where the end is
    waited for, up to there) makes it none.

    Events that come out of order count as if they had not, as long as they are kept. Of the matches that an event
    completes the latest is told: its last event the latest possible, then the one before it, and so on. ``overlap:
    skip``: its events are used up, and nothing that began before its last event goes on. ``all``: they are not.

    Observed: the events of the match, and for steps with ``runs`` further ones that lie between its neighbours.
    """

    within_ms: int
    steps: tuple[Step, ...]
    until: ArmSpec | None = None
    overlap: str = "skip"

    @property
    def name(self) -> str:
        return "sequence"

    @property
    def within(self) -> int:
        return self.within_ms

    @property
    def timed(self) -> bool:
        return self.steps[-1].absent

    @property
    def keeps(self) -> int:
        return self.within_ms + _longest(self._leading()) + _longest(self._trailing())

    def arms(self) -> tuple[ArmSpec, ...]:
        return (*(step.way for step in self.steps), *(() if self.until is None else (self.until,)))

    def document(self) -> dict[str, Any]:
        return {
            "within": format_duration(self.within_ms),
            "steps": [step.document() for step in self.steps],
            "until": None if self.until is None else self.until.document(),
            "overlap": self.overlap,
        }

    def against(self, ladder: Ladder) -> list[str]:
        events, top = self._events, ladder.top
        most = MAX_NEED if any(step.runs > 1 for step in self.steps) else events
        return [f"{top} is more than can be counted to ({most})"] if top is not None and top > most else []

    def detector(self, ladder: Ladder) -> Sequencing:
        return Sequencing(self._plan(ladder))

    @property
    def _events(self) -> int:
        return sum(step.runs for step in self.steps if not step.absent)

    def _leading(self) -> list[tuple[int, int]]:
        """(bit, ms) of the absent steps at the beginning."""
        found = []
        for number, step in enumerate(self.steps):
            if not step.absent:
                break
            found.append((1 << number, step.within or self.within_ms))
        return found

    def _trailing(self) -> list[tuple[int, int]]:
        """(bit, ms) of the absent steps at the end."""
        found = []
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            if not step.absent:
                break
            found.append((1 << number, step.within or self.within_ms))
        return found

    def _plan(self, ladder: Ladder) -> Plan:
        slots: list[Slot] = []
        absent = 0
        for number, step in enumerate(self.steps):
            if step.absent:
                absent |= 1 << number
                continue
            within = step.within if slots else 0
            slots.append(Slot(1 << number, within, absent if slots else 0, number))
            slots += [Slot(1 << number, step=number)] * (step.runs - 1)
            absent = 0
        until = 0 if self.until is None else 1 << len(self.steps)
        top = ladder.top
        need = max(_LEAST_NEED, self._events, math.ceil(top) if top is not None and math.isfinite(top) else 0)
        return Plan(
            pattern=Pattern(tuple(slots), self.within_ms, until, tuple(self._leading())),
            after=tuple(self._trailing()),
            names=tuple(step.name for step in self.steps),
            skip=self.overlap == "skip",
            barrier=1 << len(self.steps) + 1,
            need=min(need, MAX_NEED),
        )


def _longest(guards: list[tuple[int, int]]) -> int:
    return max((ms for _, ms in guards), default=0)


def parse(block: Mapping[str, Any]) -> Sequence:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    within = read.duration("within", least=1)
    steps = read.read("steps", lambda raw: read_parts(raw, "steps", _step, lambda step: step.name))
    until = read.read("until", _until, None)
    overlap = read.choice("overlap", ("skip", "all"), "skip")
    for place, message in _between(steps or (), within or 0):
        read.problem(place, message)
    read.check()
    return Sequence(within, steps, until, overlap)


def _step(raw: Any, number: int) -> Step:
    read = Block(raw)
    way, absent = read_way(read), read.flag("absent", False)
    step = Step(
        read_name(read, number), way, read.integer("runs", 1, least=1, most=MAX_EVENTS),
        read.duration("within", 0, least=1), absent,
    )  # fmt: skip
    if absent and read.has("runs"):
        read.problem("runs", "has no meaning for a step that must be absent")
    read.check()
    return step


def _until(raw: Any) -> ArmSpec:
    """``{where: …, source: …, by: …}``, or the conditions themselves."""
    if isinstance(raw, Mapping) and not {"where", "source", "by"} & set(raw):
        raw = {"where": raw}
    read = Block(raw)
    way = read_way(read)
    read.check()
    return way


def _between(steps: tuple[Step, ...], within: int) -> list[tuple[str, str]]:
    present = [number for number, step in enumerate(steps) if not step.absent]
    if steps and not present:
        return [("steps", "are all absent: name at least one that must happen")]
    problems = []
    for number, step in enumerate(steps):
        place = f"steps.{number}.within"
        if step.within and number == present[0]:
            problems.append((place, "has no meaning: no step comes before it"))
        elif step.within and step.absent and present[0] < number < present[-1]:
            problems.append((place, "has no meaning: between two steps an absent one is looked for as far as both"))
        elif step.within > within and not step.absent:
            problems.append((place, f"is longer than the whole: {format_duration(within)}"))
    if sum(steps[number].runs for number in present) > MAX_EVENTS:
        problems.append(("steps", f"take more than {MAX_EVENTS} events in all"))
    return problems
