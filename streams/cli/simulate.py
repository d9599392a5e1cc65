"""``tocsin simulate``: labelled traffic, to files or to topics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.errors import ClusterError, ConfigError
from streams.replay.moments import parse_moment
from streams.rules.durations import parse_duration
from streams.simulate import Label, Simulated, generate
from streams.simulate.cast import ALL, SHOWCASE
from streams.simulate.registry import DOMAINS
from streams.simulate.scene import Nature
from streams.simulate.traffic import record_key
from streams.simulate.write import paced, to_files, to_topics, truth


def _duration(ctx: click.Context, parameter: click.Parameter, value: str) -> int:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _start(ctx: click.Context, parameter: click.Parameter, value: str) -> int:
    return time.time_ns() // 1_000_000 if value == "now" else parse_moment(value)


def _domains(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    chosen = tuple(part.strip() for part in value.split(",") if part.strip()) if value else None
    for name in chosen or ():
        if name not in DOMAINS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(DOMAINS)}")
    return chosen


def _scenarios(ctx: click.Context, parameter: click.Parameter, value: str) -> str | tuple[str, ...]:
    names = tuple(part.strip() for part in value.split(",") if part.strip())
    return value if value in (ALL, SHOWCASE) else names


@click.command("simulate")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed and start make the same traffic.")
@click.option("--rate", type=float, default=100, show_default=True, help="Background events a second, all domains.")
@click.option("--duration", default="1m", show_default=True, callback=_duration, help="Length in event time.")
@click.option("--start", default="now", show_default=True, callback=_start, help="First event time, RFC 3339.")
@click.option("--domains", metavar="NAME,…", callback=_domains, help=f"Of {', '.join(DOMAINS)}; all without it.")
@click.option("--every", default="1m", show_default=True, callback=_duration, help="Each attack once in so long.")
@click.option(
    "--scenarios",
    default=SHOWCASE,
    show_default=True,
    metavar="all|showcase|NAME,…",
    callback=_scenarios,
    help="What happens in it; a NAME is that of a scenario, or of a rule for all about it.",
)
@click.option("--areas", is_flag=True, help="The backgrounds of all areas beside those of the domains.")
@click.option("--to", "target", required=True, metavar="files:DIR|topics", help="Where it goes.")
@click.option("--truth", "truth_file", type=click.Path(dir_okay=False, path_type=Path), help="Labels, one JSON a line.")
@click.option("--realtime", is_flag=True, help="Send each event when its time has come.")
def command(
    seed: int, rate: float, duration: int, start: int, domains: tuple[str, ...] | None, every: int,
    scenarios: str | tuple[str, ...], areas: bool, target: str, truth_file: Path | None, realtime: bool,
) -> None:  # fmt: skip
    """Make labelled traffic: a steady background, attacks that shipped rules should find, and what only looks alike.

    A scenario of an area that takes longer than the duration is left out.

    \b
    Examples:
      tocsin simulate --to files:traffic --truth truth.jsonl --start 2024-01-01T12:00:00Z --duration 10m
      tocsin simulate --to topics --rate 2000 --duration 30s --realtime
      tocsin simulate --to files:traffic --truth truth.jsonl --scenarios all --areas --duration 1d --every 6h
    """
    traffic: Iterable[Simulated] = generate(
        seed, start, duration, rate, domains, every_ms=every, scenarios=scenarios, areas=areas
    )
    if realtime:
        traffic = paced(traffic, start)
    sent = _target(traffic, target)
    labels: dict[str, Label] = {}
    counts: Counter[str] = Counter()
    began = time.monotonic()
    for simulated in _with_progress(sent, int(duration * rate / 1000)):
        counts[simulated.source] += 1
        if simulated.label is not None:
            labels[simulated.label.attack] = simulated.label
    if truth_file is not None:
        _write_truth(truth_file, labels.values())
    took = max(time.monotonic() - began, 1e-9)
    total = counts.total()
    click.echo(f"{total:,} events in {took:.1f} s ({total / took:,.0f} a second): {_listed(counts)}", err=True)
    played = Counter(label.rule for label in labels.values() if label.nature is Nature.ATTACK)
    click.echo(f"{played.total()} attacks: {_listed(played)}", err=True)
    if harmless := Counter(label.nature.value for label in labels.values() if label.nature is not Nature.ATTACK):
        click.echo(f"beside them: {_listed(harmless)}", err=True)


def _target(traffic: Iterable[Simulated], target: str) -> Iterator[Simulated]:
    kind, _, place = target.partition(":")
    if kind == "files" and place:
        return to_files(traffic, Path(place))
    if target != "topics":
        raise ConfigError(f"cannot send to {target!r}", "use --to files:DIR, or --to topics")
    config = get_config()
    names = names_of(config)
    there = admin(config).list_topics(timeout=10).topics
    topics = {name: names.topic(config.sources[name].topic) for name in DOMAINS}
    if missing := sorted(topic for topic in topics.values() if topic not in there):
        raise ClusterError(f"missing topics: {', '.join(missing)}", "run `tocsin topics create`")
    keyed = (
        simulated._replace(key=record_key(simulated.event, config.sources[simulated.source].partition_by))
        for simulated in traffic
    )
    return to_topics(keyed, kafka_options(config), topics)


def _with_progress(sent: Iterator[Simulated], expected: int) -> Iterator[Simulated]:
    """A bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.completed:,.0f} events"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True) if console.is_terminal else None
    with progress or nullcontext():
        task = progress.add_task("", total=expected) if progress is not None else None
        for n, simulated in enumerate(sent):
            if progress is not None and task is not None and n % 500 == 0:
                progress.update(task, completed=min(n, expected))
            yield simulated


def _write_truth(path: Path, labels: Iterable[Label]) -> None:
    try:
        path.write_bytes(b"".join(line + b"\n" for line in truth(labels)))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) or "none"
