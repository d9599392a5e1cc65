"""The ``tests`` of a rule as timed events, ready for an engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from streams.rules.block import Block
from streams.rules.durations import parse_duration, shown
from streams.rules.problems import BlockErrors
from streams.rules.rule import Rule

#: 2024-01-01T00:00:00Z, a Monday: where a case begins unless it says ``start``.
BASE = 1_704_067_200_000

MAX_EVENTS = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OWN = ("at", "times", "every", "late_by")


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a rule. ``events`` are in order of arrival: (ms since ``start``, envelope with id and event time)."""

    name: str
    start: int  #: ms since the epoch
    events: tuple[tuple[int, dict[str, Any]], ...]
    expect: tuple[dict[str, Any], ...]  #: as written; empty: the rule keeps silent


def cases(rule: Rule) -> list[Case]:
    """The cases of a loaded rule, in the order of the file."""
    return [_case(raw) for raw in rule.tests]


def _case(raw: dict[str, Any]) -> Case:
    start = _start(raw["start"]) if "start" in raw else BASE
    events: list[tuple[int, dict[str, Any]]] = []
    for place, entry in enumerate(raw["events"], 1):
        at, every = parse_duration(entry.get("at", "0s")), parse_duration(entry.get("every", "0s"))
        late_by = parse_duration(entry.get("late_by", "0s"))
        fields = {name: value for name, value in entry.items() if name not in _OWN}
        for number in range(entry.get("times", 1)):
            moment = at + number * every
            event = {
                "event_id": f"test-{place}-{number + 1}",
                "event_time": start + moment - late_by,
                "source": "test",
                **_numbered(fields, number + 1),
            }
            events.append((moment, event))
    events.sort(key=lambda event: event[0])
    return Case(raw["name"], start, tuple(events), tuple(raw["expect"]))


def _numbered(value: Any, number: int) -> Any:
    """``{n}`` in text is the number of the repetition, so that one entry can bring many actors."""
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    if isinstance(value, dict):
        return {name: _numbered(item, number) for name, item in value.items()}
    return [_numbered(item, number) for item in value] if isinstance(value, list) else value


def _start(value: Any) -> int:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"takes a time such as 2024-01-01T00:00:00Z, not {shown(value)}") from None
    if moment.tzinfo is None or moment < _EPOCH:
        raise ValueError(f"takes a time with its zone and after 1970, not {shown(value)}")
    return round((moment - _EPOCH).total_seconds() * 1_000)


def check_tests(raw: Any) -> tuple[dict[str, Any], ...]:
    """The ``tests`` of a rule file, as they stand, once they are known to make cases. Raises ``BlockErrors``."""
    if not isinstance(raw, list) or not raw:
        raise BlockErrors([("", "is missing: a rule proves itself with at least one test")])
    problems: list[tuple[str, str]] = []
    names: set[str] = set()
    for place, case in enumerate(raw):
        block = Block(case, str(place))
        name = block.text("name")
        if name in names:
            block.problem("name", "is the name of another test")
        names.add(name)
        block.read("start", _start, BASE)
        events = block.raw("events")
        if not isinstance(events, list) or not events:
            block.problem("events", "takes a list of events, at least one")
            events = []
        total = 0
        for number, entry in enumerate(events):
            total += _check_event(block, f"events.{number}", entry)
        if total > MAX_EVENTS:
            block.problem("events", f"makes more than {MAX_EVENTS} events")
        _check_expect(block, block.raw("expect"))
        problems += block.finish()
    if not problems and not any(case["expect"] for case in raw):
        problems.append(("", "expects nothing anywhere: at least one test has to show the rule fire"))
    if problems:
        raise BlockErrors(problems)
    return tuple(raw)


def _check_event(block: Block, path: str, entry: Any) -> int:
    """Note what is wrong with one event of a case; how many events it makes."""
    event = Block(entry, path)
    for name in ("at", "every", "late_by"):
        event.duration(name, 0)
    times = event.integer("times", 1, least=1, most=MAX_EVENTS)
    if times > 1 and "event_id" in (entry if isinstance(entry, dict) else ()) and "{n}" not in str(entry["event_id"]):
        event.problem("event_id", "would be the same for all of them; write {n} in it, or write the events out")
    for path_, message in event.problems:
        block.problem(path_, message)
    return times


def _check_expect(block: Block, expect: Any) -> None:
    if not isinstance(expect, list) or not all(isinstance(entry, dict) for entry in expect):
        block.problem("expect", "takes a list of what is seen, such as {at: 2m, severity: high}; [] where nothing is")
        return
    for number, entry in enumerate(expect):
        wanted = Block(entry, f"expect.{number}")
        if not entry:
            wanted.problem("", "says nothing")
        wanted.duration("at", 0)
        for path, message in wanted.problems:
            block.problem(path, message)
