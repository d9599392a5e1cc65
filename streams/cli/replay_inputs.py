"""What a replay is given on the command line: which sources, from which files and stretches of topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace as with_
from difflib import get_close_matches
from pathlib import Path

import click

from streams.cli.context import admin, kafka_options, names_of
from streams.codec.registry import JOINS, mapping_named_or_file
from streams.config import Config, enrichment_of, event_sources
from streams.errors import ConfigError
from streams.model import Source
from streams.replay.files import EventFile, Merged, open_file
from streams.replay.runner import PartitionLog
from streams.replay.topics import Topic, parse_range
from streams.rules.rule import RuleSet

TOPIC = "topic:"


def wanted_of(given: Sequence[str]) -> dict[str, list[str]]:
    """What to read, by source."""
    wanted: dict[str, list[str]] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not equals or not name or not place:
            raise click.UsageError(f"--source {text!r}: write NAME=FILE, or NAME=topic:TOPIC")
        wanted.setdefault(name, []).append(place)
    return wanted


def sources_of(wanted: Iterable[str], mappings: Sequence[str], ruleset: RuleSet, config: Config) -> dict[str, Source]:
    """The sources to replay, as configured but for their mappings."""
    known = {source.name: source for source in event_sources(config)}
    read = {rule.source for rule in ruleset.rules}
    chosen: dict[str, Source] = {}
    for name in wanted:
        if name not in known and name not in read:
            near = get_close_matches(name, {*known, *read}, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted({*known, *read}))}"
            raise ConfigError(f"no source is called {name!r:.80}", hint)
        if not ruleset.reading(name):
            raise ConfigError(f"none of the rules reads {name!r}", f"they read {', '.join(sorted(read)) or 'nothing'}")
        chosen[name] = known.get(name) or Source(name, f"{name}.events")
    return with_mappings(chosen, mappings, config)


def with_mappings(sources: Mapping[str, Source], mappings: Sequence[str], config: Config) -> dict[str, Source]:
    """The sources with what ``--mapping`` says of them, or of all."""
    chosen = dict(sources)
    enriched = enrichment_of(config)
    for text in mappings:
        name, equals, mapping = text.partition("=")
        if equals and name not in chosen:
            raise click.UsageError(f"--mapping {text!r}: {name!r} is not replayed")
        mapping = mapping if equals else text
        found, join = mapping_named_or_file(mapping), JOINS.get(mapping)
        for one in [name] if equals else chosen:
            chosen[one] = with_(chosen[one], mapping=enriched(one, found), join=join)
    return chosen


@contextmanager
def opened(
    wanted: dict[str, list[str]], sources: dict[str, Source], config: Config
) -> Iterator[tuple[list[PartitionLog], int | None]]:
    """What was asked for, ready to read; and how many records that is, where it can be told."""
    logs: list[PartitionLog] = []
    topics: list[Topic] = []
    known = 0
    try:
        for name, places in wanted.items():
            source = sources[name]
            stretches = [place.removeprefix(TOPIC) for place in places if place.startswith(TOPIC)]
            files = [open_file(Path(place)) for place in places if not place.startswith(TOPIC)]
            if files:
                logs.append(log_of_files(source, files))
            for stretch in stretches:
                topics.append(topic := topic_of(stretch, source, config))
                known += topic.size
                logs += logs_of_topic(source, topic, config)
        only_topics = all(log.locate is None for log in logs) and bool(topics)
        yield logs, known if only_topics else None
    finally:
        for topic in topics:
            topic.close()


def log_of_files(source: Source, files: list[EventFile]) -> PartitionLog:
    merged = Merged(files, source.mapping)
    return PartitionLog(source, 0, merged.chunks(), merged.origin)


def topic_of(stretch: str, source: Source, config: Config) -> Topic:
    wanted = parse_range(stretch)
    if wanted.topic == source.topic:
        wanted = with_(wanted, topic=names_of(config).topic(source.topic))
    admin(config)
    return Topic(kafka_options(config), wanted)


def logs_of_topic(source: Source, topic: Topic, config: Config) -> list[PartitionLog]:
    own = topic.topic == names_of(config).topic(source.topic)
    return [
        PartitionLog(source, partition, topic.batches(partition), None if own else topic.origin(partition))
        for partition in topic.ranges
    ]
