"""What a backtest reads: stretches of topics, resolved to offsets, and files; and the command that reads it again."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_
from pathlib import Path

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource

from streams.cli.context import admin, kafka_options, names_of
from streams.cli.replay_inputs import TOPIC
from streams.config import Config
from streams.errors import ConfigError
from streams.model import Source
from streams.replay.backtest.run import ordered
from streams.replay.files import open_file
from streams.replay.logs import Facts, FileLog, Log, TopicLog
from streams.replay.moments import rfc3339
from streams.replay.topics import EARLIEST, LATEST, Point, Topic, parse_point, parse_range
from streams.rules.durations import parse_duration

_FORMS = "last 7d, an RFC 3339 time, offsets (100, or 0:100,1:250 by partition), earliest or latest"


@dataclass
class Inputs:
    """``arguments`` name exactly these logs again. ``notes``: what a person should know of them."""

    logs: list[Log] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def parse_end(text: str, option: str) -> Point:
    """``--from`` or ``--to``. Raises ConfigError."""
    ago = re.fullmatch(r"(?:last\s+)?(\d+[a-z].*)", text.strip())
    try:
        if ago is not None and "T" not in text:
            return Point(time=max(0, int(time.time() * 1000) - parse_duration(ago[1])))
        return parse_point(text)
    except (ValueError, ConfigError):
        raise ConfigError(f"{option} {text!r:.80} is no place in a log", f"write {_FORMS}") from None


def inputs(
    wanted: dict[str, list[str]], sources: dict[str, Source], begin: Point, end: Point, config: Config
) -> Inputs:
    """Look at all that was asked for. Raises ConfigError and ClusterError as opening it does; leaves no client open."""
    found = Inputs()
    for name in sorted(wanted):
        paths = [place for place in wanted[name] if not place.startswith(TOPIC)]
        if paths:
            files = tuple(open_file(Path(path)) for path in paths)
            found.logs.append(FileLog(sources[name], files, _time(begin, EARLIEST), _time(end, LATEST)))
            found.arguments += [part for path in paths for part in ("--source", f"{name}={path}")]
        for place in wanted[name]:
            if place.startswith(TOPIC):
                _add_topic(found, sources[name], place.removeprefix(TOPIC), begin, end, config)
    if any(isinstance(log, FileLog) for log in found.logs):
        for option, point in (("--from", begin), ("--to", end)):
            found.arguments += [option, rfc3339(point.time)] if point.time is not None else []
    found.logs = ordered(found.logs)
    return found


def command_again(arguments: Sequence[str]) -> str:
    return shlex.join(["tocsin", "backtest", *arguments])


def _time(point: Point, open_end: str) -> int | None:
    if point.time is None and point.word != open_end:
        raise click.UsageError("--from and --to of files are times: offsets are for topics")
    return point.time


def _add_topic(found: Inputs, source: Source, stretch: str, begin: Point, end: Point, config: Config) -> None:
    asked = parse_range(stretch)
    if "@" not in stretch:
        asked = with_(asked, begin=begin, end=end)
    own = names_of(config).topic(source.topic)
    if asked.topic == source.topic:
        asked = with_(asked, topic=own)
    admin(config)
    options = kafka_options(config)
    topic = Topic(options, asked)
    try:
        for partition, (first, last) in topic.ranges.items():
            low = topic.lows[partition]
            found.logs.append(TopicLog(source, asked.topic, partition, first, last, low, asked.topic == own, options))
            found.notes += _expired(asked.topic, partition, asked.begin, first, low)
        ends = (",".join(f"{n}:{pair[at]}" for n, pair in topic.ranges.items()) for at in (0, 1))
    finally:
        topic.close()
    found.arguments += ["--source", f"{source.name}={TOPIC}{asked.topic}@{'..'.join(ends)}"]


def gaps_in(logs: Sequence[Log], facts: Sequence[Facts], config: Config) -> list[str]:
    """What compaction took out of stretches that were read: of each topic that compacts, how many offsets are empty.
    On other topics those are the marks of transactions.
    """
    empty: dict[str, list[int]] = {}
    for log, read in zip(logs, facts, strict=True):
        if isinstance(log, TopicLog) and read.read < log.size:
            counts = empty.setdefault(log.topic, [0, 0])
            counts[0] += log.size - read.read
            counts[1] += log.size
    if not empty:
        return []
    client = admin(config)
    wanted = client.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in sorted(empty)])
    found = []
    for resource, future in wanted.items():
        try:
            policy = str(future.result(timeout=20)["cleanup.policy"].value)
        except KafkaException:  # we may read it, but not look at its settings
            policy = "unknown"
        if policy != "delete":
            gone, size = empty[resource.name]
            found.append(f"{resource.name}: {gone:,} of {size:,} offsets hold no record (cleanup.policy {policy}): "
                         "what compaction took was an event, too")  # fmt: skip
    return found


def _expired(topic: str, partition: int, begin: Point, first: int, low: int) -> list[str]:
    """What retention may have taken from the beginning of the stretch."""
    asked = dict(begin.offsets).get(partition, begin.offset)
    if asked is not None and asked < low:
        return [f"{topic}/{partition}: offsets {asked} to {low - 1} have expired; it begins at {low}"]
    if begin.time is not None and 0 < low == first:
        return [f"{topic}/{partition}: what was written before offset {low} has expired; the stretch may begin later"]
    return []
