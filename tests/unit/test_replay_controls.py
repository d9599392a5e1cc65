"""What is in force at each moment of a replay: control states by their time, and batches cut where they change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.model import Batch, Control, Original
from streams.replay.backtest.history import History, Standing
from streams.replay.controls import Controls
from streams.replay.folding import fold
from streams.replay.spool import Waiting
from streams.rules.indicators import named_list
from streams.rules.rule import RuleSet
from streams.state.alerts.inforce import POLICY
from tests.unit.alert_steps import finding

NONE = RuleSet(())
STATES = Controls(tuple(Control(n, NONE) for n in (1, 4, 9)), (0, 1000, 2000))


@pytest.mark.parametrize(("now", "position"), [(-5, 1), (0, 1), (999, 1), (1000, 4), (1999, 4), (2000, 9), (9999, 9)])
def test_a_state_is_in_force_from_its_time_on(now: int, position: int) -> None:
    assert STATES.at(now).position == position
    assert STATES.of(position) is STATES.at(now)


@pytest.mark.parametrize(
    ("after", "until", "changes"),
    [(0, 500, ()), (0, 1000, (1000,)), (1000, 2000, (2000,)), (-9, 9999, (1000, 2000)), (2000, 1000, ())],
)
def test_changes_lie_behind_one_time_and_not_behind_the_other(after: int, until: int, changes: tuple[int, ...]) -> None:
    assert STATES.changes(after, until) == changes


@pytest.mark.parametrize(
    ("before", "stamps", "pieces"),
    [
        (0, [1, 2], [([1, 2], 2, 1)]),
        (0, [1, 1000, 1001], [([1], 1, 1), ([1000, 1001], 1001, 4)]),
        (0, [1, 1500, 3, 2500], [([1], 1, 1), ([1500, 3], 1500, 4), ([2500], 2500, 9)]),  # the clock never goes back
        (1500, [1, 2], [([1, 2], 1500, 4)]),
        (0, [3000], [([3000], 3000, 9)]),
    ],
)
def test_a_batch_is_cut_where_something_else_comes_into_force(
    before: int, stamps: list[int], pieces: list[tuple[list[int], int, int]]
) -> None:
    batch = Batch([(n, b"", stamp) for n, stamp in enumerate(stamps)], lambda n: Original(b"%d" % n, ()))
    parted = list(STATES.parted(batch, before))
    assert [([stamp for *_, stamp in one.records], now, control.position) for one, now, control in parted] == pieces
    for one, _, _ in parted:
        for offset, _, _ in one.records:
            assert one.original_of(offset).key == b"%d" % offset, "its own key and headers"


def test_events_only_see_other_rules_and_lists() -> None:
    silenced = Controls((Control(1, NONE), Control(2, NONE, {"silence/x": {}})), (0, 5))
    assert silenced.of_rules().states == silenced.states[:1]


def silence(begin: int, end: int) -> dict[str, Any]:
    return {"matchers": ["rule=r"], "starts_at": begin, "ends_at": end, "author": "ada", "comment": "known"}


def test_an_alert_is_held_back_by_a_silence_from_when_that_was_made() -> None:
    quiet = {"silence/x": silence(0, 99_000_000)}
    controls = Controls((Control(1, NONE), Control(2, NONE, quiet), Control(3, NONE)), (0, 5_000_000, 9_000_000))
    records = [
        Waiting(
            at, b"acme", msgspec.json.encode(finding(at, rule="r", alert_id=f"a{at}", key={"n": at}, event_time=at))
        )
        for at in (4_000_000, 6_000_000)
    ]
    (before, during), after = (
        fold(iter(records), controls, until, versions=False).alerts for until in (7_000_000, 10_000_000)
    )
    assert before.suppressed == (), "it had been told"
    assert [one.by for one in during.suppressed] == ["x"]
    assert [one.suppressed for one in after] == [(), ()]


def test_the_first_policy_holds_for_what_came_before_it_and_the_configured_one_where_there_never_was_any() -> None:
    chat, phone = {"receivers": [{"name": "chat"}]}, {"receivers": [{"name": "phone"}]}
    bad = named_list("bad", ["192.0.2.1"])
    states = (
        Standing(100, 1, {}, {"bad": bad}),
        Standing(200, 2, {POLICY: chat}, {"bad": bad}),
        Standing(300, 3, {POLICY: phone, "silence/x": {}}, {"bad": bad}),
    )
    told = History("control", states, ((100, b"a"), (200, b"b"), (300, b"c")))
    controls = told.over(NONE, {POLICY: {"receivers": []}}, {})
    assert [(since, one.records) for one, since in zip(controls.states, controls.since, strict=True)] == [
        (0, {POLICY: chat}), (300, {POLICY: phone, "silence/x": {}}),
    ]  # fmt: skip
    configured: dict[str, dict[str, Any]] = {POLICY: {"receivers": []}}
    assert History("control", states[:1], ()).over(NONE, configured, {}).at(150).records == configured
    assert told.begins() == {"bad": 100}
    assert told.described(250)["taken"] == 2
    assert told.described(250) == History("control", states[:2], told.written[:2]).described(250)
