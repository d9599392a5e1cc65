"""``tocsin replay``: recorded events through rules, or a live range as it was."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.list_sources import with_lists
from streams.cli.replay_inputs import opened, sources_of, wanted_of
from streams.cli.replay_to_topic import KEEP, SHIFT, Wish, republished, speed_of
from streams.codec.outputs import Wire
from streams.config import Config, event_sources, registry_of
from streams.config.rules import with_their_overrides, written_rules
from streams.errors import ConfigError, TocsinError
from streams.model import Alert
from streams.replay.compare import differences, ends_of
from streams.replay.journal import replay_range
from streams.replay.report import console_for_tables, journal_lines, json_lines, last_versions, print_table
from streams.replay.runner import PartitionLog, Replayed, replay
from streams.rules.rule import RuleSet


@click.command("replay")
@click.option(
    "--source",
    "given",
    multiple=True,
    metavar="NAME=FILE|NAME=topic:TOPIC[@FROM..TO]",
    help="What to replay; may be repeated. FROM and TO: offsets, RFC 3339 times, earliest, latest.",
)
@click.option(
    "--mapping",
    "mappings",
    multiple=True,
    metavar="[NAME=]cloudtrail|FILE",
    help="How foreign payloads become events; for one source, or for all.",
)
@click.option("--rules", "paths", multiple=True, type=click.Path(path_type=Path), help="Rule files and folders.")
@click.option("--list", "lists", multiple=True, metavar="NAME=FILE", help="What stands in a list that rules name.")
@click.option("--json", "as_json", is_flag=True, help="One alert a line.")
@click.option("--journal", is_flag=True, help="Replay the live range of the journal instead, as it was.")
@click.option("--compare", is_flag=True, help="With --journal: against the live topics; exit 1 if they differ.")
@click.option("--to-topic", "target", metavar="TOPIC", help="Write the records onto it instead.")
@click.option("--speed", metavar="N|max", callback=speed_of, help="With --to-topic: N times as fast as it was. [1]")
@click.option("--times", type=click.Choice([KEEP, SHIFT]), help="With --to-topic: event times as they are, or moved so "
              "that the last is now. [keep]")  # fmt: skip
@click.option("--by-key", is_flag=True, help="With --to-topic: place records by their keys, not where they stood.")
@click.option("--yes", "really", is_flag=True, help="With --to-topic: though workers read that topic.")
@click.option("--config", "config_file", type=click.Path(dir_okay=False, path_type=Path), help="As before the command.")
@click.pass_context
def command(
    ctx: click.Context, given: tuple[str, ...], mappings: tuple[str, ...], paths: tuple[Path, ...],
    lists: tuple[str, ...], as_json: bool, journal: bool, compare: bool, target: str | None, speed: float | None,
    times: str | None, by_key: bool, really: bool, config_file: Path | None,
) -> int:  # fmt: skip
    """Run recorded events through rules, by the code of a live worker; the same log gives the same alerts.

    \b
    Examples:
      tocsin replay --source audit=events.jsonl --rules streams/packs/audit
      tocsin replay --source audit=trail.jsonl.gz --mapping cloudtrail --rules my-rule.yaml --json
      tocsin replay --source audit=topic:audit.events@2024-01-01T00:00:00Z..latest
      tocsin replay --journal --compare
      tocsin replay --source audit=topic:audit.events@100..5000 --to-topic staging.audit --speed 10 --times shift
    """
    config = _config(ctx, config_file)
    if target is not None:
        if journal or compare or paths or lists or as_json:
            raise click.UsageError("--to-topic writes records: it takes no --rules, --list, --json or --journal")
        if not given:
            raise click.UsageError("name what to write again: --source NAME=FILE, or NAME=topic:TOPIC@FROM..TO")
        wish = Wish(target, 1.0 if speed is None else speed, times or KEEP, by_key, really)
        return republished(given, mappings, wish, config)
    if speed is not None or times or by_key or really:
        raise click.UsageError("--speed, --times, --by-key and --yes belong to --to-topic")
    if journal:
        if given or mappings or paths or lists:
            raise click.UsageError("--journal replays what was: it takes no --source, --mapping, --rules or --list")
        return _journal(config, as_json, compare)
    if compare:
        raise click.UsageError("--compare belongs to --journal")
    if not given:
        raise click.UsageError("name what to replay: --source NAME=FILE, or --journal")
    ruleset = with_lists(with_their_overrides(config, written_rules(config, paths)), lists)
    wanted = wanted_of(given)
    sources = sources_of(wanted, mappings, ruleset, config)
    with opened(wanted, sources, config) as (logs, size):
        result = _run(logs, size, ruleset, config)
    _counts(result)
    if not result.read:
        raise ConfigError("there are no events in what was given", "see the counts above: nothing was read")
    _show(result.alerts, ruleset, as_json)
    if result.total("dead") == result.read:
        raise TocsinError(
            f"all {result.read} records were refused; the first: {result.refused[0].error}",
            "if these are no events of Tocsin's own form, choose a --mapping",
        )
    return 0


def _config(ctx: click.Context, file: Path | None) -> Config:
    if file is None:
        return get_config(ctx)
    from streams.cli.context import Invocation

    return Invocation(config=file).load()


def _run(logs: list[PartitionLog], size: int | None, ruleset: RuleSet, config: Config) -> Replayed:
    console = Console(stderr=True)
    if not console.is_terminal:
        return replay(logs, ruleset, config.policy)
    columns = (TextColumn("{task.completed:,.0f} events"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=size)
        return replay(logs, ruleset, config.policy, progress=lambda n: progress.update(task, completed=n))


def _counts(result: Replayed) -> None:
    parts = [
        f"{result.read:,} read", f"{result.total('dead'):,} invalid", f"{result.total('late'):,} late",
        f"{result.total('duplicates'):,} duplicates", f"{result.findings:,} findings", f"{len(result.alerts):,} alerts",
    ]  # fmt: skip
    if shadow := result.total("shadow"):
        parts.append(f"{shadow:,} findings of shadow rules")
    click.echo(", ".join(parts), err=True)
    for letter in result.refused[:3]:
        click.echo(f"  {letter.origin}: {letter.reason}: {letter.error}", err=True)


def _show(alerts: Sequence[Alert], ruleset: RuleSet, as_json: bool) -> None:
    if as_json:
        for line in json_lines(alerts, ruleset):
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    elif alerts:
        print_table(alerts, console_for_tables())
    else:
        click.echo("no alerts")


def _journal(config: Config, as_json: bool, compare: bool) -> int:
    """The live range; 1 where it cannot be replayed as it was, or differs from what the live topics hold."""
    options, names = kafka_options(config), names_of(config)
    admin(config)
    console = Console(stderr=True)
    ends = ends_of(options, names) if compare else None  # first: workers may be running
    with console.status("reading the journal") if console.is_terminal else nullcontext() as status:

        def tell(part: str, records: int) -> None:
            if status is not None:
                status.update(f"{part} ({records:,} records so far)")

        replayed = replay_range(options, names, event_sources(config), max_keys=config.detect.max_keys, progress=tell)
        if compare:
            replayed.differences = differences(replayed.outputs, options, names, ends, Wire(registry_of(config)))
    click.echo(
        f"{replayed.partitions} partitions, {replayed.steps:,} steps, {replayed.ticks:,} ticks, {replayed.records:,} "
        f"records: {len(replayed.findings):,} findings, {len(replayed.alerts):,} alert versions, "
        f"{len(replayed.notifications):,} notifications", err=True,
    )  # fmt: skip
    if not replayed.partitions and not replayed.problems:
        raise ConfigError("the journal holds nothing", "has a worker run here? check app and topic_prefix")
    alerts = last_versions(replayed)
    if as_json:
        for line in journal_lines(replayed, alerts):
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    elif alerts:
        print_table(alerts, console_for_tables())
    for text in (*replayed.problems, *replayed.differences):
        click.echo(f"  {text}", err=True)
    if compare and not replayed.differences:
        click.echo("the live topics hold exactly this", err=True)
    return 1 if replayed.problems or replayed.differences else 0
