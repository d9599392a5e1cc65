"""``tocsin lists``: indicator lists that rules refer to by name (``in_list: bad-ips``)."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from streams.cli.context import control, get_config, kafka_options, names_of
from streams.cli.list_sources import checked_name, list_of_file, list_of_redis
from streams.cli.printing import json_option, line
from streams.config.references import resolved
from streams.errors import ConfigError, TocsinError
from streams.replay.report import console_for_tables
from streams.rules.durations import parse_duration
from streams.rules.indicators import NamedList
from streams.rules.lists import used
from streams.runtime.control import ControlReader, list_records, list_removal, publish


@click.group("lists")
def command() -> None:
    """Indicator lists: addresses, networks, domains and other texts that rules look values up in.

    A rule says `source_ip: {in_list: bad-ips}`; what stands in bad-ips is applied here, to all workers at once and
    without a restart. An entry such as 10.0.0.0/8 holds every address in it, .evil.example the domain and all below it.

    \b
    Examples:
      tocsin lists apply bad-ips bad-ips.txt
      tocsin lists apply bad-domains feed.csv --column domain
      tocsin lists sync bad-ips --redis redis://localhost:6379/0 --key indicators:ips --every 1m
      tocsin lists show
    """


def warn_of_missing(position: int) -> None:
    """Say on stderr which lists the rules in force from ``position`` use that nobody has applied."""
    with control() as reader:
        ruleset = reader.wait_for(lambda state: state.position >= position).ruleset
    for name, rules in used(ruleset).items():
        if name not in ruleset.lists:
            click.echo(
                f"warning: the list {name} is not applied and matches nothing; it is used by {', '.join(rules)}"
                f" (tocsin lists apply {name} FILE)",
                err=True,
            )


@command.command("apply")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--column", help="Of a CSV file: the column's name in the first row, or its number from 1.")
@json_option
def apply(name: str, file: Path, column: str | None, as_json: bool) -> None:
    """Bring exactly what stands in FILE into force as the list NAME.

    FILE holds a text a line (# begins a comment line), a JSON array (*.json), or CSV (*.csv, --column). What cannot
    stand in a list is told with its line, and nothing is applied.

    \b
    Examples:
      tocsin lists apply bad-ips bad-ips.txt
      tocsin lists apply bad-domains feed.csv --column domain --json
    """
    content = list_of_file(name, file, column)
    with control() as reader:
        _tell(_apply(reader, content), as_json)


def _apply(reader: ControlReader, content: NamedList) -> dict[str, Any]:
    """Write the list unless it is in force already; what to say of it."""
    before = reader.lists.get(content.name)
    changed = before is None or before.version != content.version
    position = reader.current.position
    if changed:
        config = get_config()
        position = publish(kafka_options(config), names_of(config), list_records(content))
        reader.wait_for(lambda state: state.position >= position)
    return {
        "list": content.name,
        "version": content.version,
        "entries": len(content.entries),
        "changed": changed,
        "position": position,
        "rules": list(used(reader.current.ruleset).get(content.name, ())),
    }


def _tell(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        line(done)
        return
    what = f"list {done['list']}@{done['version']} with {done['entries']} entries"
    when = f"in force from control position {done['position']}" if done["changed"] else "is in force already"
    rules = f"{len(done['rules'])} rules use it" if done["rules"] else "no rule in force uses it"
    click.echo(f"{what}, {when}; {rules}")


@command.command("show")
@click.argument("name", required=False)
@json_option
def show(name: str | None, as_json: bool) -> int:
    """The lists in force, with the rules that use them; with NAME, the entries of one, a line each.

    \b
    Examples:
      tocsin lists show
      tocsin lists show bad-ips > bad-ips.txt
    """
    with control() as reader:
        lists, rules = dict(reader.lists), used(reader.current.ruleset)
    if name is not None:
        if name not in lists:
            raise ConfigError(f"no list {name!r:.100} is in force", "`tocsin lists show` names those that are")
        content = lists[name]
        if as_json:
            line({"list": name, "version": content.version, "entries": list(content.entries)})
        else:
            click.echo("\n".join(content.entries))
        return 0
    rows: list[dict[str, Any]] = [
        {
            "list": each,
            "version": lists[each].version if each in lists else None,
            "entries": len(lists[each].entries) if each in lists else None,
            "rules": list(rules.get(each, ())),
        }
        for each in sorted({*lists, *rules})
    ]
    if as_json:
        for row in rows:
            line(row)
        return 0
    if not rows:
        click.echo("no list is in force, and no rule uses one")
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("list", "version", "entries", "rules"):
        table.add_column(column, overflow="fold", justify="right" if column == "entries" else "left")
    for row in rows:
        version, entries = row["version"] or "not applied", row["entries"]
        cells = (row["list"], version, "" if entries is None else str(entries), ", ".join(row["rules"]) or "none")
        table.add_row(*(escape(cell) for cell in cells))
    console_for_tables().print(table)
    return 0


@command.command("remove")
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """There is no list NAME any more: rules that use it match nothing by it.

    \b
    Example:  tocsin lists remove bad-ips
    """
    checked_name(name)
    with control() as reader:
        if name not in reader.lists:
            raise ConfigError(f"no list {name!r:.100} is in force", "`tocsin lists show` names those that are")
        config = get_config()
        position = publish(kafka_options(config), names_of(config), [list_removal(name)])
        reader.wait_for(lambda state: state.position >= position)
        rules = used(reader.current.ruleset).get(name, ())
    if as_json:
        line({"list": name, "removed": True, "position": position, "rules": list(rules)})
        return
    still = f"; {len(rules)} rules still use it, and match nothing by it: {', '.join(rules)}" if rules else ""
    click.echo(f"list {name} is removed from control position {position}{still}")


@command.command("sync")
@click.argument("name")
@click.option("--redis", "url", required=True, metavar="URL", help="redis://host:6379/0, or env:NAME, file:PATH.")
@click.option("--key", required=True, help="The set in Redis.")
@click.option("--every", metavar="DURATION", help="Look again and again, such as 1m; without it, once.")
@click.option("--allow-empty", is_flag=True, help="A set that is empty or gone empties the list.")
@json_option
def sync(name: str, url: str, key: str, every: str | None, allow_empty: bool, as_json: bool) -> int:
    """Keep the list NAME as a Redis set is: read with SSCAN, applied as a whole where it differs.

    Workers never ask Redis: they and a replay see the versions that were applied. With --every, a set that cannot be
    read leaves the list as it is and is told on stderr; SIGTERM and Ctrl-C end it.

    \b
    Examples:
      tocsin lists sync bad-ips --redis redis://localhost:6379/0 --key indicators:ips
      tocsin lists sync bad-ips --redis env:REDIS_URL --key indicators:ips --every 1m
    """
    checked_name(name)
    try:
        pause = None if every is None else parse_duration(every) / 1000
    except ValueError as error:
        raise click.UsageError(f"--every: {error}") from None
    if pause is not None and pause < 1:
        raise click.UsageError("--every: at least 1s")
    address = resolved("--redis", url)
    with control() as reader:
        if pause is None:
            _tell(_apply(reader, list_of_redis(name, address, key, allow_empty=allow_empty)), as_json)
            return 0
        stop = _stopped_by_signals()
        while not stop.is_set():
            try:
                reader.in_force()  # raises where nobody follows the topic any more
                done = _apply(reader, list_of_redis(name, address, key, allow_empty=allow_empty))
                if done["changed"]:
                    _tell(done, as_json)
            except ConfigError:
                raise
            except TocsinError as error:
                if reader.failed is not None:
                    raise
                click.echo(f"error: {error.message}", err=True)
            stop.wait(pause)
    return 0


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
