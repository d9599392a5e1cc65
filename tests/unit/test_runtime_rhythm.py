"""When a transaction ends: soon with a finding, less often while a worker catches up, and never late for that."""

from __future__ import annotations

from typing import Any, cast

import pytest

from streams.runtime import source, transaction
from streams.runtime.timing import Timing
from streams.runtime.transaction import Transaction


class Quiet:
    def begin_transaction(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(transaction, "time", made)
    return made


def begun(clock: Clock, *, urgent: bool, stirred: bool = True) -> Transaction:
    made = Transaction(cast(Any, Quiet()), cast(Any, None), "detect", Timing())
    made.touch(cast(Any, type("Part", (), {"name": ("audit.events", 0)})))
    made.add([], frozenset(), stirred=stirred)
    made._urgent = urgent
    made._ended, made._took = clock.now, 0.020  # the one before ended just now, and took so long
    return made


@pytest.mark.parametrize(
    ("urgent", "late", "after"),
    [
        (False, 0.0, 0.1),
        (True, 0.0, 0.05),
        (False, 0.2, 0.1),
        (False, 2.0, 0.5),
        (True, 2.0, 0.5),
        (False, 3_600.0, 3.0),
        (True, 3_600.0, 3.0),
    ],
)
def test_a_transaction_adds_a_quarter_to_what_is_late_already(
    clock: Clock, urgent: bool, late: float, after: float
) -> None:
    open_one = begun(clock, urgent=urgent)
    clock.now += after - 0.001
    assert not open_one.due(late)
    clock.now += 0.002
    assert open_one.due(late)


def test_one_slow_commit_does_not_hold_back_what_comes_next(clock: Clock) -> None:
    after_a_slow_one = begun(clock, urgent=True)
    after_a_slow_one._took = 2.0
    clock.now += 0.049
    assert not after_a_slow_one.due(0.0)
    clock.now += 0.002
    assert after_a_slow_one.due(0.0)


def test_positions_alone_are_in_no_hurry(clock: Clock) -> None:
    calm = begun(clock, urgent=False, stirred=False)
    clock.now += 0.9
    assert not calm.due(0.0)
    calm.add([], frozenset(), stirred=True)
    assert calm.due(0.0)


def test_nothing_open_is_never_due(clock: Clock) -> None:
    assert not Transaction(cast(Any, Quiet()), cast(Any, None), "detect", Timing()).due(9.0)


@pytest.mark.parametrize(("stamp", "late"), [(990_000, 10.0), (1_000_500, 0.0), (-1, 0.0)])
def test_a_record_is_late_by_its_own_timestamp(monkeypatch: pytest.MonkeyPatch, stamp: int, late: float) -> None:
    class Message:
        def timestamp(self) -> tuple[int, int]:
            return (1, stamp)

    monkeypatch.setattr(source, "_timestamp", Message.timestamp)  # the client's own takes its own messages only
    assert source.lateness(cast(Any, Message()), 1_000.0) == late
