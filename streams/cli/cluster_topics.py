"""Needed topics against a cluster: create what is missing, name what differs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from schemas import TopicSpec, topic_specs
from streams.config import Config
from streams.errors import ClusterError

_SKEW = "message.timestamp.after.max.ms"


@dataclass(frozen=True)
class Topic:
    """A topic as this configuration needs it. ``name`` and ``same_as`` carry the prefix."""

    name: str
    spec: TopicSpec
    same_as: str | None
    config: Mapping[str, str]


@dataclass(frozen=True)
class Found:
    """A topic as it is on the cluster."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """What is wrong with one topic, and the command or setting that mends it."""

    topic: str
    problem: str
    fix: str


def needed_topics(config: Config) -> tuple[Topic, ...]:
    """The shipped specs, with the configured sources in place of the default ones."""
    shipped = topic_specs(config.app)
    kept = [spec for spec in shipped if spec.of != "source" and not _is_of_a_source(spec, shipped)]
    sample = next(spec for spec in shipped if spec.of == "source")
    log = next(spec for spec in shipped if _is_of_a_source(spec, shipped))
    topics: list[Topic] = []
    for source in config.sources.values():
        own = next((spec for spec in shipped if spec.name == source.topic), replace(sample, name=source.topic))
        if own.of == "source":  # else a topic of ours, which is among the others
            allowed = max(int(own.config.get(_SKEW, "0")), source.max_skew)  # the broker must not refuse what we accept
            topics.append(_topic(config, own, {**own.config, _SKEW: str(allowed)}))
        name = f"{config.app}-detect-{source.topic}-changelog"
        changelog = next((spec for spec in shipped if spec.name == name), replace(log, name=name, same_as=source.topic))
        topics.append(_topic(config, changelog, changelog.config))
    topics.extend(_topic(config, spec, spec.config) for spec in kept)
    return tuple(topics)


def _is_of_a_source(spec: TopicSpec, shipped: Sequence[TopicSpec]) -> bool:
    """Whether it is the changelog of a source."""
    return any(other.name == spec.same_as and (other.of == "source" or other.name == "alerts") for other in shipped)


def _topic(config: Config, spec: TopicSpec, settings: Mapping[str, str]) -> Topic:
    same_as = config.topic_prefix + spec.same_as if spec.same_as else None
    return Topic(config.topic_prefix + spec.name, spec, same_as, MappingProxyType(dict(settings)))


def found_topics(client: AdminClient, needed: Sequence[Topic]) -> dict[str, Found]:
    """Those of the needed topics that exist, with their settings. Raises ClusterError where we may not look."""
    there = client.list_topics(timeout=10).topics
    names = [topic.name for topic in needed if topic.name in there and there[topic.name].error is None]
    if not names:
        return {}
    wanted = client.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in names])
    found = {}
    for resource, future in wanted.items():
        try:
            settings = {entry.name: str(entry.value) for entry in future.result(timeout=20).values()}
        except KafkaException as error:
            raise ClusterError(
                f"cannot read the settings of {resource.name}: {error.args[0].str()}", "allow DescribeConfigs on it"
            ) from None
        found[resource.name] = Found(len(there[resource.name].partitions), settings)
    return found


def create(
    client: AdminClient, needed: Sequence[Topic], found: Mapping[str, Found], partitions: int, replication: int | None
) -> list[str]:
    """Create what is missing, and wait until it can be seen; the names of what was created.

    A topic that must equal another takes its count; Raises ClusterError with all that the cluster refused.
    """
    counts = {name: there.partitions for name, there in found.items()}
    for topic in needed:
        counts.setdefault(topic.name, topic.spec.partitions or (partitions if topic.same_as is None else 0))
    for topic in needed:
        if topic.name not in found and topic.same_as is not None:
            counts[topic.name] = counts[topic.same_as]
    missing = [topic for topic in needed if topic.name not in found]
    wanted = [NewTopic(t.name, counts[t.name], replication or -1, config=dict(t.config)) for t in missing]
    made, refused = [], []
    for name, future in client.create_topics(wanted, operation_timeout=20).items() if wanted else ():
        try:
            future.result(timeout=30)
            made.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody creates them at the same moment
                refused.append(f"{name}: {error.args[0].str()}")
    if refused:
        lines = "\n  ".join(refused[:10])
        raise ClusterError(
            f"Kafka did not create {len(refused)} topics:\n  {lines}", "allow Create; check --replication"
        )
    _wait_until_seen(client, {topic.name for topic in missing})
    return made


def _wait_until_seen(client: AdminClient, names: set[str], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        there = client.list_topics(timeout=10).topics
        if all(name in there and there[name].partitions and there[name].error is None for name in names):
            return
        time.sleep(0.05)
    raise ClusterError(f"the created topics are not visible after {seconds:.0f} s", "run it again")


def compare(needed: Sequence[Topic], found: Mapping[str, Found]) -> list[Difference]:
    """Everything about the cluster that is not as it must be, in the order of the topics."""
    differences: list[Difference] = []
    for topic in needed:
        there = found.get(topic.name)
        if there is None:
            differences.append(Difference(topic.name, "is missing", "tocsin topics create"))
        else:
            differences.extend(_counts(topic, there, found))
            differences.extend(_settings(topic, there))
    return differences


def _counts(topic: Topic, there: Found, found: Mapping[str, Found]) -> list[Difference]:
    wanted, why = topic.spec.partitions, ""
    if topic.same_as is not None and topic.same_as in found:
        wanted, why = found[topic.same_as].partitions, f", as {topic.same_as}"
    if wanted is None or wanted == there.partitions:
        return []
    fix = (
        "partitions cannot be added under running state: drain the source, stop the workers, then create source and "
        "changelog anew (streams/docs/operations.md)"
    )
    return [Difference(topic.name, f"has {there.partitions} partitions and must have {wanted}{why}", fix)]


def _settings(topic: Topic, there: Found) -> list[Difference]:
    wrong = []
    for name, value in topic.config.items():
        actual = there.config.get(name)
        if name in topic.spec.checked and not _fits(name, value, actual):
            fix = f"kafka-configs --alter --entity-type topics --entity-name {topic.name} --add-config {name}={value}"
            wrong.append(Difference(topic.name, f"{name} is {actual} and must be {_bound(name)}{value}", fix))
    return wrong


def _fits(name: str, value: str, actual: str | None) -> bool:
    """Whether a setting serves: a retention may be longer than asked for."""
    if actual is None:
        return False
    if name == "retention.ms":
        return int(actual) == -1 or (int(value) != -1 and int(actual) >= int(value))
    if name == "cleanup.policy":
        return set(actual.split(",")) == set(value.split(","))
    return actual == value


def _bound(name: str) -> str:
    return "at least " if name == "retention.ms" else ""
