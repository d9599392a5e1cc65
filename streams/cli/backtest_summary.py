"""A backtest's report on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.replay.report import value_text

_ROWS = 15


def print_summary(made: Mapping[str, Any], costs: Sequence[Mapping[str, Any]], speed: str, console: Console) -> None:
    """What a person looks at first; the rest is in the report."""
    counts = ", ".join(f"{n:,} {name}" for name, n in made["counts"].items())
    click.echo(f"{made['first_record']} to {made['last_record']}: {counts}")
    click.echo(f"{len(made['rules'])} rules, rule set {made['ruleset']}; {speed}")
    labels = made["labels"]
    if made["by_rule"] or labels:
        _by_rule(made, costs, console)
    if labels:
        whole = labels["all"]
        said = ", ".join(f"{name} {_share(whole[name])}" for name in ("precision", "recall", "f1"))
        click.echo(f"{said}; {labels['matching']} labels, {whole['found']} of {whole['attacks']} attacks found")
        judged = f"of {whole['alerts']} alerts {whole['true']} are true, {whole['false']} false"
        click.echo(
            f"{judged}, {whole['by_catch']} about what labels say of other rules, {whole['unlabelled']} unlabelled"
        )
    if made["baseline"]:
        _baseline(made["baseline"], console)
    for letter in made["refused"][:3]:
        click.echo(f"  invalid: {letter['origin']}: {letter['reason']}: {letter['error']}", err=True)


def _by_rule(made: Mapping[str, Any], costs: Sequence[Mapping[str, Any]], console: Console) -> None:
    spent = {one["rule"]: f"{one['mean_us']}" for one in costs}
    fared = made["labels"]["rules"] if made["labels"] else {}
    names = sorted({*made["by_rule"], *fared}, key=lambda name: (-_alerts(made, name), name))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("rule", "alerts", "severity", *(("precision", "recall", "F1") if made["labels"] else ()), "µs a step"):
        table.add_column(head, overflow="fold")
    for name in names[:_ROWS]:
        severity = made["by_rule"].get(name, {}).get("severity", {})
        cells = [name, str(_alerts(made, name)), " ".join(f"{word} {n}" for word, n in severity.items())]
        if made["labels"]:
            cells += [_share(fared.get(name, {}).get(figure)) for figure in ("precision", "recall", "f1")]
        table.add_row(*map(escape, [*cells, spent.get(name, "")]))
    console.print(table)
    if len(names) > _ROWS:
        click.echo(f"and {len(names) - _ROWS} more rules")


def _alerts(made: Mapping[str, Any], rule: str) -> int:
    return int(made["by_rule"].get(rule, {}).get("alerts", 0))


def _baseline(baseline: Mapping[str, Any], console: Console) -> None:
    said = ", ".join(f"{len(baseline[name])} {name}" for name in ("new", "gone", "changed"))
    click.echo(f"against rule set {baseline['ruleset']}: {said}, {baseline['same']} the same")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, sign in (("new", "+"), ("gone", "-"), ("changed", "~")):
        for one in baseline[name][:_ROWS]:
            key = " ".join(f"{part}={value_text(value)}" for part, value in one["key"].items())
            changes = [f"{what} {pair['before']} → {pair['after']}" for what, pair in one.get("changes", {}).items()
                       if what in ("severity", "event_time", "findings", "observed")]  # fmt: skip
            what = "; ".join(changes) if changes else one["title"]
            table.add_row(
                *map(escape, (sign, one["event_time"], one["severity"], one["rule"], one["tenant"], key, what))
            )
        if len(baseline[name]) > _ROWS:
            table.add_row(sign, f"and {len(baseline[name]) - _ROWS} more {name}")
    console.print(table)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
