"""The verdict on a fault is only worth what it finds: each thing that may go wrong, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streams.model import Delivery, Outcome
from streams.runtime.ledger import Entry
from tests.faults.verdict import Log, Target, judge

HOOK = {"name": "hook", "type": "webhook", "url": "http://127.0.0.1:9/"}
STORE = {"name": "store", "type": "sqlite", "path": "a.db"}


def entry(sink: str, key: str, *outcomes: Outcome, where: str = "") -> Entry:
    attempts = [
        Delivery(
            notification_id=key, alert_id="a", tenant="acme", sink=sink, attempt=n, outcome=outcome, at=n, latency_ms=1,
            error="" if outcome is Outcome.DELIVERED else "HTTP 503",
        )
        for n, outcome in enumerate(outcomes, 1)
    ]  # fmt: skip
    return Entry(key, sink, "a", "acme", where=[where] if where else [], attempts=attempts)


def letter(where: str, sink: str = "hook", error: str = "HTTP 503") -> dict[str, Any]:
    return {"origin": where, "stage": f"deliver:{sink}", "error": error}


def command(key: str) -> dict[str, Any]:
    return {"receiver": "hook", "notification_id": key}


#: One was delivered at the second attempt, one is lost and said to be; of the alert x two versions are stored.
LOG = Log(
    [
        entry("hook", "a-1", Outcome.RETRY, Outcome.DELIVERED, where="notifications/0/1"),
        entry("hook", "b-1", Outcome.RETRY, Outcome.FAILED, where="notifications/0/2"),
        entry("store", "x:1", Outcome.DELIVERED),
        entry("store", "x:2", Outcome.DELIVERED),
    ],
    [letter("notifications/0/2")],
    [command("b-1")],
    {"x:1": "alerts/0/1", "x:2": "alerts/0/2"},
)
TOLD = Target(HOOK, lambda: ["a-1"], ordered=True)
STORED = Target(STORE, lambda: ["x:1", "x:2"], lambda: {"x": 2})


def test_what_is_as_it_should_be_has_no_problem() -> None:
    for target in (TOLD, STORED):
        assert judge(target, LOG).problems == []
    found = judge(TOLD, LOG)
    assert (found.told, found.delivered, found.lost, found.attempts) == (2, 1, 1, 4)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda log: replace(log, letters=[]), "lost without a dead letter"),
        (lambda log: replace(log, letters=[letter("notifications/0/2", "other")]), "lost without a dead letter"),
        (lambda log: replace(log, letters=[letter("notifications/0/2", error="")]), "without a reason"),
        (lambda log: replace(log, letters=[*log.letters, letter("notifications/0/1")]), "of what is not lost"),
        (lambda log: replace(log, commands=[]), "its alert was not told"),
        (lambda log: replace(log, commands=[*log.commands, command("a-1")]), "a loss that is none"),
        (lambda log: replace(log, entries=[*log.entries, entry("hook", "c-1", where="notifications/0/3")]), "no outcome"),
        (
            lambda log: replace(log, entries=[*log.entries, entry("hook", "c-1", Outcome.RETRY, where="notifications/0/3")]),
            "no outcome",
        ),
        (lambda log: replace(log, entries=[*log.entries, entry("hook", "c-1", Outcome.REJECTED)]), "never told"),
    ],
)  # fmt: skip
def test_what_is_wrong_on_the_topics_is_found(change: Callable[[Log], Log], problem: str) -> None:
    (found,) = {one.partition(":")[0] for one in judge(TOLD, change(LOG)).problems if problem in one}
    assert problem in found


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (replace(TOLD, shown=list), "delivered, and the receiver has it not"),
        (replace(TOLD, shown=lambda: ["a-1", "z-1"]), "shown, and never told"),
        (replace(TOLD, shown=lambda: ["a-1", "a-1"]), "shown twice"),
        (replace(TOLD, shown=lambda: ["a-2", "a-1"]), "out of order"),
        (replace(TOLD, broken=lambda: ["a dot in the id"]), "rules of the receiver"),
        (replace(STORED, newest=lambda: {"x": 1}), "not as on the topic"),
        (replace(STORED, newest=lambda: {"x": 2, "y": 1}), "not as on the topic"),
        (replace(STORED, shown=lambda: ["x:2"]), "delivered, and the receiver has it not"),
        (replace(STORED, ledger=lambda: 5), "holds 5 attempts of the 6"),
    ],
)
def test_what_is_wrong_at_the_receiver_is_found(target: Target, problem: str) -> None:
    assert any(problem in one for one in judge(target, LOG).problems)


def test_a_receiver_without_idempotency_keys_may_show_something_twice() -> None:
    assert judge(replace(TOLD, once=False, shown=lambda: ["a-1", "a-1"]), LOG).problems == []


def test_a_sink_that_has_not_come_to_its_end_is_no_verdict_yet() -> None:
    assert any("has not committed" in one for one in judge(TOLD, LOG, ended=False).problems)
