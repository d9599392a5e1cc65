"""``tocsin rules shadow`` and ``promote``: what rules on trial came to, and making one of them live."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.printing import json_option, line
from streams.config import Config, event_sources, registry_of
from streams.replay.backtest.trial import Trial, Trials, key_of, promoted
from streams.replay.moments import rfc3339
from streams.replay.report import console_for_tables
from streams.rules.durations import format_duration, parse_duration


class _Duration(click.ParamType):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _trials(config: Config) -> Trials:
    from streams.codec.outputs import Wire

    admin(config)
    return Trials(kafka_options(config), names_of(config), event_sources(config), Wire(registry_of(config)))


@click.command("shadow")
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.option("--beside", metavar="RULE", help="Put the alerts of this live rule in the same time beside them.")
@json_option
def shadow(rules: tuple[str, ...], beside: str | None, as_json: bool) -> None:
    """What the rules in the shadow found so far: which alerts it would have been.

    \b
    Examples:
      tocsin rules shadow
      tocsin rules shadow audit.new-burst --beside audit.failed-login-burst --json
    """
    trials = _trials(get_config())
    now = time.time_ns() // 1_000_000
    chosen = list(rules) or [rule.id for rule in trials.rules()]
    rows = [_row(trials, trials.of(rule), now, beside) for rule in chosen]
    if as_json:
        for row in rows:
            line(row)
    elif not rows:
        click.echo("no rule is in the shadow: give one `stage: shadow` and apply it")
    else:
        _print(rows, beside)


def _row(trials: Trials, trial: Trial, now: int, beside: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rule": trial.rule.id,
        "version": trial.rule.version,
        "since": rfc3339(trial.since.at),
        "age": format_duration(max(now - trial.since.at, 0) // 1_000 * 1_000),
        "events": trial.events,
        "findings": dict(sorted(trial.findings.items())),
        "failed": trial.failed,
        "alerts": len(trial.alerts),
        "keys": len(trial.keys),
    }
    if beside is not None:
        opened = trials.opened(beside, trial.since.at)
        live = {key_of(alert) for alert in opened}
        row["beside"] = {
            "rule": beside, "alerts": len(opened), "keys_in_both": len(live & trial.keys),
            "keys_only_live": len(live - trial.keys), "keys_only_shadow": len(trial.keys - live),
        }  # fmt: skip
    return row


def _print(rows: list[dict[str, Any]], beside: str | None) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    heads = ["rule", "since", "events", "findings", "failed", "would-be alerts", "keys"]
    heads += [f"alerts of {beside}", "keys in both", "only live", "only shadow"] if beside is not None else []
    for head in heads:
        table.add_column(escape(head), overflow="fold")
    for row in rows:
        cells = [
            row["rule"],
            f"{row['since']} ({row['age']})",
            f"{row['events']:,}",
            f"{sum(row['findings'].values()):,}",
        ]
        cells += [f"{row['failed']:,}", f"{row['alerts']:,}", f"{row['keys']:,}"]
        if beside is not None:
            cells += [f"{n:,}" for name, n in row["beside"].items() if name != "rule"]
        table.add_row(*map(escape, cells))
    console_for_tables().print(table)


@click.command("promote")
@click.argument("rule", metavar="RULE")
@click.option("--min-age", type=_Duration(), help="It must have been tried, as it is, for so long: 1d.")
@click.option("--min-events", type=click.IntRange(0), help="So many records of its sources must have been read since.")
@click.option("--max-alerts", type=click.IntRange(0), help="At most so many alerts must have come of it.")
@click.option("--dry-run", is_flag=True, help="Say what holds, and change nothing.")
@json_option
def promote(
    rule: str, min_age: int | None, min_events: int | None, max_alerts: int | None, dry_run: bool, as_json: bool
) -> int:
    """Make a rule in the shadow live, if what it did there meets the criteria. Exit status 1 where one does not hold.

    A rule that raised on an event is never promoted. All other rules, and the state of this one, stay as they are.

    \b
    Examples:
      tocsin rules promote audit.new-burst --min-age 1d --min-events 10000 --max-alerts 20
      tocsin rules promote audit.new-burst --max-alerts 5 --dry-run
    """
    from streams.runtime.control import publish, ruleset_record

    config = get_config()
    trials = _trials(config)
    trial = trials.of(rule)
    now = time.time_ns() // 1_000_000
    judged = list(_judged(trial, now - trial.since.at, min_age, min_events, max_alerts))
    holds = all(held for _, _, held in judged)
    position = None
    if holds and not dry_run:
        position = publish(kafka_options(config), names_of(config), [ruleset_record(promoted(trials.ruleset, rule))])
    if as_json:
        criteria = [{"criterion": asked, "found": found, "holds": held} for asked, found, held in judged]
        line({**_row(trials, trial, now, None), "criteria": criteria, "promoted": position is not None})
        return 0 if holds else 1
    for asked, found, held in judged:
        click.echo(f"{'holds' if held else 'FAILS'}  {asked}: {found}")
    if position is not None:
        click.echo(f"{rule} is live from control position {position}")
        if trial.rule.file:
            click.echo(f"  take `stage: shadow` out of {trial.rule.file} as well", err=True)
        else:
            click.echo("  take `stage: shadow` out of its file as well, or the next apply puts it back", err=True)
    elif not holds:
        click.echo(f"{rule} stays in the shadow", err=True)
    return 0 if holds else 1


def _judged(
    trial: Trial, age: int, min_age: int | None, min_events: int | None, max_alerts: int | None
) -> Iterator[tuple[str, str, bool]]:
    """What is asked, what is found, and whether that will do."""
    yield "raised on no event", f"{trial.failed:,} events", not trial.failed
    if min_age is not None:
        text = format_duration(max(age, 0) // 1_000 * 1_000)
        yield f"tried for at least {format_duration(min_age)}", text, age >= min_age
    if min_events is not None:
        yield f"at least {min_events:,} events read", f"{trial.events:,}", trial.events >= min_events
    if max_alerts is not None:
        yield f"at most {max_alerts:,} alerts", f"{len(trial.alerts):,}", len(trial.alerts) <= max_alerts
