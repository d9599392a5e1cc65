"""``tocsin archive``: what an archive holds, whether it is whole, and what may go."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkConfig, parse_sinks
from connectors.storage import archive_care as care
from connectors.storage.archive import ArchiveConfig, open_store
from connectors.storage.archive_ranges import Broken
from connectors.storage.archive_store import Store
from streams.cli.context import get_config
from streams.errors import ConfigError, TocsinError

_sink: Callable[[Any], Any] = click.option("--sink", metavar="NAME", help="Which archive, where there are several.")
_json: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.group("archive")
def command() -> None:
    """Archives of alerts and other topics: what is in them, are they whole, what may go.

    They are the sinks of type `archive` in the configuration; no Kafka is needed.
    """


def _open(name: str | None) -> tuple[Store, ArchiveConfig]:
    config = get_config()
    sinks: list[SinkConfig] = [sink for sink in parse_sinks(list(config.sinks)) if sink.type == "archive"]
    named = [sink for sink in sinks if name in (None, sink.name)]
    if not named:
        raise ConfigError(
            f"there is no archive called {name!r}" if name else "no archive is configured",
            f"there are: {', '.join(sink.name for sink in sinks)}"
            if sinks
            else "add `- {name: archive, type: archive}` to sinks in tocsin.yaml",
        )
    if len(named) > 1:
        raise ConfigError(
            f"there are several archives: {', '.join(sink.name for sink in named)}", "say which by --sink"
        )
    context = SinkContext(named[0].name, config.data_dir, Secrets(os.environ))
    return open_store(named[0].options, context), named[0].options


@command.command("list")
@_sink
@_json
def list_(sink: str | None, as_json: bool) -> None:
    """What is there, by topic and class of retention.

    \b
    Example:  tocsin archive list --sink cold
    """
    store, options = _open(sink)
    with _readable():
        found = list(care.holdings(store))
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(one) for one in found], indent=1))
        return
    table = Table("topic", "class", "kept", "files", "rows", "bytes", "from", "to", box=None)
    for one in found:
        days = options.retention.days.get(one.class_)
        kept = f"{days} d" if days else "for ever"
        counts = (f"{one.files:,}", f"{one.rows:,}", f"{one.bytes:,}")
        table.add_row(one.topic, one.class_, kept, *counts, one.first_day, one.last_day)
    if found:
        Console().print(table)
    else:
        click.echo("nothing is archived", err=True)


@command.command("verify")
@_sink
@click.option("--repair", is_flag=True, help="Remove files that no range names (a killed writer's).")
@_json
@click.pass_context
def verify(ctx: click.Context, sink: str | None, repair: bool, as_json: bool) -> None:
    """Read everything, and compare it with what was written; exit status 1 if anything is wrong.

    Each range of offsets must join the one before it, and each file have the hash and the rows it was written with.
    Stop the worker for --repair: a file that is just being written has no range yet.

    \b
    Example:  tocsin archive verify --sink cold
    """
    store, _ = _open(sink)
    with _readable():
        health = care.verify(store)
        removed = care.remove_orphans(store, health.orphans, lambda _: repair)
    if as_json:
        document = {
            "files": health.files, "rows": health.rows, "orphans": health.orphans, "removed": removed,
            "problems": [{"name": name, "problem": problem} for name, problem in health.problems],
        }  # fmt: skip
        click.echo(json.dumps(document, indent=1))
    else:
        for name, problem in health.problems:
            click.echo(f"{name}: {problem}")
        click.echo(f"{health.files:,} files with {health.rows:,} rows are whole, {len(health.problems)} problems")
        if health.orphans:
            told = f", {removed} removed" if repair else "; --repair removes them (stop the worker first)"
            click.echo(f"{len(health.orphans)} files belong to no range{told}")
    ctx.exit(1 if health.problems else 0)


@command.command("prune")
@_sink
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@_json
def prune(sink: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove what its class of retention need not keep any longer.

    Events that are evidence of an alert stay as long as the alert does.

    \b
    Examples:
      tocsin archive prune --dry-run
      tocsin archive prune --sink cold
    """
    store, options = _open(sink)
    with _readable():
        done = care.prune(store, options.retention, time.time_ns() // 1_000_000, dry_run=dry_run)
    if as_json:
        document = {"files": done.files, "bytes": done.bytes, "evidence": done.evidence, "rows": dict(done.by_class)}
        click.echo(json.dumps(document | {"dry_run": dry_run}, indent=1))
        return
    would = "would go" if dry_run else "are gone"
    click.echo(f"{done.files:,} files ({done.bytes:,} bytes) {would}; {done.evidence:,} events stay as evidence")
    for class_, rows in sorted(done.by_class.items()):
        click.echo(f"  {class_}: {rows:,} rows")


class _readable:  # noqa: N801 - a context, used as a word
    """What an archive cannot be read for, as an error with its hint."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Broken):
            raise TocsinError(f"the archive is damaged: {error}", "`tocsin archive verify` tells all of it") from None
        if isinstance(error, OSError):
            raise TocsinError(f"cannot use the archive: {error}") from None
