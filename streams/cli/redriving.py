"""What ``tocsin deliveries`` and ``tocsin dlq`` share: which records are meant, and saying what would be done."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import click
from rich import box
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import plain
from streams.cli.alert_display import console
from streams.cli.context import admin, kafka_options, names_of, now_ms
from streams.cli.printing import line
from streams.cli.topic_schemas import wire_of
from streams.codec.outputs import Wire
from streams.config import Config
from streams.errors import ConfigError
from streams.replay.moments import parse_moment
from streams.rules.durations import parse_duration
from streams.runtime.names import Names
from streams.runtime.scan import Scan, Stretch, parse_stretch

_SAMPLE = 10
One = TypeVar("One")


class Cluster(NamedTuple):
    """Kafka, as commands use it."""

    options: dict[str, Any]
    names: Names
    wire: Wire
    scan: Scan


class Period(NamedTuple):
    """From ``since`` on, before ``until``."""

    since: int
    until: int | None
    stretch: Stretch | None


def cluster(config: Config) -> Cluster:
    """With one clear message where Kafka cannot be reached."""
    admin(config)
    options, names = kafka_options(config), names_of(config)
    return Cluster(options, names, wire_of(config), Scan(options, names))


def period(topic: str) -> Callable[[Any], Any]:
    """Options ``--since``, ``--until`` and ``--offsets``."""

    def add(function: Any) -> Any:
        for option in reversed(
            (
                click.option("--since", metavar="TIME", help="From then on: 2h (ago), or 2024-01-01T08:00:00Z; 24h."),
                click.option("--until", metavar="TIME", help="Before then."),
                click.option("--offsets", metavar="P/FIRST-LAST", help=f"Of `{topic}`: 3/100-250; then of any time."),
            )
        ):
            function = option(function)
        return function

    return add


def doing(who: str = "Who asks") -> Callable[[Any], Any]:
    """Options ``--yes`` and ``--by`` of a command that only says what it would do."""

    def add(function: Any) -> Any:
        by = click.option("--by", help=f"{who}; by default $USER.")
        yes = click.option("--yes", is_flag=True, help="Do it; without this it is only said what would be done.")
        return yes(by(function))

    return add


def read_period(since: str | None, until: str | None, offsets: str | None, *, always: bool = False) -> Period:
    """``always``: without ``--since`` everything that is retained. Raises ConfigError."""
    now = now_ms()
    try:
        stretch = parse_stretch(offsets) if offsets else None
    except ValueError as error:
        raise ConfigError(f"--offsets {error}") from None
    begin = 0 if always or stretch is not None else now - 86_400_000
    found = Period(_moment(since, now) if since else begin, _moment(until, now) if until else None, stretch)
    if found.until is not None and found.until <= found.since:
        raise ConfigError("--until lies before --since", "without --since it is the last 24 hours")
    return found


def _moment(text: str, now: int) -> int:
    if re.fullmatch(r"\d+(\.\d+)?(ms|s|m|h|d)", text, re.ASCII):
        try:
            return now - parse_duration(text)
        except ValueError as error:
            raise ConfigError(f"{text!r}: {error}") from None
    return parse_moment(text)


def new_mark() -> str:
    """The name of one re-drive."""
    return uuid.uuid4().hex


def listing(
    found: Sequence[One], heads: Sequence[str], row: Callable[[One], Sequence[object]],
    document: Callable[[One], Any], limit: int, *, as_json: bool, nothing: str,
) -> None:  # fmt: skip
    """The newest so many: a line each for programs, a table for people."""
    if as_json:
        for one in found[-limit:]:
            line(document(one))
    elif found:
        table(heads, [row(one) for one in found], limit)
    else:
        click.echo(nothing, err=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], limit: int) -> None:
    """The newest so many rows, nothing of them trusted."""
    shown = Table(*heads, box=box.SIMPLE_HEAD)
    for row in rows[-limit:]:
        shown.add_row(*(Text(plain(str(cell), 120)) for cell in row))
    console().print(shown)
    if len(rows) > limit:
        click.echo(f"the newest {limit} of {len(rows):,}; --limit shows more", err=True)


def tell_left_out(left_out: Counter[Any], hints: dict[Any, str]) -> None:
    """What is not done, by reason."""
    for why, count in sorted(left_out.items()):
        click.echo(f"left out, {why.value}: {count:,} ({hints[why]})", err=True)


def sample(rows: Sequence[Sequence[object]], heads: Sequence[str]) -> None:
    """The first few of what would be done."""
    if rows:
        shown = Table(*heads, box=box.SIMPLE_HEAD)
        for row in rows[:_SAMPLE]:
            shown.add_row(*(Text(plain(str(cell), 100)) for cell in row))
        console().print(shown)
        if len(rows) > _SAMPLE:
            click.echo(f"and {len(rows) - _SAMPLE:,} more")
