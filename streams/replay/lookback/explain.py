"""Why an alert is there: its events by position, the key's state before and after, the threshold, and who was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import TopicPartition

from streams.errors import TocsinError
from streams.model import Alert, Batch, Control, Evidence, Notification, Source, Step
from streams.replay.journal import PartKey, read_control, read_journal
from streams.replay.lookback.archived import Archives
from streams.replay.lookback.coverage import runs
from streams.replay.lookback.onekey import OneKey, Stepped, alone
from streams.replay.moments import rfc3339
from streams.replay.topics import LATEST, Point, Topic, TopicRange, consumer_of, partitions_of
from streams.rules.rule import Ladder, Rule, RuleSet
from streams.runtime.control import POLICY, ControlLog
from streams.runtime.names import Names
from streams.runtime.waiting import watermarks


@dataclass
class Rerun:
    """The rule as it was, over the key's events again. ``problem``: why that could not be done, or not in full."""

    rule: Rule | None = None
    ruleset: RuleSet | None = None
    one: OneKey | None = None
    reproduced: bool = False  #: the same alert id came out
    begins: dict[str, int] = field(default_factory=dict)  #: by partition, from which offset on
    archived: dict[str, tuple[str, int, int]] = field(default_factory=dict)  #: the archive, and what was read there
    problem: str = ""


@dataclass
class Held:
    """What the topics hold now: lowest offset, by logical topic and partition; and the control states there were."""

    lows: dict[tuple[str, int], int]
    log: ControlLog
    steps: Mapping[PartKey, Sequence[Step]]

    def has(self, position: str) -> bool | None:
        """Whether the record still stands on its topic; None for what is no place on a topic that is known."""
        place = place_of(position)
        low = self.lows.get(place[:2]) if place is not None else None
        return None if place is None or low is None else place[2] >= low


def place_of(position: str) -> tuple[str, int, int] | None:
    """Topic, partition and offset; None for a line of a file and the like."""
    parts = position.rsplit("/", 2)
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def held(options: Mapping[str, Any], names: Names, sources: Sequence[Source]) -> Held:
    """Raises ClusterError for what cannot be read."""
    consumer = consumer_of(options)
    try:
        lows = {
            (source.topic, partition): watermarks(consumer, TopicPartition(names.topic(source.topic), partition))[0]
            for source in sources
            for partition in partitions_of(consumer, names.topic(source.topic))
        }
        return Held(lows, read_control(consumer, names), read_journal(consumer, names))
    finally:
        consumer.close()


def rule_of(alert: Alert, history: Sequence[Control]) -> tuple[RuleSet, Rule] | None:
    """The rule by which an alert was opened, from what has been in force; that of its own rule set if it is there."""
    found = None
    for control in history:
        for rule in control.ruleset.in_force():
            if (rule.id, rule.version) == (alert.rule, alert.rule_version) and rule.variant in ("", alert.tenant):
                general = next(one for one in control.ruleset.rules if one.id == rule.id)
                found = control.ruleset, general
                if control.ruleset.version == alert.ruleset:
                    return found
    return found


def rerun(
    options: Mapping[str, Any], names: Names, sources: Sequence[Source], there: Held, alert: Alert, archives: Archives,
    progress: Callable[[int], None] | None = None,
) -> Rerun:  # fmt: skip
    """The alert's rule over its key's events, from where the rule came into force, until the alert is opened again.

    What retention took from the topics is read in ``archives``.
    """
    result = Rerun()
    found = rule_of(alert, there.log.history)
    if found is None:
        result.problem = f"no rule {alert.rule} of version {alert.rule_version} has been in force by the control topic"
        return result
    result.ruleset, result.rule = found
    rule, by_name = result.rule, {source.name: source for source in sources}
    first = place_of(alert.first[-1].position) if alert.first else None
    if first is None or (missing := [name for name in rule.sources if name not in by_name]):
        result.problem = "its events stand on no topic" if first is None else f"no source is called {missing[0]}"
        return result
    wanted = list(alert.key.values())
    one = result.one = OneKey(alone(result.ruleset, rule), alert.tenant, lambda values: list(values) == wanted)
    one.stop = lambda: any(finding.alert_id == alert.id for finding in one.findings)
    local = rule.is_local(by_name[rule.source].partition_by)
    for name in rule.sources:
        source = by_name[name]
        for topic, partition in there.lows:
            if topic == source.topic and (not local or (topic, partition) == first[:2]):
                try:
                    begin = _begin(source, partition, there, result, first, archives)
                    for batch in _batches(options, names, source, partition, begin, there, result, archives):
                        one.feed(source, partition, [batch])
                        if progress is not None:
                            progress(one.read)
                        if one.stop():
                            break
                except TocsinError as error:
                    result.problem = error.message
    one.settle()
    result.reproduced = one.stop()
    result.problem = result.problem or "; ".join(archives.problems)
    if not result.reproduced and not result.problem:
        result.problem = "the rule did not open this alert again from what the topics hold"
    return result


def _begin(
    source: Source, partition: int, there: Held, result: Rerun, first: tuple[str, int, int], archives: Archives
) -> int:
    """The offset at which the rule came into force as it opened the alert, or where what is kept begins."""
    assert result.rule is not None
    rule = result.rule
    refs = {rule.ref, *(variant.ref for variant in _variants(result.ruleset, rule))}

    def in_force(position: int) -> bool:
        return any(other.ref in refs for other in there.log.at(position).ruleset.in_force())

    taken = runs(there.steps.get(("detect", source.topic, partition), ()), in_force)
    offset = first[2] if (source.topic, partition) == first[:2] else None
    ours = [begin for begin, end in taken if offset is None or begin <= offset < end]
    low, kept = there.lows[source.topic, partition], archives.begin(source.topic, partition)
    return ours[-1] if ours else low if kept is None else min(kept, low)


def _batches(
    options: Mapping[str, Any], names: Names, source: Source, partition: int, begin: int, there: Held, result: Rerun,
    archives: Archives,
) -> Iterator[Batch]:  # fmt: skip
    """The records from ``begin`` on: what the topic does not hold any more from the archives."""
    low, part = there.lows[source.topic, partition], f"{source.topic}/{partition}"
    result.begins[part] = begin
    if begin < low:
        if name := archives.name(source.topic, partition):
            result.archived[part] = name, begin, low
        yield from archives.batches(source.topic, partition, begin, low)
        begin = low
    stretch = TopicRange(names.topic(source.topic), Point(offsets=((partition, begin),)), Point(LATEST))
    topic = Topic(options, stretch)
    try:
        yield from topic.batches(partition)
    finally:
        topic.close()


def _variants(ruleset: RuleSet | None, rule: Rule) -> list[Rule]:
    return [one for one in ((ruleset.variants if ruleset else {}).get(rule.id, {})).values() if one is not None]


# --- what is said of it


def why_severity(ladder: Ladder, observed: Any) -> str:
    """Which rung the value stands on, and what the next would need."""
    rungs = ladder.rungs
    if not isinstance(observed, (int, float)) or rungs[-1][0] is None:
        return f"the rule says {rungs[-1][2]}, whatever the value"
    _, word = ladder.at(observed)
    sign = "≤" if ladder.falling else "≥"
    place = next(n for n, rung in enumerate(rungs) if rung[2] == word)
    own = rungs[place][0]
    words = f"{word}: {observed:g} {sign} {own:g}" if own is not None else f"{word}: {observed:g}"
    if place + 1 < len(rungs):
        words += f"; {rungs[place + 1][2]} would need {sign} {rungs[place + 1][0]:g}"
    return words


def events_of(alert: Alert, trace: Rerun, there: Held | None, archives: Archives) -> list[dict[str, Any]]:
    """The events of the window that opened the alert, oldest first, and those that it names besides.

    ``on``: ``topic``, ``archive``, or ``alert`` where only the copy on the alert is left, or ``gone``.
    """
    evidence = {one.position: one for one in (*alert.last, *alert.first)}
    completing = alert.first[-1] if alert.first else None
    within = alert.values.get("within")
    since = completing.event_time - within if completing is not None and isinstance(within, int) else None
    shown: dict[str, dict[str, Any]] = {}
    for step in trace.one.steps if trace.one is not None else ():
        inside = since is not None and completing is not None and since < step.at <= completing.event_time
        if inside or step.position in evidence:
            shown[step.position] = _stepped(step, completing, there)
    for position, one in evidence.items():
        if position not in shown:
            shown[position] = _named(one, completing, there, archives)
    return sorted(shown.values(), key=lambda event: (event["event_time"], event["position"]))


def _stepped(step: Stepped, completing: Evidence | None, there: Held | None) -> dict[str, Any]:
    on = "archive" if there is not None and there.has(step.position) is False else "topic"
    return {
        "position": step.position, "event_time": rfc3339(step.at), "event_id": step.event_id, "on": on,
        "completing": completing is not None and step.position == completing.position, "event": step.event,
        "findings": [
            {"kind": one.kind.value, "observed": one.observed, "severity": one.severity.value} for one in step.findings
        ],
    }  # fmt: skip


def _named(one: Evidence, completing: Evidence | None, there: Held | None, archives: Archives) -> dict[str, Any]:
    stands, event = there.has(one.position) if there is not None else None, one.event
    place = place_of(one.position) if not stands else None
    kept = None if place is None else archives.record(*place)
    if kept is not None and event is None:
        event = _decoded(kept)
    on = (
        "topic" if stands else "archive" if kept is not None else "alert" if event is not None
        else "gone" if stands is False else "unknown"
    )  # fmt: skip
    return {
        "position": one.position, "event_time": rfc3339(one.event_time), "event_id": one.event_id, "on": on,
        "completing": completing is not None and one.position == completing.position, "event": event, "findings": [],
    }  # fmt: skip


def _decoded(value: bytes) -> dict[str, Any] | None:
    """An event as it came, if that is a JSON object."""
    try:
        found = msgspec.json.decode(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def why_not_told(alert: Alert, notifications: Sequence[Notification], there: Held | None) -> list[str]:
    """Every reason why somebody was not told, by name; empty where nothing stood in the way."""
    found = []
    for one in alert.suppressed:
        until = f" until {rfc3339(one.until)}" if one.until is not None else ""
        found.append(f"{one.stage}: by {one.by}, since {rfc3339(one.since)}{until}")
    if alert.hidden:
        found.append(f"hidden: {alert.hidden} notifications were not sent while it was suppressed")
    found += [f"failed: {name} could not be reached for good" for name in alert.notification_failed]
    if notifications or found or alert.told:
        return found
    if there is not None and POLICY not in there.log.current.records:
        return ["no policy: none is in force, so nobody is to be told"]
    return ["no route: no receiver is to be told of it, or its group still waits, or what was sent has expired"]
