"""``tocsin backtest``: what rules would have said of recorded events, against those in force and against labels."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.cli.backtest_inputs import Inputs, command_again, inputs, parse_end
from streams.cli.backtest_summary import print_summary
from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.junit import write_junit
from streams.cli.list_sources import with_lists
from streams.cli.replay_inputs import TOPIC, sources_of, wanted_of
from streams.config import Config, event_sources
from streams.config.rules import with_their_overrides, written_rules
from streams.errors import ConfigError, TocsinError
from streams.replay.backtest.budget import Term, parse_budget
from streams.replay.backtest.document import costs, encoded, report
from streams.replay.backtest.labelled import labels_of
from streams.replay.backtest.page import page
from streams.replay.backtest.run import Ran, backtest
from streams.replay.report import console_for_tables
from streams.replay.topics import EARLIEST, LATEST
from streams.rules.lists import used
from streams.rules.rule import LIVE, RuleSet

CURRENT = "current"
Verdicts = list[tuple[str, str | None]]


@click.command("backtest")
@click.option("--from", "begin", default=EARLIEST, metavar="PLACE", help="Where to begin: `last 7d`, an RFC 3339 time, "
              "offsets (100, or 0:100,1:250), earliest. Files: a time.")  # fmt: skip
@click.option(
    "--to", "end", default=LATEST, metavar="PLACE", help="Where to end, itself left out; as --from, or latest."
)
@click.option("--source", "given", multiple=True, metavar="NAME=FILE|NAME=topic:TOPIC[@FROM..TO]",
              help="What to read; may be repeated. Without it the topics of all sources that the rules read. Files: "
              "JSON lines (plain, gzip, zstd) or Parquet.")  # fmt: skip
@click.option("--mapping", "mappings", multiple=True, metavar="[NAME=]cloudtrail|FILE",
              help="How foreign payloads become events; for one source, or for all.")  # fmt: skip
@click.option("--rules", "paths", multiple=True, type=click.Path(path_type=Path), help="The candidate: files, folders.")
@click.option("--list", "lists", multiple=True, metavar="NAME=FILE", help="What stands in a list that rules name.")
@click.option("--baseline", metavar="PATH|current", help="Rules to compare with; `current`: those in force.")
@click.option("--whole", is_flag=True, help="With --baseline: its rules that are not in the candidate, too.")
@click.option("--labels", "labelled", type=click.Path(dir_okay=False, path_type=Path),
              help="As `tocsin alerts labels` or `tocsin simulate --truth` writes them.")  # fmt: skip
@click.option("--budget", metavar="TERM,…", help="Exit status 1 unless all hold: alerts<=50,precision>=0.9.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="The budget's terms as JUnit XML.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="A folder for report.json and .html.")
@click.option("--json", "as_json", is_flag=True, help="report.json on standard output.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; as many as there are cores and logs without it.")
def command(
    begin: str, end: str, given: tuple[str, ...], mappings: tuple[str, ...], paths: tuple[Path, ...],
    lists: tuple[str, ...], baseline: str | None, whole: bool, labelled: Path | None, budget: str | None,
    junit: Path | None, out: Path | None, as_json: bool, jobs: int | None,
) -> int:  # fmt: skip
    """What rules would have done with recorded events: before they page anyone, by the code of a live worker.

    Reads topics without joining a group and writes to none. The same input gives the same report.json, byte for byte.

    \b
    Examples:
      tocsin backtest --from "last 7d" --rules my-rule.yaml --baseline current --out report
      tocsin backtest --source audit=events.jsonl.zst --rules streams/packs/audit
      tocsin backtest --source audit=traffic/audit.jsonl --labels truth.jsonl --budget "alerts<=50,precision>=0.9"
      tocsin backtest --from 2024-01-01T00:00:00Z --to 2024-01-02T00:00:00Z --labels labels.jsonl --junit backtest.xml
    """
    if whole and not baseline:
        raise click.UsageError("--whole belongs to --baseline")
    if junit and not budget:
        raise click.UsageError("--junit writes what the budget came to: name one with --budget")
    config = get_config()
    candidate = with_lists(with_their_overrides(config, _as_live(written_rules(config, paths))), lists)
    rulesets = [candidate]
    if baseline:
        rulesets.append(_baseline(config, baseline, lists, None if whole else candidate))
    terms = _terms(budget, candidate, labelled=labelled is not None, compared=baseline is not None)
    labels = None if labelled is None else labels_of(labelled)
    both = RuleSet(tuple({rule.id: rule for one in reversed(rulesets) for rule in one.rules}.values()))
    wanted = wanted_of(given) if given else _every(both, config)
    read = inputs(wanted, sources_of(wanted, mappings, both, config),
                  parse_end(begin, "--from"), parse_end(end, "--to"), config)  # fmt: skip
    for note in read.notes:
        click.echo(f"note: {note}", err=True)
    ran, seconds = _run(read, rulesets, config, jobs)
    _refuse_empty(ran[0], read)
    again = _again(read, mappings, paths, lists, baseline, whole, labelled, budget)
    made = report(read.logs, ran[0], again, ran[1] if baseline else None, labels)
    made["notes"] = read.notes
    verdicts: Verdicts = [(str(term), term.broken(made)) for term in terms]
    spent = costs(ran[0].result.timings)
    speed = f"{made['counts']['events'] * len(rulesets):,} events in {seconds:.1f} s."
    if out is not None:
        _write(out, made, page(made, spent, speed, verdicts), spent)
    if junit is not None:
        write_junit(
            junit, "tocsin backtest", [("budget", name, "", 0, (why,) if why else ()) for name, why in verdicts]
        )
    if as_json:
        sys.stdout.buffer.write(encoded(made))
        sys.stdout.buffer.flush()
    else:
        print_summary(made, spent, speed, console_for_tables())
        if out is not None:
            click.echo(f"the whole report: {out / 'report.html'}")
    for name, why in verdicts:
        click.echo(f"budget broken: {why}" if why else f"budget: {name} holds", err=True)
    return 1 if any(why for _, why in verdicts) else 0


def _as_live(ruleset: RuleSet) -> RuleSet:
    """A candidate that is only tried so far would tell nobody: what it would tell is the question."""
    return replace(
        ruleset, rules=tuple(replace(rule, stage=LIVE) if rule.is_shadow else rule for rule in ruleset.rules)
    )


def _baseline(config: Config, named: str, lists: Sequence[str], candidate: RuleSet | None) -> RuleSet:
    """The rules to compare with; with ``candidate`` those of its ids alone."""
    ruleset = _in_force(config) if named == CURRENT else written_rules(config, [Path(named)])
    if candidate is not None:
        ids = {rule.id for rule in candidate.rules}
        kept = tuple(rule for rule in ruleset.rules if rule.id in ids)
        if left := len(ruleset.rules) - len(kept):
            click.echo(f"of the baseline {left} left out that the candidate has not (--whole takes them in)", err=True)
        ruleset = replace(ruleset, rules=kept)
    if named == CURRENT:  # as they are in force: with their overrides and lists
        return ruleset
    ruleset = with_their_overrides(config, ruleset)
    names = used(ruleset)
    return with_lists(ruleset, [text for text in lists if text.partition("=")[0] in names])


def _in_force(config: Config) -> RuleSet:
    from streams.runtime.control import ControlReader
    from streams.telemetry import configure_logging

    configure_logging("critical")  # what a worker would say of the records; stdout is the command's own
    admin(config)
    reader = ControlReader(kafka_options(config), names_of(config))
    reader.start()
    try:
        ruleset = reader.in_force().ruleset
    finally:
        reader.stop()
    if not isinstance(ruleset, RuleSet) or not ruleset.rules:
        raise ConfigError("no rules are in force on the cluster", "`tocsin rules apply` brings some into force")
    return ruleset


def _terms(text: str | None, ruleset: RuleSet, *, labelled: bool, compared: bool) -> list[Term]:
    if text is None:
        return []
    return parse_budget(text, labelled=labelled, compared=compared, rules=frozenset(rule.id for rule in ruleset.rules))


def _every(ruleset: RuleSet, config: Config) -> dict[str, list[str]]:
    """The topics of all configured sources that the rules read."""
    found = {one.name: [f"{TOPIC}{one.topic}"] for one in event_sources(config) if ruleset.reading(one.name)}
    if not found:
        raise ConfigError("no configured source is read by these rules", "name what to read: --source NAME=FILE")
    return found


def _run(read: Inputs, rulesets: list[RuleSet], config: Config, jobs: int | None) -> tuple[list[Ran], float]:
    """What came of it, and how long it took, s."""
    console, began = Console(stderr=True), time.monotonic()
    processes = jobs or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else jobs or 1
    columns = (TextColumn("{task.completed:,.0f} events"), BarColumn(), TaskProgressColumn(),
               TextColumn("{task.fields[rate]}"), TimeRemainingColumn())  # fmt: skip
    # Without a thread that paints: children are forked, and a thread would not come with them.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, auto_refresh=False
    ) as bar:
        task = bar.add_task("", total=sum(log.size for log in read.logs) * len(rulesets), rate="")

        def told(n: int) -> None:
            rate = f"{n / max(time.monotonic() - began, 1e-3):,.0f}/s"
            bar.update(task, completed=n, rate=rate, refresh=True)

        ran = backtest(read.logs, rulesets, config.policy, jobs=processes, progress=told)
    return ran, time.monotonic() - began


def _refuse_empty(ran: Ran, read: Inputs) -> None:
    result = ran.result
    if not result.read:
        where = ", ".join(dict.fromkeys(str(log.described().get("topic", "the files")) for log in read.logs))
        raise ConfigError(
            f"there are no events in this range ({where})", read.notes[0] if read.notes else "widen --from and --to"
        )
    if result.total("dead") == result.read:
        raise TocsinError(
            f"all {result.read} records were refused; the first: {result.refused[0].error}",
            "if these are no events of Tocsin's own form, choose a --mapping",
        )


def _again(
    read: Inputs, mappings: Sequence[str], paths: Sequence[Path], lists: Sequence[str], baseline: str | None,
    whole: bool, labels: Path | None, budget: str | None,
) -> str:  # fmt: skip
    pairs = [
        *(("--mapping", text) for text in mappings), *(("--rules", str(path)) for path in paths),
        *(("--list", text) for text in lists),
        *([("--baseline", baseline)] if baseline else []), *([("--labels", str(labels))] if labels else []),
        *([("--budget", budget)] if budget else []),
    ]  # fmt: skip
    options = [part for pair in pairs for part in pair]
    return command_again([*read.arguments, *options, *(["--whole"] if whole else [])])


def _write(folder: Path, made: dict[str, Any], html: str, timings: list[dict[str, Any]]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_bytes(encoded(made))
        (folder / "report.html").write_text(html, "utf-8")
        (folder / "costs.json").write_bytes(msgspec.json.format(msgspec.json.encode(timings), indent=1) + b"\n")
    except OSError as error:
        raise ConfigError(f"cannot write the report to {folder}: {error.strerror or error}") from None
