"""``tocsin score``: how good the rules are, on traffic of which it is known what is in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from streams.cli.context import get_config
from streams.cli.list_sources import with_lists
from streams.config import Config, event_sources
from streams.config.rules import with_their_overrides, written_rules
from streams.errors import ConfigError
from streams.replay.report import console_for_tables
from streams.replay.scoring import quality
from streams.replay.scoring.figures import document, false_alerts
from streams.replay.scoring.regimes import REGIMES, Ran, Regime, run, scaled
from streams.replay.scoring.truth import given
from streams.rules.rule import RuleSet
from streams.simulate.cast import ALL


@click.command("score")
@click.option("--rules", "paths", multiple=True, type=click.Path(path_type=Path), help="Rule files and folders.")
@click.option("--list", "lists", multiple=True, metavar="NAME=FILE", help="What stands in a list that rules name.")
@click.option("--regime", type=click.Choice([*(regime.name for regime in REGIMES), "both"]), default="both",
              show_default=True, help="Busy hours, eighteen weeks, or one after the other.")  # fmt: skip
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
              help="So many times the background.")  # fmt: skip
@click.option("--seed", type=int, help="Other traffic of the same kind.")
@click.option("--scenarios", metavar="NAME,…", help="Only these, by their names or their rules'.")
@click.option(
    "--truth", type=click.Path(dir_okay=False, path_type=Path), help="Labels of traffic that is there already."
)
@click.option("--source", "files", multiple=True, metavar="NAME=FILE", help="With --truth: the traffic.")
@click.option("--json", "as_json", is_flag=True, help="One document.")
@click.option("--markdown", is_flag=True, help="A page, as streams/docs/quality.md.")
@click.option("--write", is_flag=True, help="Write streams/docs/quality.md and quality.json of a checkout.")
@click.option("--min-recall", type=click.FloatRange(0, 1), help="Exit status 1 where a rule finds less of its attacks.")
@click.option("--max-false", type=click.FloatRange(min=0), help="Exit status 1 for more false alerts a million events.")
def command(
    paths: tuple[Path, ...], lists: tuple[str, ...], regime: str, scale: float, seed: int | None, scenarios: str | None,
    truth: Path | None, files: tuple[str, ...], as_json: bool, markdown: bool, write: bool,
    min_recall: float | None, max_false: float | None,
) -> int:  # fmt: skip
    """Precision, recall and time to detect of each rule, on labelled traffic, by the code of a live worker.

    Traffic is grown here, the same for the same seed, or given with its labels, as `tocsin simulate --truth` writes
    them.

    \b
    Examples:
      tocsin score --scale 0.1
      tocsin score --rules streams/packs/audit --scenarios audit.off-hours --json
      tocsin score --truth truth.jsonl --source audit=traffic/audit.jsonl --min-recall 0.95 --max-false 20
    """
    config = get_config()
    ruleset = with_lists(with_their_overrides(config, written_rules(config, paths)), lists)
    if truth is not None:
        if scenarios or seed is not None or scale != 1.0 or write:
            raise click.UsageError("--truth scores what is there: it takes no --seed, --scale, --scenarios or --write")
        runs = [given(truth, files, ruleset, event_sources(config), config.policy)]
    elif files:
        raise click.UsageError("--source belongs to --truth")
    else:
        runs = _grown(_regimes(regime, scale, seed), ruleset, config, scenarios)
    figures = document(runs)
    if write:
        for path in quality.write(figures, ruleset, f"{datetime.now(UTC):%Y-%m-%d}"):
            click.echo(path)
    elif as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
    elif markdown:
        click.echo(quality.page(figures, {}), nl=False)
    else:
        quality.print_table(figures, console_for_tables())
    return 1 if _unsatisfied(figures, min_recall, max_false) else 0


def _regimes(name: str, scale: float, seed: int | None) -> list[Regime]:
    chosen = [scaled(regime, scale) for regime in REGIMES if name in (regime.name, "both")]
    return chosen if seed is None else [replace(one, seed=seed) for one in chosen]


def _grown(regimes: Sequence[Regime], ruleset: RuleSet, config: Config, scenarios: str | None) -> list[Ran]:
    console = Console(stderr=True)
    names: Any = ALL if scenarios is None else [part.strip() for part in scenarios.split(",") if part.strip()]
    sources = event_sources(config)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    runs = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("")
        for regime in regimes:
            ran = run(
                regime, ruleset, sources, config.policy, scenarios=names,
                progress=lambda what, done, of: progress.update(task, description=what, completed=done, total=of),
            )  # fmt: skip
            click.echo(quality.told(ran), err=True)
            runs.append(ran)
    return runs


def _unsatisfied(figures: dict[str, Any], min_recall: float | None, max_false: float | None) -> bool:
    """Tells what is not as asked."""
    said: list[str] = []
    if min_recall is not None:
        said += (
            f"{one['rule']}: recall {one['recall']:.2f} is below {min_recall:g}"
            for one in figures["rules"] if one["recall"] is not None and one["recall"] < min_recall
        )  # fmt: skip
    if max_false is not None:
        if not figures["background_events"]:
            raise ConfigError("there is no background to count false alerts over")
        rate = false_alerts(figures["totals"]) * 1_000_000 / figures["background_events"]
        if rate > max_false:
            said.append(f"{rate:.1f} false alerts a million background events are above {max_false:g}")
    for line in said:
        click.echo(line, err=True)
    return bool(said)
