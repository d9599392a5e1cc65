"""A comparison of two policies on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import plain
from connectors.times import duration

_ROWS = 15
_SIGNS = {"new": "+", "gone": "-", "later": ">", "earlier": "<", "reassigned": "~"}


def print_compared(made: Mapping[str, Any], console: Console) -> None:
    """What a person looks at first; all of it is in --json."""
    today, candidate = made["today"], made["candidate"]
    click.echo(f"{made['from']} to {made['to']}: {today['alerts']:,} alerts, {today['findings']:,} findings, "
               f"{today['commands']:,} commands")  # fmt: skip
    click.echo(f"today's ({plain(today['policy'], 80)}): {_sums(today)}")
    click.echo(f"candidate ({plain(candidate['policy'], 80)}): {_sums(candidate)}")
    print_reproduced(made["reproduced"])
    _receivers(made["receivers"], console)
    _people(made["people"], made["night"], console)
    _first_told(made["first_told"], console)
    counts = ", ".join(f"{len(made[name])} {name}" for name in _SIGNS)
    click.echo(f"\nwho hears of which alert: {counts}, {made['same']} the same")
    print_hearings({name: made[name] for name in _SIGNS}, console)
    _untold(made["untold"], console)
    print_notes(made["notes"])


def print_reproduced(again: Mapping[str, Any] | None) -> None:
    """Whether playing the past under its own policy told what was told then."""
    if again is None:
        return
    text = f"of {again['on_topic']} notifications on the topic {again['again']} were told again by id"
    odd = [f"{len(again[name])} {what}" for name, what in (("missing", "were not"), ("extra", "are on no topic"))
           if again[name]]  # fmt: skip
    click.echo(f"{text}{'; ' if odd else ''}{'; '.join(odd)}")


def print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(f"note: {plain(note, 300)}", err=True)


def _sums(one: Mapping[str, Any]) -> str:
    hidden = ", ".join(f"{n} by {stage}" for stage, n in one["hidden"].items())
    return f"{one['notifications']:,} messages; alerts hidden for a time: {hidden or 'none'}"


def table(*heads: str) -> Table:
    """A plain table; columns of figures stand on the right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        made.add_column(head, overflow="fold", justify="right" if head in _FIGURES else "left")
    return made


_FIGURES = frozenset({"today", "candidate", "alerts", "at night", "rang", "by"})


def _receivers(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    shown = table("receiver", "today", "candidate", "alerts", "why, under the candidate")
    for row in rows:
        today, candidate = row["today"], row["candidate"]
        reasons = ", ".join(f"{reason} {n}" for reason, n in candidate["reasons"].items())
        messages = _changed(today["messages"], candidate["messages"])
        alerts = _pair(today["alerts"], candidate["alerts"])
        shown.add_row(*cells(row["receiver"], today["messages"], messages, alerts, reasons))
    click.echo()
    console.print(shown)


def _people(rows: Sequence[Mapping[str, Any]], night: Mapping[str, Any], console: Console) -> None:
    if not rows:
        click.echo("\nit rings for nobody: no receiver has a rotation or stands in an escalation")
        return
    shown = table("person", "time zone", "rang", "at night", "worst night, under the candidate")
    for row in rows:
        today, candidate = row["today"], row["candidate"]
        worst = max(candidate["nights"].items(), key=lambda pair: (pair[1], pair[0]), default=None)
        counts = [_pair(today[name], candidate[name]) for name in ("rang", "at_night")]
        shown.add_row(*cells(row["person"], row["timezone"], *counts, f"{worst[0]}: {worst[1]}" if worst else ""))
    click.echo(f"\nwhom it rings for; at night is {night['from']} to {night['to']} where they live")
    console.print(shown)


def _first_told(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    shown = table("severity", "told, today", "told, candidate", "until somebody hears: p50", "p95", "longest")
    for row in rows:
        both = [row.get(name) for name in ("today", "candidate")]
        told = [f"{one['told']} of {one['alerts']}" if one else "–" for one in both]
        times = [" → ".join(_wait(one[name]) if one else "–" for one in both)
                 for name in ("p50_ms", "p95_ms", "longest_ms")]  # fmt: skip
        shown.add_row(row["severity"], *told, *times)
    click.echo()
    console.print(shown)


def print_hearings(lists: Mapping[str, Sequence[Mapping[str, Any]]], console: Console) -> None:
    """The first of each list."""
    shown = Table(box=None, pad_edge=False, show_header=False)
    for name, rows in lists.items():
        sign = _SIGNS[name]
        for one in rows[:_ROWS]:
            to = f"{one['receiver']} ({', '.join(one['to'])})" if one["to"] else one["receiver"]
            when = f"today {', '.join(one['today_to']) or 'nobody'}" if "today_to" in one else ""
            when += f"{'+' if name == 'later' else '-'}{duration(one['by_ms'])}" if "by_ms" in one else ""
            row = (sign, one["at"], to, one["reason"], one["severity"], one["rule"], one["title"], when)
            shown.add_row(*cells(*row))
        if len(rows) > _ROWS:
            shown.add_row(sign, f"and {len(rows) - _ROWS} more {name}")
    if shown.row_count:
        console.print(shown)


def _untold(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    lost, waiting = sum(bool(one["today"]) for one in rows), sum(one["waits"] for one in rows)
    late = f"; {waiting} of them still wait to be told when the range ends" if waiting else ""
    click.echo(f"\nnobody would have been told of {len(rows)} alerts; today somebody is told of {lost} of these{late}")
    shown = Table(box=None, pad_edge=False, show_header=False)
    for one in sorted(rows, key=lambda one: not one["today"])[:_ROWS]:
        by = ", ".join(sorted({hiding["stage"] for hiding in one["hidden_by"]}))
        why = f"hidden by {by}" if by else "no receiver takes it, or it was over or in hand before its turn"
        why = "it still waits when the range ends" if one["waits"] else why
        why += f"; today: {', '.join(one['today'])}" if one["today"] else ""
        shown.add_row(*cells(one["opened"], one["alert_id"][:12], one["severity"], one["rule"], one["title"], why))
    if len(rows) > _ROWS:
        shown.add_row(f"and {len(rows) - _ROWS} more")
    if shown.row_count:
        console.print(shown)


def _changed(before: int, after: int) -> str:
    return f"{after} ({after - before:+})" if after != before else str(after)


def _pair(before: int, after: int) -> str:
    return f"{before} → {after}"


def _wait(ms: int | None) -> str:
    return "–" if ms is None else duration(ms) if ms >= 1000 else "at once"


def cells(*values: Any) -> list[Text]:
    """A row; whatever a title says is text."""
    return [Text(plain(str(value), 120)) for value in values]
