"""``tocsin night``: play a night of alerts against a policy, on a simulated clock."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.errors import ConfigError
from streams.replay.moments import parse_moment
from streams.route.presets import NAMES
from streams.rules.durations import parse_duration
from streams.simulate.night import Kind, Line, Tale, play
from streams.simulate.night.play import default_policy
from streams.simulate.night.tale import moment

_STYLE = {
    Kind.TOLD: "", Kind.HIDDEN: "dim", Kind.QUIET: "dim", Kind.PEOPLE: "green", Kind.ITSELF: "cyan",
    Kind.REMARK: "bold", Kind.ON_CALL: "bold",
}  # fmt: skip
_MOST = 24  #: hours


def _hours(ctx: click.Context, parameter: click.Parameter, value: str) -> int:
    try:
        length = parse_duration(value if not value.isdigit() else f"{value}h")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not 3_600_000 <= length <= _MOST * 3_600_000:
        raise click.BadParameter(f"takes 1 to {_MOST} hours")
    return length


@click.command("night")
@click.option("--policy", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A policy, or a configuration with the section `policy`.")  # fmt: skip
@click.option("--preset", type=click.Choice(NAMES), help="A shipped policy instead.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same night.")
@click.option("--hours", default="12", show_default=True, callback=_hours, help="How long it is.")
@click.option("--start", default="2024-01-08T20:00:00Z", show_default=True, help="When it begins, RFC 3339.")
@click.option("--json", "as_json", is_flag=True, help="The whole timeline and the sums as one JSON document.")
def command(file: Path | None, preset: str | None, seed: int, hours: int, start: str, as_json: bool) -> None:
    """Play a night of alerts: who is told what, by which receiver and why; what is hidden, and why.

    Findings of a whole night (ordinary trouble, a storm, a maintenance window at 02:00, a silence, an alert that
    comes again after somebody took it in hand, one that nobody answers, one that flaps, an incident, a failed
    delivery) go through the real alert stage on a simulated clock; operators answer late or not at all. Nothing is
    sent. Without --policy and --preset it plays against a policy made for it. Times are UTC.

    \b
    Examples:
      tocsin night
      tocsin night --preset operations --seed 7
      tocsin night --policy tocsin.yaml --hours 8 --json
    """
    if file is not None and preset is not None:
        raise click.UsageError("give --policy or --preset, not both")
    document = _document(file) if file is not None else {"preset": preset} if preset else default_policy()
    tale = play(document, seed, parse_moment(start), hours)
    if as_json:
        click.echo(json.dumps(tale.as_json(), indent=1, ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 100)
    for text in timeline(tale):
        console.print(text)
    console.print()
    _sums(console, tale)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None
    if isinstance(document, dict) and isinstance(document.get("policy"), dict):
        document = document["policy"]
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: holds no policy", "a mapping with receivers, route, … is expected")
    return document


def timeline(tale: Tale) -> list[Text]:
    """A line for each thing that happened; what happened many times in a row within a minute is one line."""
    return [_one(list(lines)) for _, lines in groupby(tale.together(), _alike)]


def _alike(line: Line) -> tuple[object, ...]:
    return line.at // 60_000, *line.says()


def _one(lines: list[Line]) -> Text:
    line = lines[-1]
    many = f"{len(lines)} × " if len(lines) > 1 else ""
    match line.kind:
        case Kind.TOLD:
            to = f"{line.who} ({line.to})" if line.to else line.who
            head = f"{'☎' if line.loud else '→'} {to}: {many}{_titled(line)}"
        case Kind.HIDDEN:
            head = f"  hidden: {many}{_titled(line)}"
        case Kind.QUIET:
            head = f"  nobody is told: {many}{_titled(line)}"
        case Kind.PEOPLE:
            head = f"  {line.who} {many}{line.what}"
        case _:
            head = f"  {many}{line.what}"
    text = Text(f"{moment(line.at):%H:%M} {head}", style=_STYLE[line.kind])
    return text.append(f": {line.why}" if line.kind is Kind.PEOPLE else f" ({line.why})", "dim") if line.why else text


def _titled(line: Line) -> str:
    return f"{line.severity}, {line.what}"


def _sums(console: Console, tale: Tale) -> None:
    told = sum(1 for line in tale.lines if line.kind is Kind.TOLD)
    console.print(
        f"{tale.findings} findings, {tale.opened} alerts, {told} messages; hidden "
        + (", ".join(f"{count} by {what}" for what, count in sorted(tale.hidden().items())) or "none")
        + f"; {tale.quiet()} came again and told nobody; {len(tale.still_open)} still open"
    )
    receivers = Table("receiver", "messages", "of them", box=box.SIMPLE_HEAD)
    for name, counts in tale.receivers().items():
        receivers.add_row(name, str(counts.total()), ", ".join(f"{why} {n}" for why, n in counts.most_common()))
    people = Table("person", "rung", "at night", box=box.SIMPLE_HEAD)
    for name, person in tale.people().items():
        people.add_row(name, str(person["rung"]), str(person["at_night"]))
    console.print(receivers)
    console.print(people)
