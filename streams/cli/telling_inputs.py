"""What commands that look at past notifications are given: the cluster's recording, exported alerts, or events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.policy_file import policy_file
from streams.cli.policy_given import Records, given_records, routed
from streams.errors import ConfigError
from streams.model import Control
from streams.replay.moments import rfc3339
from streams.state.alerts.inforce import POLICY

if TYPE_CHECKING:
    from streams.replay.spool import Spool
    from streams.replay.telling.document import Range
    from streams.replay.telling.heard import Heard
    from streams.replay.telling.recorded import Reproduced

CURRENT = "current"
_OPTIONS = (
    click.option("--from", "begin", default="earliest", metavar="TIME",
                 help="`last 7d`, an RFC 3339 time, or earliest."),
    click.option("--to", "end", default="latest", metavar="TIME", help="As --from; itself left out."),
    click.option("--alerts", "file", type=click.Path(path_type=Path), help="Exported alerts instead of what the "
                 "cluster recorded: JSON lines (plain, gzip, zstd) or Parquet."),
    click.option("--source", "given", multiple=True, metavar="NAME=FILE|NAME=topic:TOPIC[@FROM..TO]", help="What rules "
                 "find in these events instead, as for `tocsin backtest`; may be repeated."),
    click.option("--mapping", "mappings", multiple=True, metavar="[NAME=]FORMAT|FILE",
                 help="With --source: how foreign payloads become events."),
    click.option("--rules", "paths", multiple=True, type=click.Path(path_type=Path),
                 help="With --source: which rules."),
    click.option("--list", "lists", multiple=True, metavar="NAME=FILE", help="With --source: what is in a list."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Past:
    """Which past is to be played, as it was written: without ``file`` and ``given`` what the cluster recorded."""

    begin: str
    end: str
    file: Path | None
    given: tuple[str, ...]
    mappings: tuple[str, ...]
    paths: tuple[Path, ...]
    lists: tuple[str, ...]


def past_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hands ``past: Past`` to the command."""

    @wraps(command)
    def with_past(
        begin: str, end: str, file: Path | None, given: tuple[str, ...], mappings: tuple[str, ...],
        paths: tuple[Path, ...], lists: tuple[str, ...], **others: Any,
    ) -> Any:  # fmt: skip
        if file is not None and given:
            raise click.UsageError("--alerts and --source exclude each other")
        if not given and (mappings or paths or lists):
            raise click.UsageError("--mapping, --rules and --list belong to --source")
        return command(past=Past(begin, end, file, given, mappings, paths, lists), **others)

    for option in reversed(_OPTIONS):
        with_past = option(with_past)
    return with_past


@dataclass(frozen=True, slots=True)
class Variant:
    """Control records over those that were in force (``alone``: instead of them). ``name``: for people.

    What is compared with today's is laid over today's.
    """

    name: str
    records: Mapping[str, Mapping[str, Any]]
    alone: bool = False


#: What is to be compared with today's, over a range in ms.
Others = Callable[[int, int], Sequence[Variant]]


@dataclass(frozen=True, slots=True)
class Asked:
    """``begin`` and ``end``: ms, or open. ``today``: None: as it was, of exported alerts as configured.
    ``to_the_end``: what is told after the range is heard as well.
    """

    begin: int | None
    end: int | None
    today: Variant | None
    others: Others
    to_the_end: bool = False

    def range(self, first: int, last: int) -> tuple[int, int]:
        """That of the alerts, where the known ones go from ``first`` to ``last``."""
        return (first if self.begin is None else self.begin), (last + 1 if self.end is None else self.end)

    def heard_to(self, end: int, last: int) -> int:
        """Up to when to listen, where the range ends at ``end``."""
        return max(end, last + 1) if self.to_the_end else end


@dataclass(frozen=True, slots=True)
class Played:
    """What came of each variant, today's first. ``again``: whether what was told then came out as it was."""

    heard: list[Heard]
    names: list[str]
    span: Range
    again: Reproduced | None


def played(past: Past, today: Variant | None, others: Others, *, to_the_end: bool = False) -> Played:
    """Play the past under today's policy and under ``others``.

    Raises ConfigError for a range in which there were no alerts, and whatever reading the past raises.
    """
    begin, end = _time(past.begin, "--from", "earliest"), _time(past.end, "--to", "latest")
    if begin is not None and end is not None and begin >= end:
        raise click.UsageError("--to is not after --from")
    asked = Asked(begin, end, today, others, to_the_end)
    if past.given:
        return _of_findings(_of_events(past), asked)
    return _of_cluster(asked) if past.file is None else _of_findings(_of_file(past.file), asked)


def _time(text: str, option: str, open_end: str) -> int | None:
    from streams.cli.backtest_inputs import parse_end

    point = parse_end(text, option)
    if point.time is None and point.word != open_end:
        raise ConfigError(f"{option} {text!r:.80} is no time", "write `last 7d`, or 2024-01-01T00:00:00Z")
    return point.time


@dataclass(frozen=True, slots=True)
class _Found:
    """What ALERT is to be given without a journal; all there is lies between ``first`` and ``last``, ms."""

    spools: Sequence[Spool]
    first: int
    last: int
    notes: Sequence[str]


def _of_file(file: Path) -> _Found:
    from streams.replay.telling.exported import exported

    found = exported(file)
    notes = [f"{found.own} alerts of Tocsin's own are left out: it makes them again"] if found.own else []
    return _Found([found.spool], found.first, found.last, notes)


def _of_events(past: Past) -> _Found:
    """What rules find in events, as a backtest does."""
    from streams.cli import backtest_run as run
    from streams.replay.backtest.run import backtest
    from streams.replay.telling.tried import range_of

    config = get_config()
    asked = run.Asked(past.begin, past.end, past.given, past.mappings, past.paths, past.lists, ignore_commands=True)
    rulesets = run.rulesets_of(asked, config)
    ready = run.prepared(asked, rulesets, config)
    with _progress(sum(log.size for log in ready.read.logs)) as told:
        (ran,) = backtest(ready.read.logs, rulesets, jobs=run.processes(None), progress=told)
    run.refuse_empty(ran.result, ready.read)
    if not ran.result.findings:
        raise ConfigError(
            f"the rules find nothing in {ran.result.read} events", "`tocsin backtest` says what they look at"
        )
    span = range_of(ran, None)
    return _Found(ran.result.found, span.begin, span.end - 1, ready.read.notes)


def _of_findings(found: _Found, asked: Asked) -> Played:
    from streams.replay.controls import Controls
    from streams.replay.telling.given import given_by
    from streams.replay.telling.play import play

    begin, end = asked.range(found.first, found.last)
    today, others = asked.today or Variant("as configured", given_records(None, live=False)), asked.others(begin, end)
    each = [today.records, *({**today.records, **one.records} for one in others)]
    controls = [
        Controls.throughout(Control(1, None, {name: dict(one) for name, one in records.items()})) for records in each
    ]
    given = given_by(found.spools, asked.heard_to(end, found.last), controls[0])
    with _progress(sum(spool.count for spool in found.spools)) as told:
        heard = play(given, [one.of for one in controls], begin, told)
    return _done(heard, [today, *others], (begin, end), (found.first, found.last), found.notes)


def _of_cluster(asked: Asked) -> Played:
    from rich.console import Console

    from streams.codec.outputs import Wire
    from streams.config import registry_of
    from streams.replay.telling.play import play
    from streams.replay.telling.recorded import instead, recording, reproduced
    from streams.replay.topics import consumer_of

    config = get_config()
    admin(config)
    options, names = kafka_options(config), names_of(config)
    with Console(stderr=True).status("reading the journal"):
        past = recording(options, names, Wire(registry_of(config)))
    begin, end = asked.range(past.first, past.last)
    today, others = asked.today or Variant("as it was", {}), asked.others(begin, end)
    each = [*([] if asked.today is None else [today.records]), *({**today.records, **one.records} for one in others)]
    controls = [past.control.at, *(instead(past.control.at, one, alone=today.alone) for one in each)]
    heard_to = asked.heard_to(end, past.last)
    consumer = consumer_of(options)
    try:
        with _progress(past.size) as told:
            heard = play(past.given(consumer, names, heard_to), controls, begin, told)
    finally:
        consumer.close()
    again = reproduced(past.sent, heard[0].told, begin, heard_to)
    compared = heard if asked.today is None else heard[1:]
    return _done(compared, [today, *others], (begin, end), (past.first, past.last), past.notes, again)


def _done(
    heard: list[Heard], variants: Sequence[Variant], asked: tuple[int, int], known: tuple[int, int],
    notes: Sequence[str], again: Reproduced | None = None,
) -> Played:  # fmt: skip
    from streams.replay.telling.document import Range

    begin, end = asked
    if not any(one.created_at < end for one in heard[0].opened()) and not any(one.at < end for one in heard[0].told):
        raise ConfigError(
            f"there were no alerts from {rfc3339(begin)} to {rfc3339(end)}",
            f"what is known goes from {rfc3339(known[0])} to {rfc3339(known[1])}",
        )
    lost = [f"{heard[0].dead} records were refused as dead letters: they told nobody anything"] if heard[0].dead else []
    return Played(heard, [one.name for one in variants], Range(begin, end, [*notes, *lost]), again)


def _progress(total: int) -> AbstractContextManager[Callable[[int], None]]:
    from rich.console import Console

    from streams.cli.backtest_run import progress_bar

    return progress_bar(Console(stderr=True), total)


# --- policies


def candidate(path: Path) -> Records:
    """The control record of a policy that tells somebody. Raises ConfigError with file and line of what is wrong."""
    document, policy = policy_file(path)
    routed(policy)
    return {POLICY: document}


def baseline(text: str | None) -> Variant | None:
    """``--baseline``: a file, or what is in force now; None where it was not given."""
    if text is None:
        return None
    if text == CURRENT:
        return Variant("in force now", given_records(None, live=True), alone=True)
    return Variant(text, {POLICY: policy_file(Path(text))[0]})
