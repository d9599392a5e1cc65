"""``tocsin alerts report`` and ``labels``: how alerts fared, and what rules can be scored by."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import plain
from connectors.times import duration
from streams.alerts.figures import BY, Figures, figures, label, spread
from streams.cli.alert_display import console
from streams.cli.alert_lookup import latest
from streams.cli.context import get_config, now_ms
from streams.errors import ConfigError
from streams.replay.moments import parse_moment, rfc3339
from streams.rules.durations import parse_duration


def _since(text: str) -> int:
    """``30d`` ago, or a time."""
    try:
        return max(0, now_ms() - parse_duration(text))
    except ValueError:
        pass
    try:
        return parse_moment(text)
    except ConfigError:
        raise ConfigError(
            f"--since {plain(text, 60)}", "write 30d, 12h, or a time such as 2024-01-01T00:00:00Z"
        ) from None


@click.command("report")
@click.option("--since", default="30d", show_default=True, help="So long ago, or a time: alerts opened since then.")
@click.option("--by", type=click.Choice(list(BY)), default="rule", show_default=True, help="What they are grouped by.")
@click.option("--tenant", help="Of one tenant.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Groups that are shown.")
@click.option("--json", "as_json", is_flag=True, help="One object; times in ms.")
def report(since: str, by: str, tenant: str | None, top: int, as_json: bool) -> None:
    """How many alerts there were, how soon people had them in hand, and how many were false.

    MTTD: from the completing event to the alert. MTTA: to its first acknowledgement. MTTR: to its closing. The share
    of false positives is of the alerts that somebody labelled (`dismiss --as`, `resolve --as`).

    \b
    Example:  tocsin alerts report --since 7d --by severity
    """
    begin = _since(since)
    whole, groups = figures(latest(get_config(), tenant, begin), by)
    if as_json:
        shown: dict[str, Any] = {"since": rfc3339(begin), "by": by, "all": whole.document()}
        click.echo(json.dumps(shown | {"groups": {name: group.document() for name, group in groups.items()}}))
        return
    if not whole.alerts:
        click.echo(f"no alerts since {rfc3339(begin)}", err=True)
        return
    table = Table(
        by, "alerts", "open", "findings", "MTTD", "MTTA", "MTTR", "missed", "hidden", "false", box=box.SIMPLE_HEAD
    )
    for name, group in list(groups.items())[:top]:
        table.add_row(*_row(plain(name, 60) or "(nobody)", group))
    table.add_section()
    table.add_row(*_row("all", whole))
    console().print(table)
    if len(groups) > top:
        click.echo(f"the {top} with the most alerts of {len(groups)}; --top shows more")
    if whole.dispositions:
        said = " · ".join(f"{name.replace('_', ' ')} {number}" for name, number in whole.dispositions.most_common())
        click.echo(f"labelled: {said}")


def _row(name: str, one: Figures) -> list[Text]:
    share = one.false_positive_share
    missed = " ".join(f"{target} {number}" for target, number in sorted(one.breached.items()))
    cells = [
        name, str(one.alerts), str(one.open), str(one.findings), _time(one.detect), _time(one.acknowledge),
        _time(one.resolve), missed, str(one.hidden or ""), "" if share is None else f"{share:.0%}",
    ]  # fmt: skip
    return [Text(cell) for cell in cells]


def _time(times: list[int]) -> str:
    found = spread(times)
    return "" if found is None else duration(found["mean"])


@click.command("labels")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; by default standard output.")
@click.option("--since", default="3650d", help="So long ago, or a time: alerts opened since then.")
@click.option("--tenant", help="Of one tenant.")
def labels(out: Path | None, since: str, tenant: str | None) -> None:
    """What people said alerts were, one JSON object a line, for scoring rules.

    \b
    Each: {alert_id, rule, tenant, key, disposition, duplicate_of, by, event_ids, positions, first_event_time,
    last_event_time}. Times in ms. Alerts nobody labelled are not in it.

    \b
    Example:  tocsin alerts labels --out labels.jsonl
    """
    found = [one for alert in latest(get_config(), tenant, _since(since)) if (one := label(alert)) is not None]
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        beside = out.with_name(f".{out.name}.{os.getpid()}")
        beside.write_text(text, "utf-8")
        beside.replace(out)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None
    click.echo(f"{len(found)} labels in {out}", err=True)
