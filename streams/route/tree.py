"""The routing tree: where an alert goes, with whom it is told together, how soon, and when it may be told at all.

An alert goes down the first child that matches, and the ones after it where that says ``continue``; a node of which no
child matches tells its own receivers. What a node leaves out it has from the one above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streams.model import Severity
from streams.model.severity import SEVERITY_WORDS
from streams.route.matchers import Labelled, Matcher, all_hold, parse_matchers
from streams.rules.block import Block, texts
from streams.rules.durations import parse_duration, shown
from streams.rules.problems import BlockErrors

MINUTE = 60_000
_MAX_DEPTH = 32
#: ``delay: standard``.
STANDARD_DELAY: Mapping[Severity, int] = {
    Severity.CRITICAL: 0,
    Severity.HIGH: 5 * MINUTE,
    Severity.MEDIUM: 15 * MINUTE,
    Severity.LOW: 60 * MINUTE,
    Severity.INFO: 24 * 60 * MINUTE,
}


@dataclass(frozen=True, slots=True)
class Route:
    """A node. Durations in ms."""

    path: str = "root"
    receivers: tuple[str, ...] = ()
    matchers: tuple[Matcher, ...] = ()
    goes_on: bool = False  #: ``continue``
    group_by: tuple[str, ...] | None = None  #: labels; (): all together; None: each alert by itself
    group_wait: int = 0  #: from the first alert of a group to its first message
    group_interval: int = 5 * MINUTE  #: between two messages of a group, for what is new
    repeat_interval: int = 0  #: until what nobody took in hand is said again; 0: not by routing
    delay: Mapping[Severity, int] | None = None  #: how long an alert of a severity waits for somebody to see it
    mute: tuple[str, ...] = ()  #: names of intervals in which nobody is told
    active: tuple[str, ...] = ()  #: names of intervals outside of which nobody is told
    escalation: str = ""
    routes: tuple[Route, ...] = ()

    def nodes(self) -> Iterator[Route]:
        """This one and all below it, in order."""
        yield self
        for route in self.routes:
            yield from route.nodes()


@dataclass(frozen=True, slots=True)
class Way:
    """One receiver of an alert, by the node that leads there."""

    receiver: str
    route: Route

    def key(self, subject: Labelled) -> dict[str, str] | None:
        """The labels under which it is told with others; None: by itself."""
        if self.route.group_by is None:
            return None
        return {path: _joined(subject.label(path)) for path in self.route.group_by}

    def delay(self, severity: Severity) -> int:
        """How long an alert of this severity waits, ms."""
        return (self.route.delay or {}).get(severity, 0)


def ways(root: Route, subject: Labelled) -> list[Way]:
    """Every way an alert takes, in the order of the tree; a receiver that two nodes name is told by the first alone."""
    found: dict[str, Way] = {}
    for route in chosen(root, subject):
        for receiver in route.receivers:
            found.setdefault(receiver, Way(receiver, route))
    return list(found.values())


def chosen(route: Route, subject: Labelled) -> list[Route]:
    """The nodes that tell their receivers of it; of a node that does not match none."""
    if not all_hold(route.matchers, subject):
        return []
    below: list[Route] = []
    for child in route.routes:
        taken = chosen(child, subject)
        below += taken
        if taken and not child.goes_on:
            break
    return below or [route]


def parse_route(raw: Any) -> Route:
    """The tree a document describes. Raises BlockErrors with all its problems."""
    return _parse(raw, Route(), "root", 0)


def _parse(raw: Any, above: Route, path: str, depth: int) -> Route:
    if depth > _MAX_DEPTH:
        raise ValueError(f"is nested more than {_MAX_DEPTH} deep")
    block = Block(raw)
    here = replace(
        above,
        path=path,
        receivers=block.read("receivers", _names, above.receivers),
        matchers=block.read("match", parse_matchers, ()),
        goes_on=block.flag("continue", False),
        group_by=block.read("group_by", _group_by, above.group_by),
        group_wait=block.duration("group_wait", above.group_wait),
        group_interval=block.duration("group_interval", above.group_interval, least=1_000),
        repeat_interval=block.duration("repeat_interval", above.repeat_interval),
        delay=block.read("delay", _delay, above.delay),
        mute=block.read("mute", texts, above.mute),
        active=block.read("active", texts, above.active),
        escalation=block.text("escalation", above.escalation),
        routes=(),
    )
    block.has("name")
    if depth == 0 and here.matchers:
        block.problem("match", "does not belong to the root, which every alert reaches")
    routes = block.read("routes", lambda value: _children(value, here, depth), ())
    block.check()
    return replace(here, routes=routes)


def _children(raw: Any, above: Route, depth: int) -> tuple[Route, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise ValueError(f"takes a list of nodes, not {shown(raw)}")
    found: list[Route] = []
    problems: list[tuple[str, str]] = []
    for number, item in enumerate(raw):
        name = item.get("name") if isinstance(item, Mapping) else None
        label = name if isinstance(name, str) and name.strip() else str(number)
        try:
            found.append(_parse(item, above, f"{above.path}/{label}", depth + 1))
        except BlockErrors as errors:
            problems += [(f"{number}.{path}" if path else str(number), message) for path, message in errors.problems]
        except ValueError as error:
            problems.append((str(number), str(error)))
    if problems:
        raise BlockErrors(problems)
    return tuple(found)


def _delay(raw: Any) -> Mapping[Severity, int]:
    return STANDARD_DELAY if raw == "standard" else parse_by_severity(raw)


def parse_by_severity(raw: Any) -> dict[Severity, int]:
    """``{critical: 0s, high: 5m}``: durations in ms by severity, in any known word. Raises ValueError."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"takes durations by severity, such as {{critical: 0s, high: 5m}}, not {shown(raw)}")
    found: dict[Severity, int] = {}
    for word, value in raw.items():
        severity = SEVERITY_WORDS.get(str(word).lower())
        if severity is None:
            raise ValueError(f"{shown(word)} is not a severity ({', '.join(Severity)})")
        found[severity] = parse_duration(value)
    return found


def _names(raw: Any) -> tuple[str, ...]:
    return (raw,) if isinstance(raw, str) and raw.strip() else texts(raw)


def _group_by(raw: Any) -> tuple[str, ...] | None:
    return None if raw == "alert" else texts(raw)


def _joined(value: str | tuple[str, ...]) -> str:
    return ",".join(value) if isinstance(value, tuple) else value
