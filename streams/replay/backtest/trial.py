"""Rules that are being tried: since when, on how much, what they found, and which alerts that would have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from streams import pipeline
from streams.codec.outputs import PLAIN, Wire
from streams.detect.findings import ANALYSIS_FAILED
from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.errors import ConfigError
from streams.model import Alert, Batch, Control, Finding, Source, Step
from streams.replay.journal import PartKey, read_journal
from streams.replay.topics import consumer_of, partitions_of, read
from streams.rules.load import ruleset_from_documents
from streams.rules.overrides import overridden
from streams.rules.problems import did_you_mean
from streams.rules.rule import Rule, RuleSet
from streams.runtime.control import ControlLog
from streams.runtime.names import Names
from streams.runtime.waiting import watermarks
from streams.state.alerts.alerting import AlertState

_finding = msgspec.json.Decoder(Finding)
_alert = msgspec.json.Decoder(Alert)

Key = tuple[str, str]  #: tenant, the key as text


class Since(NamedTuple):
    """From which control record on a rule has been tried as it is now, and when that was written, ms."""

    position: int
    at: int


@dataclass(frozen=True)
class Trial:
    """What a shadow rule came to. ``events``: records of its sources that were read while it was tried."""

    rule: Rule
    since: Since
    events: int
    findings: Counter[str] = field(default_factory=Counter)  #: by kind
    failed: int = 0  #: events on which it raised
    alerts: tuple[Alert, ...] = ()  #: the last version of each that would have been

    @property
    def keys(self) -> set[Key]:
        return {key_of(alert) for alert in self.alerts}


def key_of(alert: Alert) -> Key:
    """What an alert is about, whatever rule opened it."""
    return alert.tenant, msgspec.json.encode(alert.key, order="sorted").decode()


def tried_since(history: Sequence[tuple[Control, int]], rule_id: str) -> tuple[Rule, Since] | None:
    """The rule and since when it is tried, without a break and with this meaning; None where it is not in the shadow.

    ``history``: each control state with the time of its record, oldest first.
    """
    found: tuple[Rule, Since] | None = None
    for control, at in history:
        rule = next((one for one in control.ruleset.rules if one.id == rule_id), None)
        if rule is None or not rule.is_shadow or not rule.enabled:
            found = None
        else:
            begun = found[1] if found is not None and found[0].ref == rule.ref else Since(control.position, at)
            found = rule, begun
    return found


def events_read(steps: Mapping[PartKey, Sequence[Step]], rule: Rule, since: Since, topics: Mapping[str, str]) -> int:
    """Offsets of the rule's sources that DETECT stepped since. ``topics``: of each source, its logical topic."""
    wanted = {topics[name] for name in rule.sources if name in topics}
    return sum(
        step.end - step.begin
        for (stage, topic, _), taken in steps.items()
        if stage == "detect" and topic in wanted
        for step in taken
        if step.control >= since.position
    )


def would_be(findings: Iterable[bytes]) -> list[Alert]:
    """The last version of every alert that ALERT makes of these findings, those of a tenant in their order."""
    state, control = AlertState(0), Control(position=1, ruleset=RuleSet(()))
    state.loaded()
    last: dict[bytes, bytes] = {}
    now = 0
    for offset, value in enumerate(findings):
        now = max(now, _finding.decode(value).event_time)
        while (due := state.due()) is not None and due <= now:
            last |= _versions(pipeline.alert_tick(state, due, control, at_end=False))
        last |= _versions(pipeline.alert(state, Batch([(offset, value, now)]), now, control))
    made = (_alert.decode(value) for value in last.values())
    return sorted(made, key=lambda alert: (alert.event_time, alert.id))


def _versions(outputs: Iterable[Any]) -> dict[bytes, bytes]:
    return {output.key: output.value for output in outputs if output.topic == "alerts"}


def control_history(consumer: Consumer, names: Names) -> Iterator[tuple[Control, int]]:
    """Each control state with the time at which its record was written, ms, oldest first."""
    log = ControlLog()
    for message in _messages(consumer, names.topic("control")):
        log.apply(message.offset() or 0, message.key(), message.value())
        yield log.current, message.timestamp()[1]


class Trials:
    """What the cluster knows of the rules that are tried, read once."""

    def __init__(self, options: Mapping[str, Any], names: Names, sources: Sequence[Source], wire: Wire = PLAIN) -> None:
        """Raises ClusterError for what cannot be read."""
        self._topics = {source.name: source.topic for source in sources}
        self._wire = wire
        consumer = consumer_of(options)
        try:
            self._history = list(control_history(consumer, names))
            self.ruleset: RuleSet = self._history[-1][0].ruleset if self._history else RuleSet(())
            tried = any(rule.is_shadow for rule in self.ruleset.rules)
            self._steps = read_journal(consumer, names) if tried else {}
            values = [message.value() or b"" for message in _messages(consumer, names.topic("shadow"))] if tried else []
            self._found = list(_findings(values))
            self._consumer_options, self._names = options, names
        finally:
            consumer.close()

    def rules(self) -> list[Rule]:
        """Those that are tried now."""
        return [rule for rule in self.ruleset.rules if rule.is_shadow and rule.enabled]

    def of(self, rule_id: str) -> Trial:
        """Raises ConfigError where no such rule is tried."""
        tried = tried_since(self._history, rule_id)
        if tried is None:
            raise ConfigError(f"{rule_id!r:.80} is not being tried: {self._why_not(rule_id)}", self._instead(rule_id))
        rule, since = tried
        sets = {control.ruleset.version for control, _ in self._history if control.position >= since.position}
        mine = [(found, value) for found, value in self._found if found.ruleset in sets]
        own = [(found, value) for found, value in mine if found.rule == rule_id]
        return Trial(
            rule, since, events_read(self._steps, rule, since, self._topics),
            Counter(found.kind.value for found, _ in own),
            sum(found.rule == ANALYSIS_FAILED and found.key.get("rule") == rule_id for found, _ in mine),
            tuple(would_be(value for _, value in own)),
        )  # fmt: skip

    def _why_not(self, rule_id: str) -> str:
        rule = next((one for one in self.ruleset.rules if one.id == rule_id), None)
        if rule is None:
            return f"no such rule is in force{did_you_mean(rule_id, [one.id for one in self.ruleset.rules])}"
        return "it is live" if not rule.is_shadow else "it is switched off"

    def _instead(self, rule_id: str) -> str:
        tried = ", ".join(rule.id for rule in self.rules())
        return (
            f"in the shadow are {tried}" if tried else "give a rule `stage: shadow` and apply it: `tocsin rules apply`"
        )

    def opened(self, rule_id: str, since: int) -> list[Alert]:
        """The alerts that a live rule opened since, as they were opened."""
        found: dict[str, Alert] = {}
        consumer = consumer_of(self._consumer_options)
        try:
            for message in _messages(consumer, self._names.topic("alerts")):
                try:
                    alert = _alert.decode(self._wire.json("alerts", message.value() or b""))
                except ValueError:  # anybody may have written it
                    continue
                if alert.rule == rule_id and alert.created_at >= since:
                    found.setdefault(alert.id, alert)
        finally:
            consumer.close()
        return list(found.values())


def promoted(ruleset: RuleSet, rule_id: str) -> RuleSet:
    """The rule set with that rule live, and all else as it is."""
    documents = [
        {name: value for name, value in rule.document.items() if name != "stage"} if rule.id == rule_id
        else rule.document
        for rule in ruleset.rules
    ]  # fmt: skip
    made = ruleset_from_documents(documents, KINDS)
    return replace(overridden(made, dict(ruleset.overrides), KINDS, TUNABLE), lists=ruleset.lists)


def _findings(values: Iterable[bytes]) -> Iterator[tuple[Finding, bytes]]:
    for value in values:
        try:
            yield _finding.decode(value), value
        except ValueError:  # anybody may have written it
            continue


def _messages(consumer: Consumer, topic: str) -> Iterator[Message]:
    for partition in partitions_of(consumer, topic):
        low, high = watermarks(consumer, TopicPartition(topic, partition))
        if low < high:
            for messages in read(consumer, topic, partition, low, high):
                yield from messages
