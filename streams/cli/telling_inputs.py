"""What commands that look at past notifications are given: the cluster's recording, or exported alerts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.policy_file import policy_file
from streams.cli.policy_given import Records, given_records, routed
from streams.errors import ConfigError
from streams.model import Control
from streams.replay.moments import rfc3339
from streams.state.alerts.alerting import POLICY

if TYPE_CHECKING:
    from streams.replay.telling.document import Range
    from streams.replay.telling.heard import Heard
    from streams.replay.telling.recorded import Reproduced

CURRENT = "current"
_BEGIN = click.option("--from", "begin", default="earliest", metavar="TIME",
                      help="`last 7d`, an RFC 3339 time, or earliest.")  # fmt: skip
_END = click.option("--to", "end", default="latest", metavar="TIME", help="As --from; itself left out.")
_ALERTS = click.option("--alerts", "file", type=click.Path(path_type=Path), help="Exported alerts instead of what the "
                       "cluster recorded: JSON lines (plain, gzip, zstd) or Parquet.")  # fmt: skip


def past_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--from``, ``--to`` and ``--alerts``."""
    return _BEGIN(_END(_ALERTS(command)))


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


def played(
    begin: str, end: str, file: Path | None, today: Variant | None, others: Others, *, to_the_end: bool = False
) -> Played:
    """Play the past, as the options say, under today's policy and under ``others``.

    Raises ConfigError for a range in which there were no alerts, and whatever reading the past raises.
    """
    asked = Asked(
        _time(begin, "--from", "earliest"), _time(end, "--to", "latest"), today, others, to_the_end
    )  # fmt: skip
    if asked.begin is not None and asked.end is not None and asked.begin >= asked.end:
        raise click.UsageError("--to is not after --from")
    return _of_cluster(asked) if file is None else _of_file(file, asked)


def _time(text: str, option: str, open_end: str) -> int | None:
    from streams.cli.backtest_inputs import parse_end

    point = parse_end(text, option)
    if point.time is None and point.word != open_end:
        raise ConfigError(f"{option} {text!r:.80} is no time", "write `last 7d`, or 2024-01-01T00:00:00Z")
    return point.time


def _of_file(file: Path, asked: Asked) -> Played:
    from streams.replay.telling.exported import exported
    from streams.replay.telling.given import given_by
    from streams.replay.telling.play import play

    with _progress("reading") as told:
        found = exported(file, told)
    begin, end = asked.range(found.first, found.last)
    today, others = asked.today or Variant("as configured", given_records(None, live=False)), asked.others(begin, end)
    each = [today.records, *({**today.records, **one.records} for one in others)]
    controls = [Control(1, None, {name: dict(one) for name, one in records.items()}) for records in each]
    given = given_by([found.spool], asked.heard_to(end, found.last))
    with _progress("playing", found.spool.count) as told:
        heard = play(given, [_throughout(one) for one in controls], begin, told)
    notes = [f"{found.own} alerts of Tocsin's own are left out: it makes them again"] if found.own else []
    return _done(heard, [today, *others], (begin, end), (found.first, found.last), notes)


def _throughout(control: Control) -> Callable[[int], Control]:
    """The same at every position."""
    return lambda _: control


def _of_cluster(asked: Asked) -> Played:
    from streams.codec.outputs import Wire
    from streams.config import registry_of
    from streams.replay.telling.play import play
    from streams.replay.telling.recorded import as_it_was, instead, recording, reproduced
    from streams.replay.topics import consumer_of

    config = get_config()
    admin(config)
    options, names = kafka_options(config), names_of(config)
    with _progress("reading the journal"):
        past = recording(options, names, Wire(registry_of(config)))
    begin, end = asked.range(past.first, past.last)
    today, others = asked.today or Variant("as it was", {}), asked.others(begin, end)
    each = [*([] if asked.today is None else [today.records]), *({**today.records, **one.records} for one in others)]
    controls = [as_it_was(past.control), *(instead(past.control, one, alone=today.alone) for one in each)]
    heard_to = asked.heard_to(end, past.last)
    consumer = consumer_of(options)
    try:
        with _progress("playing", past.size) as told:
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
    return Played(heard, [one.name for one in variants], Range(begin, end, list(notes)), again)


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Shows how far it has come where standard error is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console, began = Console(stderr=True), time.monotonic()
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} records"), BarColumn(),
               TaskProgressColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, rate="")
        yield lambda n: bar.update(task, completed=n, rate=f"{n / max(time.monotonic() - began, 1e-3):,.0f}/s")


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
