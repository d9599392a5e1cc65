"""``tocsin backtest``: what rules would have said of recorded events, against those in force and against labels."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console

from streams.cli.backtest_run import Asked, Done, carried_out, prepared, rulesets_of
from streams.cli.backtest_summary import print_summary
from streams.cli.context import get_config
from streams.cli.junit import write_junit
from streams.cli.routes_backtest_text import print_compared
from streams.errors import ConfigError
from streams.replay.backtest.budget import Term, parse_budget
from streams.replay.backtest.document import encoded
from streams.replay.backtest.page import page
from streams.replay.backtest.tables import write_parquet
from streams.replay.report import console_for_tables
from streams.replay.telling.page import section
from streams.replay.topics import EARLIEST, LATEST
from streams.rules.rule import RuleSet

Verdicts = list[tuple[str, str | None]]


@click.command("backtest")
@click.option("--from", "begin", default=EARLIEST, metavar="PLACE", help="Where to begin: `last 7d`, an RFC 3339 time, "
              "offsets (100, or 0:100,1:250), earliest. Files: a time.")  # fmt: skip
@click.option(
    "--to", "end", default=LATEST, metavar="PLACE", help="Where to end, itself left out; as --from, or latest."
)
@click.option("--source", "given", multiple=True, metavar="NAME=FILE|NAME=topic:TOPIC[@FROM..TO]",
              help="What to read; may be repeated. Without it the topics of all sources that the rules read. Files: "
              "JSON lines (plain, gzip, zstd), Parquet, Avro.")  # fmt: skip
@click.option("--mapping", "mappings", multiple=True, metavar="[NAME=]cloudtrail|FILE",
              help="How foreign payloads become events; for one source, or for all.")  # fmt: skip
@click.option("--rules", "paths", multiple=True, type=click.Path(path_type=Path), help="The candidate: files, folders.")
@click.option("--list", "lists", multiple=True, metavar="NAME=FILE", help="What stands in a list that rules name.")
@click.option("--baseline", metavar="PATH|current", help="Rules to compare with; `current`: those in force.")
@click.option("--whole", is_flag=True, help="With --baseline: its rules that are not in the candidate, too.")
@click.option("--labels", "labelled", type=click.Path(dir_okay=False, path_type=Path),
              help="As `tocsin alerts labels` or `tocsin simulate --truth` writes them.")  # fmt: skip
@click.option("--routes", type=click.Path(path_type=Path),
              help="A policy: who would have been told what under it, against today's.")  # fmt: skip
@click.option("--ignore-commands", is_flag=True, help="Leave out what people did meanwhile, to alerts and to what is "
              "in force.")  # fmt: skip
@click.option("--budget", metavar="TERM,…", help="Exit status 1 unless all hold: alerts<=50,precision>=0.9.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="The budget's terms as JUnit XML.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="A folder for report.json and .html.")
@click.option("--json", "as_json", is_flag=True, help="report.json on standard output.")
@click.option("--parquet", is_flag=True, help="With --out: the result as tables, too, for duckdb and notebooks.")
@click.option("--resume", "work", type=click.Path(file_okay=False, path_type=Path),
              help="A folder to keep the way in: after a kill, the same command goes on. Gone at the end.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), help="Processes; as many as there are cores and logs without it.")
def command(
    begin: str, end: str, given: tuple[str, ...], mappings: tuple[str, ...], paths: tuple[Path, ...],
    lists: tuple[str, ...], baseline: str | None, whole: bool, labelled: Path | None,
    routes: Path | None, ignore_commands: bool, budget: str | None,
    junit: Path | None, out: Path | None, as_json: bool, parquet: bool, work: Path | None,
    jobs: int | None,
) -> int:  # fmt: skip
    """What rules would have done with recorded events: before they page anyone, by the code of a live worker.

    Reads topics without joining a group and writes to none. The same input gives the same report.json, byte for byte.

    \b
    Examples:
      tocsin backtest --from "last 7d" --rules my-rule.yaml --baseline current --out report
      tocsin backtest --source audit=events.jsonl.zst --rules streams/packs/audit --out report --parquet
      tocsin backtest --from "last 90d" --resume work --out report
      tocsin backtest --from "last 7d" --rules my-rule.yaml --routes policy.yaml --baseline current
      tocsin backtest --source audit=traffic/audit.jsonl --labels truth.jsonl --budget "alerts<=50,precision>=0.9"
      tocsin backtest --from 2024-01-01T00:00:00Z --to 2024-01-02T00:00:00Z --labels labels.jsonl --junit backtest.xml
    """
    if whole and not baseline:
        raise click.UsageError("--whole belongs to --baseline")
    if parquet and out is None:
        raise click.UsageError("--parquet writes tables beside the report: name a folder with --out")
    if junit and not budget:
        raise click.UsageError("--junit writes what the budget came to: name one with --budget")
    config = get_config()
    asked = Asked(begin, end, given, mappings, paths, lists, baseline, whole, labelled, ignore_commands, routes)
    rulesets = rulesets_of(asked, config)
    terms = _terms(budget, rulesets[0], labelled=labelled is not None, compared=baseline is not None)
    ready = prepared(asked, rulesets, config, work)
    for note in ready.read.notes:
        click.echo(f"note: {note}", err=True)
    try:
        done = carried_out(asked, ready, config, jobs, Console(stderr=True), ["--budget", budget] if budget else [])
    except KeyboardInterrupt:
        if work is not None:
            click.echo(f"stopped; the same command goes on with what is in {work}", err=True)
        raise
    verdicts: Verdicts = [(str(term), term.broken(done.report)) for term in terms]
    if out is not None:
        told = section(done.report["told"]) if "told" in done.report else None
        _write(out, done, page(done.report, done.costs, done.speed, verdicts, told))
        if parquet:
            write_parquet(out, done.report, done.ran)
    if junit is not None:
        write_junit(
            junit, "tocsin backtest", [("budget", name, "", 0, (why,) if why else ()) for name, why in verdicts]
        )
    if as_json:
        sys.stdout.buffer.write(encoded(done.report))
        sys.stdout.buffer.flush()
    else:
        print_summary(done.report, done.costs, done.speed, console_for_tables())
        if "told" in done.report:
            click.echo("\nwho would have been told what")
            print_compared(done.report["told"], console_for_tables())
        if out is not None:
            click.echo(f"the whole report: {out / 'report.html'}")
    if ready.folder is not None:
        ready.folder.done()
    for name, why in verdicts:
        click.echo(f"budget broken: {why}" if why else f"budget: {name} holds", err=True)
    return 1 if any(why for _, why in verdicts) else 0


def _terms(text: str | None, ruleset: RuleSet, *, labelled: bool, compared: bool) -> list[Term]:
    if text is None:
        return []
    return parse_budget(text, labelled=labelled, compared=compared, rules=frozenset(rule.id for rule in ruleset.rules))


def _write(folder: Path, done: Done, html: str) -> None:
    contents = {
        "report.json": encoded(done.report),
        "report.html": html.encode(),
        "costs.json": msgspec.json.format(msgspec.json.encode(done.costs), indent=1) + b"\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / f"{name}.new").write_bytes(content)
            (folder / f"{name}.new").replace(folder / name)  # whole, or not at all
    except OSError as error:
        raise ConfigError(f"cannot write the report to {folder}: {error.strerror or error}") from None
