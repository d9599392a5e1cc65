"""``tocsin replay --to-topic``: recorded events onto a topic again, for load and staging tests."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.cli.backtest_inputs import Inputs, inputs
from streams.cli.cluster_topics import needed_topics
from streams.cli.context import admin, kafka_options, names_of
from streams.cli.replay_inputs import TOPIC, wanted_of, with_mappings
from streams.config import Config, event_sources
from streams.config.sources import avro_writers
from streams.errors import ClusterError, ConfigError
from streams.model import Source
from streams.replay.logs import Log, TopicLog
from streams.replay.republish.avro import AvroForm
from streams.replay.republish.moved import MINUTE
from streams.replay.republish.outgoing import MARKER, Outgoing, ending, outgoing
from streams.replay.republish.publish import Pace, Published, Publisher
from streams.replay.republish.shift import Shift
from streams.replay.topics import EARLIEST, LATEST, Point
from streams.rules.durations import format_duration

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

KEEP, SHIFT = "keep", "shift"


@dataclass(frozen=True, slots=True)
class Wish:
    """The options that say how."""

    topic: str
    speed: float  #: 0: as fast as it goes
    times: str
    by_key: bool
    really: bool  #: onto a topic that workers read


def speed_of(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """``10``, ``10x``, ``0.5`` or ``max``."""
    if value is None or value == "max":
        return None if value is None else 0.0
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)x?", value)
    if found is None or not float(found[1]):
        raise click.BadParameter(f"{value!r} is no speed: write 10 (times as fast as it was), 0.5, or max")
    return float(found[1])


def republished(given: Sequence[str], mappings: Sequence[str], wish: Wish, config: Config) -> int:
    """Write them, and say what came of it. 130 where it was stopped."""
    wanted = wanted_of(given)
    sources = with_mappings(_sources(wanted, config), mappings, config)
    target, client = _target(wish, config), admin(config)
    read = inputs(wanted, sources, Point(EARLIEST), Point(LATEST), config)
    for note in read.notes:
        click.echo(f"note: {note}", err=True)
    _refuse(target, wish, read.logs, client, config)
    size = sum(log.size for log in read.logs)
    if not size:
        raise ConfigError("there are no events in what was given", read.notes[0] if read.notes else "widen the range")
    by = _shift(read.logs, wish.speed) if wish.times == SHIFT else 0
    avro = avro_writers(config)
    shifts = {
        name: Shift(source, by, AvroForm(avro[name]) if name in avro else None) for name, source in sources.items()
    }
    publisher = Publisher(kafka_options(config), target, by_key=wish.by_key)
    began, stopped = time.monotonic(), False
    with outgoing(read.logs, shifts, by) as records:
        try:
            _published(publisher, records, Pace(wish.speed), size)
        except KeyboardInterrupt:
            stopped = True
    _tell(publisher.published, target, by, time.monotonic() - began)
    if stopped:
        click.echo(f"stopped; {_rest(read, publisher.published)}", err=True)
        return 130
    if not publisher.published.acknowledged:
        raise ConfigError("there are no events in what was given", "its offsets hold no records any more")
    return 0


def _sources(wanted: dict[str, list[str]], config: Config) -> dict[str, Source]:
    known = {source.name: source for source in event_sources(config)}
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise ConfigError(f"no source is called {name!r:.80}", hint)
    return {name: known[name] for name in wanted}


def _target(wish: Wish, config: Config) -> str:
    """The topic as it is called on the cluster. Raises ConfigError for one of our own."""
    names = names_of(config)
    ours = {topic.name: topic.spec.of for topic in needed_topics(config)}
    target = names.topic(wish.topic) if ours.get(names.topic(wish.topic)) else wish.topic
    of = ours.get(target)
    if target.startswith("__") or (of is not None and of != "source"):
        raise ConfigError(f"{target} is written by {'Kafka' if of is None else 'Tocsin'} itself", "name another topic")
    if of == "source" and not wish.really:
        raise ConfigError(
            f"workers read {target}: what is replayed there raises alerts, and tells people",
            "name a topic of its own, or add --yes if that is what is wanted",
        )
    return target


def _refuse(target: str, wish: Wish, logs: Sequence[Log], client: AdminClient, config: Config) -> None:
    """Raises ConfigError or ClusterError where what is read cannot go onto ``target``."""
    there = client.list_topics(timeout=10).topics
    if target not in there:
        counts = {len(there[log.topic].partitions) for log in logs if isinstance(log, TopicLog)}
        many = f" with {max(counts)} partitions" if counts else ""
        raise ClusterError(f"there is no topic {target}", f"create it{many}")
    for log in logs:
        if not isinstance(log, TopicLog):
            continue
        if log.topic == target:
            raise ConfigError(f"{target} is what is read: it would never end", "name another topic with --to-topic")
        before, after = len(there[log.topic].partitions), len(there[target].partitions)
        if before != after and not wish.by_key:
            raise ConfigError(
                f"{log.topic} has {before} partitions, {target} has {after}",
                "make them equal, or let keys decide where records go: --by-key",
            )


def _shift(logs: Sequence[Log], speed: float) -> int:
    """By how much times move, ms, whole minutes: so that the last event is as old as now when its turn comes, and none
    lies in the future. Slower than it was, the first one is.
    """
    endings = [one for log in logs if (one := ending(log)) is not None]
    if not endings:
        raise ConfigError("there are no events in what was given", "its offsets hold no records any more")
    last, ahead = max(endings, key=sum)
    first, now = min(filter(None, map(_first, logs)), default=last), time.time_ns() // 1_000_000
    lasts = int((last - first) / speed) if speed else 0
    late = now - first - ahead if 0 < speed < 1 else now + lasts - last - ahead
    return late // MINUTE * MINUTE


def _first(log: Log) -> int | None:
    with log.open() as opened:
        for chunk in opened.chunks:
            return (chunk if isinstance(chunk, list) else chunk.records)[0][2]
    return None


def _published(publisher: Publisher, records: Iterator[Outgoing], pace: Pace, size: int) -> None:
    console, began = Console(stderr=True), time.monotonic()
    columns = (TextColumn("{task.completed:,.0f} records"), BarColumn(), TaskProgressColumn(),
               TextColumn("{task.fields[rate]}"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=size, rate="")

        def told(n: int) -> None:
            bar.update(task, completed=n, rate=f"{n / max(time.monotonic() - began, 1e-3):,.0f}/s")

        publisher.publish(records, pace, told)


def _tell(published: Published, target: str, by: int, seconds: float) -> None:
    n = published.acknowledged
    moved = f", event times shifted by {'-' if by < 0 else ''}{format_duration(abs(by))}" if by else ""
    rate = f"{n / max(seconds, 1e-3):,.0f} a second"
    click.echo(f"{n:,} records written to {target} in {seconds:.1f} s ({rate}){moved}", err=True)
    click.echo(f"each says in its header {MARKER} where it was", err=True)
    if published.largest_wait > 1:
        click.echo(f"it fell up to {published.largest_wait:.1f} s behind the speed that was asked for", err=True)


def _rest(read: Inputs, published: Published) -> str:
    """How to go on, where that can be said."""
    parts: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
    for number, log in enumerate(read.logs):
        if isinstance(log, TopicLog):
            ends = published.following.get(number, log.begin), log.end
            parts.setdefault((log.source.name, log.topic), {})[log.partition] = ends
    if [log for log in read.logs if not isinstance(log, TopicLog)]:
        return "files have no place to go on from: begin again, on an empty topic"
    stretches = [
        f"--source {name}={TOPIC}{topic}@"
        + "..".join(",".join(f"{n}:{of[n][at]}" for n in sorted(of)) for at in (0, 1))
        for (name, topic), of in parts.items()
    ]
    return f"what is left: {' '.join(stretches)}"
