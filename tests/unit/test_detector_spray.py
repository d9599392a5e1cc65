"""Sprays: how many accounts, how often each, and what tells them from an office."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.spray import Spray

MINUTE = 60_000
Try = tuple[int, str, str]


def run(attempts: list[Try], ip: str = "a", **settings: Any) -> list[Any]:
    detector, state, seen = Spray({"accounts": 4, "within": "1h", **settings}), None, []
    for n, (at, account, outcome) in enumerate(attempts):
        fields = {"actor": account, "outcome": outcome, "source_ip": ip if ip else f"ip{n}"}
        state, findings = detector.step(state, Event(at, "", fields))
        seen += [one.value for one in findings]
    return seen


def failed(*accounts: str, step: int = MINUTE, begin: int = 0) -> list[Try]:
    return [(begin + n * step, account, "failure") for n, account in enumerate(accounts)]


@pytest.mark.parametrize(
    ("tries", "settings", "values"),
    [
        (failed(*"abcd"), {}, [4]),
        (failed(*"abc"), {}, []),
        (failed(*"abcabc"), {}, []),
        (failed(*"abcde"), {}, [4, 5]),
        (failed(*"abcd", step=20 * MINUTE), {}, []),  # the first lies on the edge
        (failed(*"abcd", step=20 * MINUTE - 1), {}, [4]),
        (failed(*"abcd", step=0), {}, [4]),
        (failed(*"aaaaaaaabcd"), {"tries": 2}, []),  # a password list, not a spray
        ([*failed(*"abcd"), (5, "a", "success")], {}, [4]),
        ([(0, "a", "success"), *failed(*"abcd")], {}, []),  # a got in after all: three are left
        ([(n, f"fine-{n}", "success") for n in range(5)] + failed(*"abcd"), {}, []),  # most get in
        ([(n, f"fine-{n}", "success") for n in range(4)] + failed(*"abcd"), {}, [4]),
        (failed("", *"abc"), {}, []),  # nobody's name is no account
    ],
)  # fmt: skip
def test_what_is_found(tries: list[Try], settings: dict[str, Any], values: list[int]) -> None:
    assert run(tries, **settings) == values


def test_many_addresses_can_be_asked_for() -> None:
    assert run(failed(*"abcd"), addresses=3) == []
    assert run(failed(*"abcd"), ip="", addresses=3) == [4]


def test_late_failures_count() -> None:
    tries = failed(*"abcd")
    assert run(list(reversed(tries))) == [4]
    assert run([tries[3], tries[0], tries[2], tries[1]]) == [4]


def test_hostile_values_and_a_flood_stay_small() -> None:
    detector, state = Spray({"accounts": 600}), None
    for n in range(1_000):
        fields = {"actor": f"{n}\ud800" * 50, "outcome": "failure", "repeat": "1" * 90, "source_ip": [n]}
        state, _ = detector.step(state, Event(n, "", fields))
    assert len(msgspec.json.encode(state)) < 40_000
    nobody: list[Any] = [None, 5, True, [], {}]
    for actor in nobody:
        assert detector.step(None, Event(1, "", {"actor": actor, "outcome": "failure"})) == (None, ())


@pytest.mark.parametrize(
    "settings", [{"accounts": 0}, {"accounts": 601}, {"tries": 0}, {"share": 1.5}, {"addresses": 0}]
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="accounts lie between"):
        Spray(settings)
