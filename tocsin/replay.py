"""Backtests from Python, for notebooks and scripts: ``from tocsin.replay import backtest``.

The same as ``tocsin backtest``: the code of a live worker over topics or files, on a simulated clock. Errors are
those of ``streams.errors``, with a ``hint``. ``examples/backtest_in_python.py`` shows it at work.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from streams.cli.backtest_run import Asked, Done, carried_out, prepared, rulesets_of
from streams.cli.context import Invocation
from streams.errors import ConfigError
from streams.model import Alert
from streams.replay.backtest.document import encoded
from streams.replay.backtest.tables import COLUMNS, arrow, write_parquet
from streams.replay.topics import EARLIEST, LATEST

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Backtest", "backtest"]

Place = str | Path
TABLES = tuple(COLUMNS)  #: what ``to_arrow`` knows


class Backtest:
    """A finished backtest: an iterable of the candidate's alerts, by event time and id."""

    def __init__(self, done: Done) -> None:
        self._done = done

    @property
    def report(self) -> dict[str, Any]:
        """What ``tocsin backtest --json`` prints."""
        return self._done.report

    def alerts(self, rule: str | None = None) -> list[Alert]:
        """The last version of each, or of those of one rule."""
        return [alert for alert in self._done.ran[0].result.alerts if rule is None or alert.rule == rule]

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._done.ran[0].result.alerts)

    def __len__(self) -> int:
        return len(self._done.ran[0].result.alerts)

    def to_arrow(self, table: str = "alerts") -> pyarrow.Table:
        """``alerts``, ``evidence``, ``findings``, ``rules`` or ``inputs``. Raises ConfigError for another name."""
        return arrow(table, self._done.report, self._done.ran)

    def to_parquet(self, folder: Place) -> list[Path]:
        """Write every table as ``TABLE.parquet``, and say where. Raises ConfigError where that is impossible."""
        return write_parquet(Path(folder), self._done.report, self._done.ran)

    def to_json(self) -> bytes:
        """``report``, as it stands in report.json: the same bytes for the same input."""
        return encoded(self._done.report)

    def __repr__(self) -> str:
        counts = self._done.report["counts"]
        return f"<Backtest: {counts['alerts']:,} alerts of {counts['events']:,} events>"


def backtest(
    sources: Mapping[str, Place | Sequence[Place]] | None = None,
    *,
    rules: Place | Sequence[Place] = (),
    begin: str = EARLIEST,
    end: str = LATEST,
    mappings: Mapping[str, str] | str | None = None,
    lists: Mapping[str, Place] | None = None,
    baseline: Place | None = None,
    whole: bool = False,
    labels: Place | None = None,
    ignore_commands: bool = False,
    config: Place | None = None,
    jobs: int = 1,
    resume: Place | None = None,
) -> Backtest:
    """What rules would have done with recorded events.

    ``sources``: by the name of a source its files, or ``topic:TOPIC[@FROM..TO]``; without it the topics of all
    configured sources. ``rules``: files and folders; without them the configured ones. ``begin`` and ``end`` are as on
    the command line (``last 7d``, RFC 3339, offsets). ``mappings``: of each source, or one for all. ``lists``: a
    file by the name of a list. ``baseline``: rules to compare with, or ``"current"``. ``ignore_commands``:
    leave out what people did to alerts meanwhile. ``config``: a file, else
    tocsin.yaml here.
    ``jobs``: processes, made by forking. ``resume``: a folder to keep the way in, so that a killed run goes on.

    Raises ConfigError, ClusterError or TocsinError as the command does: for what is not there, for a range without
    events, for labels that match nothing.
    """
    asked = Asked(
        begin=begin, end=end,
        given=tuple(f"{name}={place}" for name, places in (sources or {}).items() for place in _several(places)),
        mappings=_mappings(mappings), paths=tuple(Path(path) for path in _several(rules)),
        lists=tuple(f"{name}={path}" for name, path in (lists or {}).items()),
        baseline=None if baseline is None else str(baseline), whole=whole,
        labelled=None if labels is None else Path(labels),
        ignore_commands=ignore_commands,
    )  # fmt: skip
    try:
        loaded = Invocation(config=None if config is None else Path(config)).load()
        ready = prepared(asked, rulesets_of(asked, loaded), loaded, None if resume is None else Path(resume))
        done = carried_out(asked, ready, loaded, jobs, Console(file=io.StringIO()))
    except click.UsageError as error:
        raise ConfigError(error.message) from None
    if ready.folder is not None:
        ready.folder.done()
    return Backtest(done)


def _several(places: Place | Sequence[Place]) -> Sequence[Place]:
    return [places] if isinstance(places, (str, Path)) else places


def _mappings(given: Mapping[str, str] | str | None) -> tuple[str, ...]:
    if given is None or isinstance(given, str):
        return () if given is None else (given,)
    return tuple(f"{name}={mapping}" for name, mapping in given.items())
