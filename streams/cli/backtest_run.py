"""Carrying out a backtest that was asked for: rules, inputs, labels, the run itself, and its report."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.cli.backtest_inputs import Inputs, command_again, gaps_in, inputs, parse_end
from streams.cli.backtest_past import NOTHING, Past, past_of
from streams.cli.backtest_told import Routes, routes_of, told
from streams.cli.context import control
from streams.cli.list_sources import warn_of_missing, with_given_lists
from streams.cli.replay_inputs import TOPIC, sources_of, wanted_of
from streams.config import Config, event_sources
from streams.config.rules import with_their_overrides, written_rules
from streams.errors import ConfigError, TocsinError
from streams.replay.backtest.document import costs, report
from streams.replay.backtest.kept import Manifest, WorkFolder
from streams.replay.backtest.labelled import Labels, labels_of
from streams.replay.backtest.run import Ran, backtest
from streams.replay.logs import span_of
from streams.replay.runner import Replayed
from streams.replay.topics import EARLIEST, LATEST
from streams.rules.lists import used
from streams.rules.rule import LIVE, Rule, RuleSet

CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a backtest is about, as it was written: the options of ``tocsin backtest``."""

    begin: str = EARLIEST
    end: str = LATEST
    given: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    lists: tuple[str, ...] = ()
    baseline: str | None = None
    whole: bool = False
    labelled: Path | None = None
    ignore_commands: bool = False
    routes: Path | None = None


@dataclass
class Prepared:
    """All that is needed to run it: nothing has been read but the ends of topics and the files' hashes."""

    rulesets: list[RuleSet]  #: the candidate, then the baseline if there is one
    read: Inputs
    labels: Labels | None
    folder: WorkFolder | None = None
    past: Past = NOTHING
    routes: Routes | None = None


@dataclass
class Done:
    """A finished backtest. ``seconds``: how long the run took."""

    report: dict[str, Any]
    ran: list[Ran]
    costs: list[dict[str, Any]]
    seconds: float

    @property
    def speed(self) -> str:
        return f"{self.report['counts']['events'] * len(self.ran):,} events in {self.seconds:.1f} s."


def rulesets_of(asked: Asked, config: Config) -> list[RuleSet]:
    """The candidate, then the baseline if there is one."""
    written = written_rules(config, asked.paths)
    candidate = with_given_lists(_as_live(with_their_overrides(config, written)), asked.lists)
    if asked.baseline is None:
        return [candidate]
    return [candidate, _baseline(config, asked.baseline, asked.lists, None if asked.whole else candidate)]


def prepared(asked: Asked, rulesets: list[RuleSet], config: Config, work: Path | None = None) -> Prepared:
    """Look at the inputs. ``work``: a folder to keep the way in; what was begun there is gone on with."""
    folder = None if work is None else WorkFolder(work)
    with folder.closed_on_error() if folder is not None else nullcontext():
        return _prepared(asked, rulesets, config, folder)


def _prepared(asked: Asked, rulesets: list[RuleSet], config: Config, folder: WorkFolder | None) -> Prepared:
    routes = None if asked.routes is None else routes_of(asked.routes)
    begun = None if folder is None else folder.asked(_written(asked))
    labels = None if asked.labelled is None else labels_of(asked.labelled)
    both = RuleSet(tuple({rule.id: rule for one in reversed(rulesets) for rule in one.rules}.values()))
    given, begin, end = (asked.given, asked.begin, asked.end) if begun is None else _resolved(begun.arguments)
    wanted = wanted_of(given) if given else _every(both, config)
    sources = sources_of(wanted, asked.mappings, both, config)
    read = inputs(wanted, sources, parse_end(begin, "--from"), parse_end(end, "--to"), config)
    if begun is not None:
        read.arguments, read.notes = begun.arguments, begun.notes
    if folder is not None:
        content = _content(asked, rulesets, read, config)
        manifest = Manifest(asked=_written(asked), content=content, arguments=read.arguments, notes=read.notes)
        if folder.begin(manifest):
            click.echo(f"going on with what is in {folder.path}", err=True)
    now = asked.baseline == CURRENT
    past = NOTHING if asked.ignore_commands else past_of(read, rulesets, config, in_force=now)
    for ruleset in rulesets[:1] if now else rulesets:
        warn_of_missing(ruleset, {*ruleset.lists, *past.lists()})
    return Prepared(rulesets, read, labels, folder, past, routes)


def carried_out(
    asked: Asked, ready: Prepared, config: Config, jobs: int | None, console: Console, more: Sequence[str] = ()
) -> Done:
    """Run it, and report. ``more``: options that belong to the command that makes the report again."""
    with ready.folder.closed_on_error() if ready.folder is not None else nullcontext():
        return _carried_out(asked, ready, config, jobs, console, more)


def _carried_out(
    asked: Asked, ready: Prepared, config: Config, jobs: int | None, console: Console, more: Sequence[str]
) -> Done:
    ran, seconds = _run(ready, config, jobs, console)
    try:
        refuse_empty(ran[0].result, ready.read)
    except TocsinError:
        if ready.folder is not None:
            ready.folder.done()  # there is nothing to go on with
        raise
    again = command_again([*ready.read.arguments, *_options(asked), *more])
    made = report(ready.read.logs, ran[0], again, ran[1] if asked.baseline else None, ready.labels)
    gaps = gaps_in(ready.read.logs, ran[0].facts, config)
    for note in gaps:
        click.echo(f"note: {note}", err=True)
    first, last = span_of(ran[0].facts) or (0, 0)
    history = ready.past.history
    made["control"] = None if history is None else history.described(last)
    late = ready.past.notes(ran[0].ruleset, first)
    for note in late:
        click.echo(f"note: {note}", err=True)
    made["notes"] = [*ready.read.notes, *gaps, *late]
    if ready.routes is not None:
        end, recorded = _resolved(ready.read.arguments)[2], ready.past.controls is not None
        made["told"] = told(ready.routes, ran[0], end, current=asked.baseline == CURRENT, recorded=recorded)
    return Done(made, ran, costs(ran[0].result.timings), seconds)


def _written(asked: Asked) -> dict[str, Any]:
    """As JSON has it."""
    return msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(asked, enc_hook=str)))  # type: ignore[no-any-return]


def _resolved(arguments: Sequence[str]) -> tuple[tuple[str, ...], str, str]:
    """``--source``, ``--from`` and ``--to`` out of what ``Inputs.arguments`` says."""
    pairs = [(arguments[n], arguments[n + 1]) for n in range(0, len(arguments), 2)]
    ends = dict(pairs)
    given = tuple(value for name, value in pairs if name == "--source")
    return given, ends.get("--from", EARLIEST), ends.get("--to", LATEST)


def _content(asked: Asked, rulesets: Sequence[RuleSet], read: Inputs, config: Config) -> str:
    """Hash of what the result follows from."""
    mappings = [Path(text.partition("=")[2] or text) for text in asked.mappings]
    parts: list[Any] = [
        importlib.metadata.version("tocsin"), [one.identity for one in rulesets], config.policy,
        [log.described() for log in read.logs], asked.mappings,
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in mappings if path.is_file()],
    ]  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted", enc_hook=str)).hexdigest()


def _options(asked: Asked) -> list[str]:
    pairs = [
        *(("--mapping", text) for text in asked.mappings), *(("--rules", str(path)) for path in asked.paths),
        *(("--list", text) for text in asked.lists),
        *([("--baseline", asked.baseline)] if asked.baseline else []),
        *([("--labels", str(asked.labelled))] if asked.labelled else []),
        *([("--routes", str(asked.routes))] if asked.routes else []),
    ]  # fmt: skip
    return [
        *(part for pair in pairs for part in pair),
        *(["--whole"] if asked.whole else []),
        *(["--ignore-commands"] if asked.ignore_commands else []),
    ]


def _as_live(ruleset: RuleSet) -> RuleSet:
    """A candidate that is only tried so far would tell nobody: what it would tell is the question."""

    def live(rule: Rule) -> Rule:
        return replace(rule, stage=LIVE) if rule.is_shadow else rule

    variants = {
        name: {tenant: None if rule is None else live(rule) for tenant, rule in of.items()}
        for name, of in ruleset.variants.items()
    }
    return replace(ruleset, rules=tuple(map(live, ruleset.rules)), variants=variants)


def _baseline(config: Config, named: str, lists: Sequence[str], candidate: RuleSet | None) -> RuleSet:
    """The rules to compare with; with ``candidate`` those of its ids alone."""
    ruleset = _in_force() if named == CURRENT else written_rules(config, [Path(named)])
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
    return with_given_lists(ruleset, [text for text in lists if text.partition("=")[0] in names])


def _in_force() -> RuleSet:
    with control() as reader:
        ruleset = reader.in_force().ruleset
    if not isinstance(ruleset, RuleSet) or not ruleset.rules:
        raise ConfigError("no rules are in force on the cluster", "`tocsin rules apply` brings some into force")
    return ruleset


def _every(ruleset: RuleSet, config: Config) -> dict[str, list[str]]:
    """The topics of all configured sources that the rules read."""
    found = {one.name: [f"{TOPIC}{one.topic}"] for one in event_sources(config) if ruleset.reading(one.name)}
    if not found:
        raise ConfigError("no configured source is read by these rules", "name what to read: --source NAME=FILE")
    return found


def _run(ready: Prepared, config: Config, jobs: int | None, console: Console) -> tuple[list[Ran], float]:
    """What came of it, and how long it took, s."""
    logs, rulesets, began = ready.read.logs, ready.rulesets, time.monotonic()
    with progress_bar(console, sum(log.size for log in logs) * len(rulesets)) as told:
        ran = backtest(
            logs, rulesets, config.policy, jobs=processes(jobs), progress=told, folder=ready.folder,
            commands=ready.past.commands, controls=ready.past.controls,
        )  # fmt: skip
    return ran, time.monotonic() - began


def processes(asked: int | None) -> int:
    """``--jobs``; as many as there are cores without it."""
    return asked or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)


@contextmanager
def progress_bar(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    """Shows how many of ``total`` records were read, at what rate; takes that number."""
    began = time.monotonic()
    columns = (TextColumn("{task.completed:,.0f} events"), BarColumn(), TaskProgressColumn(),
               TextColumn("{task.fields[rate]}"), TimeRemainingColumn())  # fmt: skip
    # Without a thread that paints: children are forked, and a thread would not come with them.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, auto_refresh=False
    ) as bar:
        task = bar.add_task("", total=total, rate="")

        def told(n: int) -> None:
            rate = f"{n / max(time.monotonic() - began, 1e-3):,.0f}/s"
            bar.update(task, completed=n, rate=rate, refresh=True)

        yield told


def refuse_empty(result: Replayed, read: Inputs) -> None:
    """Raises ConfigError or TocsinError where nothing was read, or nothing of it could be."""
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
