"""``tocsin tune``: what a rule would have said with other settings, all in one pass, and which of them to take."""

from __future__ import annotations

import resource
import shlex
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console

from streams.cli.backtest_inputs import gaps_in
from streams.cli.backtest_run import (
    Asked,
    Prepared,
    prepared,
    processes,
    progress_bar,
    refuse_empty,
)
from streams.cli.context import get_config
from streams.cli.list_sources import with_given_lists
from streams.cli.tune_summary import print_sweep
from streams.config import Config
from streams.config.rules import with_their_overrides, written_rules
from streams.errors import ConfigError
from streams.replay.backtest.document import encoded
from streams.replay.backtest.run import backtest
from streams.replay.report import console_for_tables
from streams.replay.topics import EARLIEST, LATEST
from streams.replay.tuning.asked import Param, magnitude, parse_param
from streams.replay.tuning.document import report
from streams.replay.tuning.sweep import Swept, sweep
from streams.replay.tuning.variants import Variant, concerned, variants
from streams.rules.lists import bind, used
from streams.rules.rule import RuleSet


@click.command("tune")
@click.argument("rule")
@click.option("--param", "texts", multiple=True, required=True, metavar="SETTING=VALUES",
              help="What to try: detect.count.at_least=3..30, detect.count.within=5m..1h/5m, cooldown=10m,1h. Twice: "
              "every pair.")  # fmt: skip
@click.option("--from", "begin", default=EARLIEST, metavar="PLACE", help="Where to begin, as for `tocsin backtest`.")
@click.option("--to", "end", default=LATEST, metavar="PLACE", help="Where to end, itself left out.")
@click.option("--source", "given", multiple=True, metavar="NAME=FILE|NAME=topic:TOPIC[@FROM..TO]",
              help="What to read; may be repeated. Without it the topics of the rule's sources.")  # fmt: skip
@click.option("--mapping", "mappings", multiple=True, metavar="[NAME=]cloudtrail|FILE",
              help="How foreign payloads become events.")  # fmt: skip
@click.option("--rules", "paths", multiple=True, type=click.Path(path_type=Path), help="Where the rule stands.")
@click.option("--list", "lists", multiple=True, metavar="NAME=FILE", help="What stands in a list that the rule names.")
@click.option("--labels", "labelled", type=click.Path(dir_okay=False, path_type=Path),
              help="As `tocsin alerts labels` or `tocsin simulate --truth` writes them.")  # fmt: skip
@click.option("--choose", metavar="VALUE[,VALUE]", help="For --write: this setting in place of the suggested one.")
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path),
              help="A new file for the chosen setting, as tocsin.yaml has it under `overrides`.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="A file for the report as a page.")
@click.option("--json", "as_json", is_flag=True, help="The report on standard output.")
@click.option("--measure", is_flag=True, help="Time an ordinary backtest beside, and hold it to the sweep.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; as many as there are cores and logs without it.")
def command(
    rule: str, texts: tuple[str, ...], begin: str, end: str, given: tuple[str, ...], mappings: tuple[str, ...],
    paths: tuple[Path, ...], lists: tuple[str, ...], labelled: Path | None, choose: str | None, write: Path | None,
    html: Path | None, as_json: bool, measure: bool, jobs: int | None,
) -> None:  # fmt: skip
    """What RULE would have said with other thresholds: alerts, precision, recall, notifications saved, attacks missed.

    One pass over the events, however many settings there are; each is what a backtest with it would be. With labels one
    is suggested: the middle of a plateau, with the attacks that the next ones would lose.

    \b
    Examples:
      tocsin tune audit.failed-login-burst --param detect.count.at_least=3..30 --labels labels.jsonl --from "last 7d"
      tocsin tune audit.failed-login-burst --param detect.count.at_least=3..30 --source audit=traffic/audit.jsonl \\
          --labels truth.jsonl --html sweep.html --write tuned.yaml
      tocsin tune ops.cpu --param detect.aggregate.above=70..95/5 --param detect.aggregate.within=5m,10m,30m
    """
    if choose and write is None:
        raise click.UsageError("--choose belongs to --write")
    config = get_config()
    params = [parse_param(text) for text in texts]
    ruleset = concerned(with_their_overrides(config, written_rules(config, paths)), rule)
    known = with_given_lists(ruleset, lists).rules
    content = {name: one for other in known for name, one in other.lists.items()}
    made = variants(ruleset, rule, params, partial(bind, lists=content) if used(ruleset) else _as_it_is)
    _check_file(write)
    chosen = None if choose is None else _chosen(made, params, choose)
    asked = Asked(begin, end, given, mappings, paths, lists, labelled=labelled, ignore_commands=True)
    ready = prepared(asked, [made[0].ruleset], config)
    for note in ready.read.notes:
        click.echo(f"note: {note}", err=True)
    swept, spent = _swept(ready, rule, params, made, config, jobs)
    refuse_empty(swept.results[swept.base], ready.read)
    document = report(ready.read.logs, swept, rule, params, ready.labels, _again(rule, texts, asked, ready))
    gaps = gaps_in(ready.read.logs, swept.facts, config)
    for note in gaps:
        click.echo(f"note: {note}", err=True)
    document["notes"] = [*ready.read.notes, *gaps]
    speed = f"{len(made)} settings over {document['counts']['events']:,} events took {spent:.1f} s of CPU"
    if measure:
        speed += f"; {_against_one(ready, swept, config, jobs, spent)}"
    if html is not None:
        from streams.replay.tuning.page import page

        _write(html, page(document, speed + "."))
    if as_json:
        sys.stdout.buffer.write(encoded(document))
        sys.stdout.buffer.flush()
    else:
        print_sweep(document, speed, console_for_tables())
    if write is not None:
        _write_override(write, document, chosen)


def _again(rule: str, texts: Sequence[str], asked: Asked, ready: Prepared) -> str:
    """The command that makes the report again."""
    given = [
        *(("--param", text) for text in texts), *(("--mapping", text) for text in asked.mappings),
        *(("--rules", str(path)) for path in asked.paths), *(("--list", text) for text in asked.lists),
        *([("--labels", str(asked.labelled))] if asked.labelled else []),
    ]  # fmt: skip
    options = [part for pair in given for part in pair]
    return shlex.join(["tocsin", "tune", rule, *options, *ready.read.arguments])


def _as_it_is(ruleset: RuleSet) -> RuleSet:
    return ruleset


def _swept(
    ready: Prepared, rule: str, params: Sequence[Param], made: Sequence[Variant], config: Config, jobs: int | None
) -> tuple[Swept, float]:
    """The sweep, and what it took, s of CPU."""
    began, logs = _cpu(), ready.read.logs
    with progress_bar(Console(stderr=True), sum(log.size for log in logs)) as told:
        swept = sweep(logs, rule, params, made, config.policy, jobs=processes(jobs), progress=told)
    return swept, _cpu() - began


def _against_one(ready: Prepared, swept: Swept, config: Config, jobs: int | None, spent: float) -> str:
    """One backtest in the same run. Raises ConfigError where it says anything else than the sweep."""
    began, place = _cpu(), next(n for n, one in enumerate(swept.variants) if one.is_current)
    variant = swept.variants[place]
    (ran,) = backtest(ready.read.logs, [variant.ruleset], config.policy, jobs=processes(jobs))
    once = _cpu() - began
    if ran.result.alerts != swept.results[place].alerts:
        raise ConfigError("the sweep and a backtest differ", "has the log changed in between? if not, please report it")
    return f"one backtest takes {once:.1f} s: {spent / once:.2f} times as much, with the same alerts"


def _cpu() -> float:
    """CPU time of this process and of those that it has waited for, s."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _chosen(made: Sequence[Variant], params: Sequence[Param], text: str) -> Variant:
    """The setting that was named. Raises ConfigError where it is none of those tried."""
    try:
        sizes = [magnitude(part.strip()) for part in text.split(",")]
    except ConfigError:
        sizes = []
    for variant in made:
        if variant.asked and [magnitude(value) for value in variant.values if value is not None] == sizes:
            return variant
    names = ", ".join(param.name for param in params)
    raise ConfigError(f"--choose {text!r:.80} is none of the settings that are tried", f"write one value each: {names}")


def _check_file(path: Path | None) -> None:
    if path is not None and path.exists():
        raise ConfigError(f"{path} is there already", "name a new file, and take from it what you want in tocsin.yaml")


def _write_override(path: Path, document: dict[str, Any], chosen: Variant | None) -> None:
    rule, suggested = document["rule"]["id"], document["suggestion"]
    if chosen is None and suggested is None:
        raise ConfigError(
            f"nothing is suggested, so {path} was not written: {document['why_none']}", "--choose VALUE names one"
        )
    fragment = {"overrides": {rule: dict(chosen.override)}} if chosen is not None else suggested["override"]
    text = yaml.safe_dump(fragment, sort_keys=False, allow_unicode=True)
    _write(path, f"# By: {document['command']}\n{text}")
    click.echo(f"{path} holds the override; put it into tocsin.yaml, then `tocsin rules apply`", err=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None
