"""What the tests of a rule show of it: severities reached, conditions seen to hold and to fail, ways in, silence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from streams.errors import TocsinError
from streams.model import Source
from streams.replay.rules.engine import Engine
from streams.rules.comparing import OtherField
from streams.rules.conditions import All, AnyOf, Condition, Leaf, Not, identity
from streams.rules.lists import bind
from streams.rules.operators import ListName
from streams.rules.rule import Arm, Rule, RuleSet
from streams.rules.testing import Case, cases
from streams.rules.values import read

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that tests can show."""

    what: str
    shown: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one rule, by all its tests together."""

    rule: str
    file: str
    line: int
    points: tuple[Point, ...]

    @property
    def percent(self) -> int:
        """Of what there is to show; rounded down, so that 100 means all of it."""
        return 100 * sum(point.shown for point in self.points) // len(self.points)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(point.what for point in self.points if not point.shown)


def coverage(ruleset: RuleSet, sources: Mapping[str, Source]) -> Iterator[Coverage]:
    """What the tests of every rule show, each run in its order as written. ``sources`` by name, as configured."""
    for rule in ruleset.rules:
        run = cases(rule)
        points = (*_severities(rule, sources, run), *_conditions(rule, run), _silence(run))
        yield Coverage(rule.id, rule.file, rule.line, points)


class _Severity(msgspec.Struct):
    severity_word: str


def _severities(rule: Rule, sources: Mapping[str, Source], run: list[Case]) -> Iterator[Point]:
    reached: set[str] = set()
    for case in run:
        engine = Engine(rule, sources, case)
        try:
            engine.run()
        except TocsinError:
            continue  # the test itself fails, and says why
        reached.update(_decode(value, type=_Severity).severity_word for value in engine.findings)
    for _, _, word in rule.severity.rungs:
        yield Point(f"severity {word} is reached", word in reached)


def _conditions(rule: Rule, run: list[Case]) -> Iterator[Point]:
    seen: set[tuple[str, bytes]] = set()
    bound = [(bind(RuleSet((rule,)), case.lists).rules[0], case) for case in run]
    for arm in rule.arms:
        answered = _answers(arm, bound)
        if len(rule.arms) > 1:
            yield Point(f"part {arm.number + 1}{_over(rule, arm)} matches", True in answered[identity(arm.where)])
        for part in _parts(arm.where, branch=False):
            name = arm.source, identity(part)
            if name in seen:
                continue
            seen.add(name)
            answers = answered[identity(part)]
            yield Point(f"{condition_text(part)} holds{_over(rule, arm)}", True in answers)
            yield Point(f"{condition_text(part)} does not hold{_over(rule, arm)}", False in answers)


def _silence(run: list[Case]) -> Point:
    return Point("a test in which the rule keeps silent", any(case.keeps_silent for case in run))


def _answers(arm: Arm, bound: list[tuple[Rule, Case]]) -> dict[bytes, set[bool]]:
    """What each part of the arm's condition, and the whole of it, said over the events of all cases."""
    answers: dict[bytes, set[bool]] = defaultdict(set)
    for rule, case in bound:
        where = rule.arms[arm.number].where  # with the lists of this case
        parts = [(identity(part), part) for part in (where, *_parts(where, branch=False))]
        for arrival in case.events:
            if arrival.source == arm.source:
                for name, part in parts:
                    answers[name].add(bool(part.holds(partial(read, arrival.event))))
    return answers


def _parts(condition: Condition, *, branch: bool) -> Iterator[Condition]:
    """The leaves of a tree, and the branches of ``any`` that are more than a leaf."""
    if isinstance(condition, (All, AnyOf)):
        if branch:
            yield condition
        for part in condition.parts:
            yield from _parts(part, branch=isinstance(condition, AnyOf))
    elif isinstance(condition, Not):
        yield from _parts(condition.part, branch=branch)
    else:
        yield condition


def _over(rule: Rule, arm: Arm) -> str:
    return f" over {arm.source}" if len(rule.sources) > 1 else ""


def condition_text(condition: Condition) -> str:
    """A condition in a line, as a person would say it: ``outcome eq failure``."""
    if isinstance(condition, Not):
        return f"not ({condition_text(condition.part)})"
    if isinstance(condition, (All, AnyOf)):
        word = " and " if isinstance(condition, All) else " or "
        return f"({word.join(map(condition_text, condition.parts))})" if condition.parts else "any event"
    if isinstance(condition, Leaf):
        return f"{condition.path} {condition.op} {_operand(condition.operand)}"
    return str(condition)


def _operand(value: Any) -> str:
    if isinstance(value, (OtherField, ListName)):
        return str(value)
    if isinstance(value, (tuple, list)):
        shown = ", ".join(map(_operand, value[:5])) + (", …" if len(value) > 5 else "")
        return shown if len(value) == 1 else f"[{shown}]"
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
