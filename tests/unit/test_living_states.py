"""States of Python detectors that live: the same findings as states that are text, whatever happens in between."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from streams import pipeline
from streams.detect.base import Moment, Observed, Quick, Skipped
from streams.detect.boxed import Boxed, BoxedTimed
from streams.detect.detectors import UNCHANGED, Event, Found
from streams.detect.living import Living, LivingInPlace, LivingTimed
from streams.state.tables import MAX_LIVE
from tests.detecting import BASE, Changelog, batch, control, detecting, event, findings, letters, rule

KEEPS = 10_000


class Third:
    """Fires at each third event; changes its state in place. Raises where it is told to, having changed it."""

    fields = ("v",)
    keeps = KEEPS
    live = True

    def __init__(self, settings: Any) -> None: ...

    def step(self, state: Any, event: Event) -> tuple[Any, list[Found]]:
        state = state or {"times": []}
        if event.fields.get("v") == "nothing":
            return UNCHANGED if state["times"] else state, []
        state["times"].append(event.time)
        if event.fields.get("v") == "broken":
            raise RuntimeError("in the middle of it")
        n = len(state["times"])
        return state, [Found(n, detail={"times": state["times"][-2:]})] if n % 3 == 0 else []


class Quiet(Third):
    """Clears a second after the last event, too."""

    def due(self, state: Any) -> int | None:
        return state["times"][-1] + 1_000 if state["times"] and not state.get("said") else None

    def step(self, state: Any, event: Event) -> tuple[Any, list[Found]]:
        if state and event.fields.get("v") != "nothing":
            state["said"] = False
        return super().step(state, event)

    def expire(self, state: Any, now: int) -> tuple[Any, list[Found]]:
        state["said"] = True
        return state, [Found(len(state["times"]), clear=True)]


class Copying:
    """The same class over a state of its own, as text needs it: ``UNCHANGED`` is for the living only."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def step(self, state: Any, event: Event) -> Any:
        after, found = self._inner.step(state, event)
        return (state if after is UNCHANGED else after), found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    ("made", "one", "other"), [(Third, Living, Boxed), (Quiet, LivingTimed, BoxedTimed)], ids=["plain", "timed"]
)
@pytest.mark.parametrize("seed", range(20))
def test_a_living_state_sees_what_one_of_text_sees_wherever_it_is_cut(
    made: Any, one: Any, other: Any, seed: int
) -> None:
    rnd = random.Random(seed)
    living, boxed = one(made({}), ("v",), KEEPS), other(Copying(made({})), ("v",), KEEPS)
    left: Any = None
    right: Any = None
    at = BASE
    for number in range(60):
        at += rnd.choice((0, 1, 400, 2_000, -300, 20_000))
        horizon, value = at - KEEPS, rnd.choice((1, 2, "nothing", msgspec.UNSET))
        if made is Quiet:
            while right is not None and (due := boxed.due(right)) is not None and due <= at - 500:
                assert living.due(left) == due
                (left, seen), (right, expected) = living.expire(left), boxed.expire(right)
                assert seen == expected
        moment = Moment(at, number, f"e{rnd.choice((number, number, 3))}", (value,), horizon, at - 500)
        if left is not None and rnd.random() < 0.3:
            left = msgspec.json.decode(msgspec.json.encode(living.written(left)))
        (after, seen), (right, expected) = living.step(left, moment), boxed.step(right, moment)
        assert seen == expected
        if isinstance(seen, (Observed, list)):  # to be told, it is stepped again
            after, seen = living.step(left, moment)
            assert seen == expected
        if seen is not Skipped.DUPLICATE:
            assert after is not left, "a table would take it for nothing new"
        left = after
        assert living.newest(left) == boxed.newest(right)
        assert living.written(left) == right


@pytest.mark.parametrize("seed", range(20))
def test_in_place_it_sees_the_same_and_leaves_the_same(seed: int) -> None:
    rnd = random.Random(seed)
    living, boxed = LivingInPlace(Third({}), ("v",), KEEPS), Boxed(Copying(Third({})), ("v",), KEEPS)
    assert isinstance(living, Quick)
    left: Any = None
    right: Any = None
    at, taken = BASE, 0
    for number in range(80):
        at += rnd.choice((0, 1, 400, -300, 20_000))
        values, horizon = (rnd.choice((1, 2, "nothing", msgspec.UNSET)),), at - KEEPS
        event_id = f"e{rnd.choice((number, number, 3))}"
        moment = Moment(at, number, event_id, values, horizon)
        if left is not None and rnd.random() < 0.2:
            left = msgspec.json.decode(msgspec.json.encode(living.written(left)))
        right, expected = boxed.step(right, moment)
        if left is not None and living.quick(left, at, number, event_id, values, horizon):
            assert expected is None
            taken += 1
        else:
            for _ in range(2):  # to see, and to tell
                after, seen = living.step(left, moment)
                assert seen == expected
                if seen is None:
                    break
            left = after
        assert living.written(left) == right
    assert taken > 10


def test_what_raises_in_place_raises_when_it_is_stepped() -> None:
    living = LivingInPlace(Third({}), ("v",), KEEPS)
    state, _ = living.step(None, Moment(BASE, 0, "a", (1,), BASE - KEEPS))
    assert state is not None
    assert not living.quick(state, BASE, 1, "b", ("broken",), BASE - KEEPS)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="in the middle"):
            living.step(state, Moment(BASE, 1, "b", ("broken",), BASE - KEEPS))


def _rule(name: str, monkeypatch: pytest.MonkeyPatch, made: type) -> dict[str, Any]:
    import streams.detect.detectors.runs as runs

    monkeypatch.setattr(runs, name, made, raising=False)
    return rule(name.lower(), {"python": {"class": f"streams.detect.detectors.runs:{name}"}})


def _fired(outputs: Any) -> list[Any]:
    return [found["observed"] for found in findings(outputs) if found["kind"] == "fire" and "observed" in found]


def test_an_event_that_is_told_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    third = control(_rule("Third", monkeypatch, Third))
    state, log = detecting(), Changelog()
    sent = [event(number * 10, number, v=1) for number in range(9)]
    assert _fired(pipeline.detect(state, batch(sent[:5]), 0, third)) == [3]
    log.commit(state)
    again = log.reborn(detecting())
    later = batch(sent[5:])
    later.records[:] = [(offset + 5, value, stamp) for offset, value, stamp in later.records]
    for one in (state, again):
        assert _fired(pipeline.detect(one, later, 0, third)) == [6, 9]
    assert dict(state.changes()) == dict(again.changes())


def test_a_step_that_raises_costs_the_key_its_state_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    third = control(_rule("Third", monkeypatch, Third))
    state, log = detecting(), Changelog()
    sent = [event(number * 10, number, v="broken" if number == 2 else 1) for number in range(6)]
    outputs = pipeline.detect(state, batch(sent), 0, third)
    assert [letter["reason"] for letter in letters(outputs)] == ["rule_failed"]
    assert _fired(outputs) == [3], "the third after the one that broke it, not the third of all"
    log.commit(state)
    later = batch([event(60 + number, 6 + number, v=1) for number in range(3)])
    later.records[:] = [(offset + 6, value, stamp) for offset, value, stamp in later.records]
    for one in (state, log.reborn(detecting())):
        assert _fired(pipeline.detect(one, later, 0, third)) == [6], "the key begins with the fourth"


def test_a_key_is_forgotten_in_the_log_too_when_its_step_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    third = control(_rule("Third", monkeypatch, Third))
    state, log = detecting(), Changelog()
    pipeline.detect(state, batch([event(0, 0, v=1)]), 0, third)
    log.commit(state)
    broken = batch([event(10, 1, v="broken")])
    broken.records[:] = [(1, *broken.records[0][1:])]
    pipeline.detect(state, broken, 0, third)
    log.commit(state)
    assert not [key for key in log.rows if b'"row"' in key]


def test_above_so_many_keys_states_live_no_longer_than_to_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.state.tables.MAX_LIVE", 3)
    assert MAX_LIVE > 1_000
    third = control(_rule("Third", monkeypatch, Third))
    state, log = detecting(), Changelog()
    fired = []
    for turn in range(3):
        sent = [event(turn * 100 + number, turn * 10 + number, v=1, actor=f"a{number}") for number in range(5)]
        later = batch(sent)
        later.records[:] = [(offset + turn * 5, value, stamp) for offset, value, stamp in later.records]
        fired += _fired(pipeline.detect(state, later, 0, third))
        log.commit(state)
    assert fired == [3] * 5
