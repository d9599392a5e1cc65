"""A sweep on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.replay.report import value_text

_NAMED = 3  #: attacks and alerts of a step that are named


def print_sweep(made: Mapping[str, Any], speed: str, console: Console) -> None:
    """The curve, the suggestion and its evidence; the rest is in the report."""
    counts = ", ".join(f"{n:,} {name}" for name, n in made["counts"].items())
    click.echo(f"{made['first_record']} to {made['last_record']}: {counts}")
    click.echo(f"{made['rule']['id']} ({made['rule']['kind']}), now {_values(made['now'])}; {speed}")
    _curve(made, console)
    chosen = made["suggestion"]
    if chosen is None:
        return click.echo(f"no suggestion: {made['why_none']}")
    names = ", ".join(made["params"])
    click.echo(f"suggested: {names} = {_values(chosen['values'])}" + (", as now" if chosen["is_current"] else ""))
    plateau = chosen["plateau"]
    around = f"from {_values(plateau[0])} to {_values(plateau[-1])}" if len(plateau) > 1 else "it alone"
    click.echo(f"  plateau: {around}, {len(plateau)} settings with an F1 within {chosen['tolerance']} of the best")
    if chosen["reaches_the_end"]:
        click.echo("  the plateau reaches the end of what was tried: how far it goes is not known")
    if chosen["from_now"] is not None:
        click.echo(f"  from now on: {told(chosen['from_now'])}")
    for step in chosen["nearest"]:
        click.echo(f"  on to {_values(step['to'])}: {told(step)}")
    return None


def told(step: Mapping[str, Any]) -> str:
    """A step in one line."""
    parts = [f"{step['alerts']:+d} alerts"]
    for name, what in (
        ("attacks_lost", "loses {} attacks"), ("attacks_gained", "finds {} attacks more"),
        ("false_alerts_saved", "saves {} false alerts"), ("false_alerts_added", "adds {} false alerts"),
    ):  # fmt: skip
        if step[name]:
            parts.append(f"{what.format(len(step[name]))} ({_some(step[name])})")
    return "; ".join(parts)


def _some(rows: Sequence[Mapping[str, Any]]) -> str:
    named = [
        " ".join([row["tenant"], *(f"{name}={value_text(value)}" for name, value in row["key"].items())])
        for row in rows[:_NAMED]
    ]
    return ", ".join(named) + (f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else "")


def _curve(made: Mapping[str, Any], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    labelled = made["labels"] is not None
    counts = ["alerts", "notifications"] if any(one["notifications"] for one in made["points"]) else ["alerts"]
    for head in (
        *made["params"], *(head for name in counts for head in (name, "saved")),
        *(("true", "false", "missed", "precision", "recall", "F1") if labelled else ()), "",
    ):  # fmt: skip
        table.add_column(head, justify="right" if head else "left", overflow="fold")
    chosen = made["suggestion"]
    for point in made["points"]:
        cells = [_value(value) for value in point["values"]]
        cells += [str(point[name]) for count in counts for name in (count, f"{count}_saved")]
        if labelled:
            figures = point["labels"]
            cells += [str(figures["true"]), str(figures["false"]), str(point["missed"])]
            cells += [_share(figures[name]) for name in ("precision", "recall", "f1")]
        marks = ["now"] * point["is_current"]
        if chosen is not None and point["values"] in chosen["plateau"]:
            marks.append("suggested" if point["values"] == chosen["values"] else "plateau")
        table.add_row(*map(escape, [*cells, ", ".join(marks)]))
    console.print(table)


def _value(value: Any) -> str:
    return "not set" if value is None else str(value)


def _values(values: Sequence[Any]) -> str:
    return ", ".join(map(_value, values))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
