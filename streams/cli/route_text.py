"""A routing policy in words: the tree line by line, receivers and escalations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streams.alerts.policy import Policy
from streams.model import Severity
from streams.route import Receiver
from streams.route.escalation import Escalation
from streams.route.tree import Route
from streams.rules.active import DAYS, Active
from streams.rules.durations import format_duration

_DEFAULT = Route()


def tree_lines(root: Route, mark: Callable[[Route], str] = lambda _: "") -> Iterator[str]:
    """A line a node, with ``mark`` before it, and under it what it sets otherwise than the one above."""
    yield from _node(root, _DEFAULT, "", "", mark)


def _node(node: Route, above: Route, lead: str, under: str, mark: Callable[[Route], str]) -> Iterator[str]:
    name = node.path.rpartition("/")[2]
    matchers = " ".join(map(str, node.matchers))
    head = "  ".join(filter(None, [name, matchers, f"→ {', '.join(node.receivers) or 'nobody'}"]))
    yield f"{mark(node)}{lead}{head}{'  (and on)' if node.goes_on else ''}"
    blank = " " * len(mark(node))
    down = "│    " if node.routes else "     "
    for text in node_words(node, above):
        yield f"{blank}{under}{down}{text}"
    for number, child in enumerate(node.routes):
        last = number == len(node.routes) - 1
        yield from _node(
            child, node, under + ("└─ " if last else "├─ "), under + ("   " if last else "│  "), mark
        )  # fmt: skip


def node_words(node: Route, above: Route = _DEFAULT) -> list[str]:
    """What a node says of how it tells, where it differs from ``above``."""
    words = []
    grouping = node.group_by, node.group_wait, node.group_interval
    if grouping != (above.group_by, above.group_wait, above.group_interval):
        words.append(grouping_words(node))
    if node.repeat_interval != above.repeat_interval:
        words.append(f"repeated every {format_duration(node.repeat_interval)}" if node.repeat_interval else "told once")
    if node.delay != above.delay:
        words.append(f"delay {by_severity(node.delay or {})}")
    if node.mute != above.mute:
        words.append(f"not in {', '.join(node.mute)}" if node.mute else "never muted")
    if node.active != above.active:
        words.append(f"only in {', '.join(node.active)}" if node.active else "at all times")
    if node.escalation != above.escalation:
        words.append(f"escalation {node.escalation or 'by severity'}")
    return words


def grouping_words(node: Route) -> str:
    """How alerts are told together."""
    if node.group_by is None:
        return "each alert by itself"
    by = f"grouped by {', '.join(node.group_by)}" if node.group_by else "all together"
    wait, interval = format_duration(node.group_wait), format_duration(node.group_interval)
    return f"{by}: first after {wait}, then every {interval}"


def by_severity(durations: Mapping[Severity, int]) -> str:
    """``high 5m, medium 15m``."""
    said = [f"{severity} {format_duration(durations[severity])}" for severity in Severity if durations.get(severity)]
    return ", ".join(said) or "none"


def receiver_words(receiver: Receiver) -> str:
    """What a receiver takes and how, if not all and at once."""
    words = [f"{receiver.min_severity} and worse"] if receiver.min_severity is not Severity.INFO else []
    wanted = {what: getattr(receiver, what) for what in ("types", "rules", "sources", "tags")}
    words += [f"{what} {', '.join(names)}" for what, names in wanted.items() if names]
    if receiver.digest:
        words.append(f'a summary at "{receiver.digest}" {receiver.timezone}')
    if receiver.batch:
        words.append(f"{receiver.batch} at a time, or after {format_duration(receiver.batch_wait)}")
    if receiver.oncall:
        words.append(f"to whom {receiver.oncall} has on call")
    if receiver.fallback:
        words.append(f"instead of it: {receiver.fallback}")
    if not receiver.send_resolved:
        words.append("not told that it is over")
    return "; ".join(words)


def level_words(escalation: Escalation) -> Iterator[str]:
    """A line a level."""
    for number, level in enumerate(escalation.levels, 1):
        again = f", again every {format_duration(level.repeat)}" if level.repeat else ""
        yield f"{number} {level.name}: {', '.join(level.receivers)} after {format_duration(level.after)}{again}"


def interval_words(times: tuple[Active, ...]) -> str:
    """``mon tue 18:00-08:00 Europe/Amsterdam``."""
    return "; ".join(
        f"{' '.join(DAYS[day] for day in time.days)} {_clock(time.start)}-{_clock(time.end)} {time.timezone}"
        for time in times
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def policy_lines(policy: Policy) -> Iterator[str]:
    """All of it, as text."""
    if policy.route is None:
        yield "every receiver that takes an alert is told at once (the policy has no route)"
    else:
        yield from tree_lines(policy.route)
    yield from ("", "receivers")
    for receiver in policy.receivers:
        yield f"  {receiver.name}" + (f": {words}" if (words := receiver_words(receiver)) else "")
    if policy.escalations:
        yield from ("", "escalations")
        for name, escalation in policy.escalations.items():
            of = [word for word, chosen in policy.escalate.items() if chosen == name]
            yield f"  {name}" + (f" (of {', '.join(of)})" if of else "")
            yield from (f"    {line}" for line in level_words(escalation))
    if policy.intervals:
        yield from ("", "intervals")
        yield from (f"  {name}: {interval_words(one.times)}" for name, one in policy.intervals.items())


def node_document(node: Route) -> dict[str, Any]:
    """A node for a program, durations in ms."""
    return {
        "path": node.path, "match": list(map(str, node.matchers)), "continue": node.goes_on,
        "receivers": list(node.receivers), "group_by": None if node.group_by is None else list(node.group_by),
        "group_wait": node.group_wait, "group_interval": node.group_interval, "repeat_interval": node.repeat_interval,
        "delay": {severity.value: ms for severity, ms in (node.delay or {}).items()}, "mute": list(node.mute),
        "active": list(node.active), "escalation": node.escalation, "routes": list(map(node_document, node.routes)),
    }  # fmt: skip
