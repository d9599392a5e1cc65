"""``tocsin routes backtest``: who would have been told what under another policy, against today's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from streams.cli.context import get_config
from streams.cli.printing import line
from streams.cli.telling_inputs import Past, Variant, baseline, candidate, past_options, played
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.replay.telling.heard import Heard


@click.command("backtest")
@click.option("--policy", "path", required=True, type=click.Path(path_type=Path),
              help="The candidate: a policy, or a configuration with one.")  # fmt: skip
@click.option("--baseline", "against", metavar="PATH|current", help="Compare with this policy, or with what is in "
              "force now. Without it: with what was in force at the time.")  # fmt: skip
@past_options
@click.option("--night", default="22:00-07:00", show_default=True, metavar="FROM-TO", help="When people sleep.")
@click.option("--timezone", default="UTC", show_default=True, help="Of those of whom no rotation says it.")
@click.option("--check", is_flag=True, help="Exit status 1 where nobody would be told of an alert that today somebody "
              "is told of.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="The comparison as one HTML file too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    path: Path, against: str | None, past: Past, night: str, timezone: str, check: bool, html: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Play past alerts through a candidate policy: who is told what, when and how often, against today's.

    What ALERT read (findings and what people did) is read again from the log, with the clock of its journal, and goes
    through the worker's own code under both policies. Nobody is told, nothing is written. What people did is taken as
    it was, though under the candidate they might have heard of it sooner, or not at all.

    \b
    Examples:
      tocsin routes backtest --policy candidate.yaml --from "last 7d"
      tocsin routes backtest --policy candidate.yaml --baseline current --check
      tocsin routes backtest --policy candidate.yaml --alerts alerts.jsonl.gz --timezone Europe/Berlin --json
      tocsin routes backtest --policy candidate.yaml --source audit=events.jsonl.zst --rules streams/packs/audit
    """
    from streams.replay.report import console_for_tables
    from streams.replay.telling.document import Named, compared, lost
    from streams.replay.telling.nights import Night

    sleep = Night(*_hours(night), _zone(timezone))
    proposed = Variant(str(path), candidate(path))
    done = played(past, baseline(against), lambda _begin, _end: [proposed])
    today, other = (Named(name, heard) for name, heard in zip(done.names, done.heard, strict=True))
    made = compared(today, other, done.span, sleep, done.again)
    made["notes"] += unbound(other.heard)
    if html is not None:
        _write(html, made)
    if as_json:
        line(made)
    else:
        from streams.cli.routes_backtest_text import print_compared

        print_compared(made, console_for_tables())
    missing = lost(made) if check else []
    if missing:
        click.echo(f"nobody would be told of {len(missing)} alerts that somebody is told of today", err=True)
    return 1 if missing else 0


def _write(path: Path, made: Mapping[str, Any]) -> None:
    from streams.replay.telling.page import page

    try:
        path.write_text(page(made), "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None


def _hours(text: str) -> tuple[int, int]:
    """Minutes of the day."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if found is None:
        raise click.UsageError(f"--night {text!r:.40}: write hours such as 22:00-07:00")
    begins, ends = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if begins == ends:
        raise click.UsageError(f"--night {text!r:.40} is no time at all")
    return begins, ends


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (LookupError, ValueError, OSError):
        raise ConfigError(f"--timezone: there is no time zone {name!r:.60}", "write it as Europe/Berlin") from None


def unbound(heard: Heard) -> list[str]:
    """Receivers that were told of something, though the configuration has no sink of that name."""
    from connectors.registry import parse_sinks

    sinks = {one.name for one in parse_sinks(list(get_config().sinks))}
    missing = sorted({one.receiver for one in heard.told} - sinks) if sinks else []
    return [f"no sink of the configuration is called {name}: nothing would reach it" for name in missing]
