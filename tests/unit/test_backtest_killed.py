"""A process of a backtest that dies is one clear error, never a shorter report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from streams.errors import ConfigError, TocsinError
from streams.model import Record, Source
from streams.replay.backtest.run import backtest
from streams.replay.runner import PartitionLog
from streams.rules.rule import RuleSet

SOURCE = Source("audit", "audit.events")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one process")


@dataclass(frozen=True, slots=True)
class Dying:
    """A log in the middle of which ``ends`` happens."""

    ends: str
    number: int
    source: Source = SOURCE
    size: int = 2

    @contextmanager
    def open(self) -> Iterator[PartitionLog]:
        yield PartitionLog(self.source, self.number, self._chunks())

    def _chunks(self) -> Iterator[list[Record]]:
        yield [(0, b'{"event_time": 1}', 1)]
        if self.ends == "killed":
            os._exit(9)
        elif self.ends == "refused":
            raise ConfigError("the log is torn", "mend it")
        yield [(1, b'{"event_time": 2}', 2)]

    def described(self) -> dict[str, Any]:
        return {}

    def order(self) -> tuple[str, str, int]:
        return "audit", "", self.number


def test_a_killed_process_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TocsinError, match="was killed") as error:
        backtest([Dying("killed", 0), Dying("whole", 1)], [RuleSet(())], jobs=2)
    assert "--jobs 1" in error.value.hint


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_log_refuses_is_told_whole_from_whatever_process(jobs: int) -> None:
    with pytest.raises(ConfigError, match="the log is torn") as error:
        backtest([Dying("whole", 0), Dying("refused", 1)], [RuleSet(())], jobs=jobs)
    assert error.value.hint == "mend it"


def test_progress_ends_at_all_that_was_read() -> None:
    for jobs in (1, 2):
        told: list[int] = []
        backtest([Dying("whole", 0), Dying("whole", 1)], [RuleSet(()), RuleSet(())], jobs=jobs, progress=told.append)
        assert told[-1] == 8
        assert told == sorted(told)
