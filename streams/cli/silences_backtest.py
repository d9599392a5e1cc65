"""``tocsin silences backtest``: what a silence would have hidden in the past, and what of it was real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from streams.cli.printing import line
from streams.cli.telling_inputs import Past, Variant, baseline, past_options, played
from streams.errors import ConfigError
from streams.route.matchers import parse_matchers

_ROWS = 30


@click.command("backtest")
@click.option("--match", "matchers", multiple=True, required=True, help="As in `add`; all must hold.")
@click.option("--tenant", default="", help="Of one tenant only.")
@past_options
@click.option("--baseline", "against", metavar="PATH|current", help="Under this policy, or the one in force "
              "now. Without it: under what was in force at the time.")  # fmt: skip
@click.option("--labels", type=click.Path(dir_okay=False, path_type=Path), help="What alerts were, as `tocsin alerts "
              "labels` writes it. Without it what people said when they closed them.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    matchers: tuple[str, ...], tenant: str, past: Past, against: str | None, labels: Path | None, as_json: bool
) -> None:  # fmt: skip
    """Which past alerts a silence from --from to --to would have hidden, and how many of them were real.

    The past is played twice through the worker's own code, without the silence and with it: what a window
    or another silence hid anyway does not count, and what still stood when the silence ends is told late. Nothing
    is written. What was real is what people said (`dismiss --as`, `resolve --as`), or --labels.

    \b
    Examples:
      tocsin silences backtest --match 'rule="audit.bulk-export"' --from "last 7d"
      tocsin silences backtest --match 'key.actor="backup"' --from 2026-07-05T02:00:00Z --to 2026-07-05T06:00:00Z
      tocsin silences backtest --match 'severity="low"' --alerts alerts.jsonl --labels labels.jsonl --json
    """
    from streams.replay.telling.document import Named
    from streams.replay.telling.hiding import IDENTITY, hidden, spoken

    try:
        parse_matchers(list(matchers))
    except ValueError as error:
        raise click.UsageError(f"--match {error}") from None
    record: dict[str, Any] = {"matchers": list(matchers), "author": "backtest", "comment": "what if"}
    record |= {"tenant": tenant} if tenant else {}

    def silenced(first: int, last: int) -> Sequence[Variant]:
        record.update(starts_at=first, ends_at=last)
        return [Variant("silenced", {f"silence/{IDENTITY}": record})]

    said = {} if labels is None else spoken(labels)
    done = played(past, baseline(against), silenced, to_the_end=True)
    today, other = (Named(name, heard) for name, heard in zip(done.names, done.heard, strict=True))
    made = hidden(today, other, done.span, record, said, done.again)
    if labels is not None and not made["labelled"]:
        raise ConfigError(
            f"{labels}: none of its {len(said)} labels is about an alert from {made['from']} to {made['to']}",
            "`tocsin alerts labels` writes those of this cluster",
        )
    if as_json:
        line(made)
    else:
        _print(made)


def _print(made: Mapping[str, Any]) -> None:
    from streams.cli.routes_backtest_text import cells, print_notes, print_reproduced, table
    from streams.replay.report import console_for_tables

    rows, console = made["hidden"], console_for_tables()
    shown = table("opened", "alert", "severity", "rule", "title", "was", "never told", "told late")
    for one in rows[:_ROWS]:
        late = ", ".join(f"{receiver} {at}" for receiver, at in one["told_later"].items())
        never = ", ".join(one["never_told"])
        shown.add_row(*cells(one["opened"], one["alert_id"][:12], one["severity"], one["rule"], one["title"],
                             one["disposition"], never, late))  # fmt: skip
    if rows:
        console.print(shown)
    if len(rows) > _ROWS:
        click.echo(f"and {len(rows) - _ROWS} more")
    words = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in made["dispositions"].items())
    real = f", {made['true_positives']} of them true positives ({words})" if rows else ""
    span = f"{made['from']} to {made['to']}"
    click.echo(f"of {made['alerts']} alerts from {span} it would have hidden {len(rows) or 'none'}{real}")
    heard = sum(bool(one["today"]) for one in rows)
    click.echo(f"today somebody is told of {heard} of these: {len(made['gone'])} times nobody would have been, "
               f"{len(made['later'])} times later")  # fmt: skip
    print_reproduced(made["reproduced"])
    print_notes(made["notes"])
