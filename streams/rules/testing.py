"""The ``tests`` of a rule as timed events, ready for an engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from streams.rules.block import Block, texts
from streams.rules.durations import parse_duration, shown
from streams.rules.indicators import ListProblems, named_list
from streams.rules.option import Option
from streams.rules.problems import BlockErrors
from streams.rules.rule import Rule

#: 2024-01-01T00:00:00Z, a Monday: where a case begins unless it says ``start``.
BASE = 1_704_067_200_000

MAX_EVENTS = 100_000
MAX_LIST = 10_000
#: Further orders of arrival in which a case with ``shuffle`` is run.
ORDERS = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OWN = ("at", "times", "every", "late_by")

#: What stands beside the fields of an event of a case, for the reference page.
EVENT_OPTIONS = (
    Option("at", "duration", "0s", "when it comes, counted from the beginning of the case"),
    Option("times", "integer", "1", "so many of them; `{n}` in text is the number of the repetition"),
    Option("every", "duration", "0s", "how long after each other, with times"),
    Option("late_by", "duration", "0s", "so long before its arrival lies its event time"),
)
#: What stands in an entry of ``expect`` and ``never`` and is no field.
MOMENT_OPTIONS = (Option("at", "duration", "", "when, counted from the beginning of the case"),)
#: What stands in a case.
CASE_OPTIONS = (
    Option("name", "text", None, "a sentence; stands once in the rule"),
    Option("events", "events", None, "in order of `at`: any fields, and the words below", EVENT_OPTIONS),
    Option(
        "expect", "moments", "", "every opening of an alert and every rise of its severity, each by the fields that "
        "matter; `[]` is silence. Required unless `never` is there", MOMENT_OPTIONS,
    ),
    Option(
        "never", "moments", "", "what must not be among these; without `expect`, anything else may be", MOMENT_OPTIONS
    ),
    Option(
        "until", "duration", "the last event", "event time goes on so far, without events, so that what waits for "
        "time comes about",
    ),
    Option("shuffle", "flag", "false", f"the case must hold in {ORDERS} further orders of arrival too"),
    Option("lists", "lists", "{}", "what named lists hold: `{bad-ips: [192.0.2.1]}`"),
    Option("start", "moment", "2024-01-01T00:00:00Z", "when the case begins; the default is a Monday"),
)  # fmt: skip


class Arrival(NamedTuple):
    """One event of a case: when it comes, ms since the case's start, over which source, and what it says."""

    at: int
    source: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a rule. ``events`` are in order of arrival, envelopes with id and event time."""

    name: str
    start: int  #: ms since the epoch
    events: tuple[Arrival, ...]
    expect: tuple[dict[str, Any], ...] | None  #: as written; empty: the rule keeps silent; None: ``never`` says it all
    never: tuple[dict[str, Any], ...] = ()
    until: int | None = None  #: how far event time goes on after the last event, ms since ``start``
    shuffle: bool = False
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def orders(self, delay: int) -> Iterator[Case]:
        """The case as written; with ``shuffle``, ``ORDERS`` more in which each event comes up to ``delay`` ms later.

        Every event keeps its own event time, so that it is late by at most ``delay``. The same in every run.
        """
        yield self
        for number in range(1, ORDERS + 1) if self.shuffle else ():
            shifted = (
                arrival._replace(at=arrival.at + _chance(f"{self.name}/{number}/{place}", delay))
                for place, arrival in enumerate(self.events)
            )
            yield replace(self, events=tuple(sorted(shifted, key=lambda arrival: arrival.at)))

    @property
    def keeps_silent(self) -> bool:
        """Whether it shows that something does not happen."""
        return bool(self.never) or self.expect == ()


def _chance(seed: str, most: int) -> int:
    """A number from 0 to ``most`` that looks like chance."""
    return int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest()) % (most + 1)


def cases(rule: Rule) -> list[Case]:
    """The cases of a loaded rule, in the order of the file."""
    return [_case(raw, rule.sources) for raw in rule.tests]


def _case(raw: dict[str, Any], sources: tuple[str, ...]) -> Case:
    start = _start(raw["start"]) if "start" in raw else BASE
    events: list[Arrival] = []
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
            # An event's own field ``source`` may say anything: it leads where the rule reads a source of that name.
            over = fields.get("source")
            events.append(Arrival(moment, over if over in sources else sources[0], event))
    events.sort(key=lambda arrival: arrival.at)
    return Case(
        name=raw["name"],
        start=start,
        events=tuple(events),
        expect=tuple(raw["expect"]) if "expect" in raw else None,
        never=tuple(raw.get("never", ())),
        until=parse_duration(raw["until"]) if "until" in raw else None,
        shuffle=raw.get("shuffle", False),
        lists={name: tuple(entries) for name, entries in raw.get("lists", {}).items()},
    )


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
        total = last = 0
        for number, entry in enumerate(events):
            times, end = _check_event(block, f"events.{number}", entry)
            total, last = total + times, max(last, end)
        if total > MAX_EVENTS:
            block.problem("events", f"makes more than {MAX_EVENTS} events")
        if block.duration("until", last) < last:
            block.problem("until", "is before the last event")
        block.flag("shuffle", False)
        block.read("lists", _check_lists, {})
        if block.has("expect") or not block.has("never"):
            _check_moments(block, "expect")
        if block.has("never"):
            _check_moments(block, "never")
        problems += block.finish()
    if not problems and not any(case.get("expect") for case in raw):
        problems.append(("", "expects nothing anywhere: at least one test has to show the rule fire"))
    if problems:
        raise BlockErrors(problems)
    return tuple(raw)


def _check_event(block: Block, path: str, entry: Any) -> tuple[int, int]:
    """Note what is wrong with one event of a case; how many events it makes, and when the last of them comes."""
    event = Block(entry, path)
    at, every, _ = (event.duration(name, 0) for name in ("at", "every", "late_by"))
    times = event.integer("times", 1, least=1, most=MAX_EVENTS)
    if times > 1 and "event_id" in (entry if isinstance(entry, dict) else ()) and "{n}" not in str(entry["event_id"]):
        event.problem("event_id", "would be the same for all of them; write {n} in it, or write the events out")
    for path_, message in event.problems:
        block.problem(path_, message)
    return times, at + (times - 1) * every


def _check_lists(raw: Any) -> dict[str, Any]:
    """Raises ``BlockErrors``; what it gives nobody reads."""
    lists = Block(raw)
    for name in raw if isinstance(raw, dict) else ():
        entries = lists.read(name, texts, ())
        if len(entries) > MAX_LIST:
            lists.problem(name, f"has more than {MAX_LIST} entries")
            continue
        try:
            named_list(name, entries)
        except ListProblems as errors:
            for number, message in errors.problems:
                lists.problem(f"{name}.{number - 1}", message)
    lists.check()
    return {}


def _check_moments(block: Block, name: str) -> None:
    expect = block.raw(name)
    if not isinstance(expect, list) or not all(isinstance(entry, dict) for entry in expect):
        otherwise = "; [] where nothing is" if name == "expect" else ""
        block.problem(name, f"takes a list of what is seen, such as {{at: 2m, severity: high}}{otherwise}")
        return
    if name == "never" and not expect:
        block.problem(name, "names nothing that must not be; expect: [] says that nothing happens at all")
    for number, entry in enumerate(expect):
        wanted = Block(entry, f"{name}.{number}")
        if not entry:
            wanted.problem("", "says nothing")
        wanted.duration("at", 0)
        for path, message in wanted.problems:
            block.problem(path, message)
