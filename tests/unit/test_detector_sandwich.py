"""Sandwiches: any order of arrival, duplicates, hostile values, large blocks, and a plain search that must agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.boxed import MAX_INNER
from streams.detect.detectors import Event, Found
from streams.detect.detectors.sandwich import MOST, Sandwiches

BOT, ANN, BEA = "0xb07", "0xa11", "0xbea"
ROUTER = "0x7A250d5630B4cF539739dF2C5dAcb4c659F2488D"


def swap(tx: int, who: str, buys: bool, amount_in: Any, amount_out: Any, **more: Any) -> dict[str, Any]:
    """A trade of W for X, or (``buys`` false) of X for W."""
    token_in, token_out = ("W", "X") if buys else ("X", "W")
    return {"tx_hash": f"t{tx}", "tx_index": tx, "log_index": tx * 10, "sender": ROUTER, "recipient": who,
            "token_in": token_in, "token_out": token_out, "amount_in": amount_in, "amount_out": amount_out, **more}  # fmt: skip


CLASSIC = [swap(1, BOT, True, 100, 50), swap(2, ANN, True, 10, 4), swap(3, BOT, False, 50, 104)]


def run(events: Iterable[dict[str, Any]], **more: Any) -> list[Found]:
    detector, state, found = Sandwiches(more), None, list[Found]()
    for number, fields in enumerate(events):
        name = f"{fields.get('tx_index')}"
        event = Event(1_000, name, fields, (1_000, number, name))
        state, more_found = detector.step(msgspec.json.decode(msgspec.json.encode(state)), event)
        found += more_found
        assert len(msgspec.json.encode(state)) <= MAX_INNER
    return found


def backs(found: Sequence[Found]) -> list[str]:
    return sorted(one.about[2] for one in found if one.about)


@pytest.mark.parametrize("seed", range(6))
def test_in_any_order_and_with_duplicates_it_is_one_finding_about_the_back_run(seed: int) -> None:
    events = [*CLASSIC, *CLASSIC]
    Random(seed).shuffle(events)
    (found,) = run(events)
    assert found.about is not None
    assert found.about[2] == "3"
    assert [sight[2] for sight in found.evidence] == ["1", "2", "3"]
    assert (found.value, found.detail["attacker"], found.detail["gain"], found.detail["left_over"]) == (
        1,
        BOT,
        "4",
        "0",
    )


CASES: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("two of two actors in one block", [
        *CLASSIC, swap(5, BEA, False, 30, 60), swap(6, ANN, False, 3, 6), swap(7, BEA, True, 60, 31)], ["3", "7"]),
    ("two of one actor, one after the other", [
        *CLASSIC, swap(5, BOT, True, 100, 50), swap(6, BEA, True, 9, 4), swap(7, BOT, False, 50, 105)], ["3", "7"]),
    ("one inside the other", [
        swap(1, BOT, True, 100, 50), swap(2, BEA, True, 60, 30), swap(3, ANN, True, 9, 4), swap(4, BEA, False, 30, 62),
        swap(5, BOT, False, 50, 104)], ["4", "5"]),
    ("a back-run spread over two transactions is told with the last", [
        *CLASSIC[:2], swap(3, BOT, False, 20, 41), swap(4, BOT, False, 30, 63)], ["4"]),
    ("a stake that comes back whole, the gain kept in the other token", [
        swap(1, BOT, True, 100, 50), swap(2, ANN, True, 90, 30), swap(3, BOT, False, 35, 100)], ["3"]),
    ("two legs in each transaction", [
        swap(1, BOT, True, 50, 25, log_index=1), swap(1, BOT, True, 50, 24, log_index=2), CLASSIC[1],
        swap(3, BOT, False, 25, 52, log_index=1), swap(3, BOT, False, 24, 51, log_index=2)], ["3"]),
    ("a contract in front, its owner behind", [
        swap(1, BOT, True, 100, 50, **{"sender": "0xc0", "recipient": "0xc0", "from": BOT}), CLASSIC[1],
        swap(3, BOT, False, 50, 104)], ["3"]),
    ("checksums are no other addresses", [
        swap(1, "0xABc", True, 100, 50), CLASSIC[1], swap(3, "0xabC", False, 50, 104)], ["3"]),
    ("front and back in one transaction", [
        swap(1, BOT, True, 100, 50), swap(1, ANN, True, 10, 4, log_index=11), swap(1, BOT, False, 50, 104, log_index=12)],
     []),
    ("the victim is the same actor", [CLASSIC[0], swap(2, BOT, True, 10, 4), CLASSIC[2]], []),
    ("the victim stands in the front-run's transaction", [
        CLASSIC[0], swap(1, ANN, True, 10, 4, log_index=11), CLASSIC[2]], []),
    ("other tokens of the same pool", [
        CLASSIC[0], CLASSIC[1], {**CLASSIC[2], "token_out": "Y"}], []),
    ("both ways in the wrong order of the block", [
        swap(3, BOT, True, 100, 50), CLASSIC[1], swap(1, BOT, False, 50, 104)], []),
    ("a back-run without a front-run of its own", [*CLASSIC, swap(4, BEA, True, 9, 4), swap(5, BOT, False, 50, 99)],
     ["3"]),
]  # fmt: skip


@pytest.mark.parametrize(("events", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_a_sandwich(events: list[dict[str, Any]], wanted: list[str]) -> None:
    assert backs(run(events)) == wanted


@pytest.mark.parametrize(("sold", "fires"), [(45, True), (44, False), (55, True), (56, False)])
def test_a_tenth_more_or_less_is_the_same_amount(sold: int, fires: bool) -> None:
    assert bool(run([*CLASSIC[:2], swap(3, BOT, False, sold, 300)])) is fires


def test_amounts_of_256_bits_are_compared_exactly() -> None:
    bought = 2**255
    events = [swap(1, BOT, True, "1", str(bought)), CLASSIC[1], swap(3, BOT, False, str(bought + 1), "7")]
    assert run(events, tolerance=0) == []
    events[2]["amount_in"] = str(bought)
    (found,) = run(events, tolerance=0)
    assert found.detail["gain"] == "6"


HOSTILE = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.sampled_from(
    ["", "1", "-1", "0", "1e400", "9" * 101, "NaN", "0x10", "x" * 500, '"' * 66, "\x00" * 66, "W", "X", BOT]
) | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=2), st.integers(), max_size=1)  # fmt: skip


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(CLASSIC[0], HOSTILE)), max_size=6))
def test_hostile_values_find_nothing_and_hide_nothing(noise: list[dict[str, Any]]) -> None:
    events = [{**one, "tx_index": 90} for one in noise]
    assert "3" in backs(run([*events, *CLASSIC]))
    detector, state = Sandwiches({}), None
    for number, fields in enumerate(noise):
        state, _ = detector.step(state, Event(0, "", fields, (0, number, "")))


def test_a_huge_block_keeps_its_end_counts_what_it_forgot_and_still_finds() -> None:
    crowd = [swap(tx, f"0x{tx:040x}", tx % 2 == 0, 10 + tx, 5 + tx) for tx in range(1, 900)]
    last = [{**one, "tx_index": 3_000 + one["tx_index"]} for one in CLASSIC]
    (found,) = run([*crowd, *last])
    assert found.detail["forgotten"] == len(crowd) + len(last) - MOST


def test_the_largest_state_stays_below_what_a_key_may_have() -> None:
    long = [swap(tx, "x" * 300, True, "9" * 99, "8" * 99, sender="y" * 300, tx_hash="z" * 300, log_index='"' * 300,
                 token_in="v" * 66, token_out="w" * 66) for tx in range(MOST + 9)]  # fmt: skip
    assert run(long) == []


@pytest.mark.parametrize(("sold", "regained", "fires"), [(500, 999, True), (499, 998, False), (499, 999, True)])
def test_what_is_sold_at_a_loss_must_be_what_was_bought(sold: int, regained: int, fires: bool) -> None:
    events = [swap(1, BOT, True, 1_000, 500), CLASSIC[1], swap(3, BOT, False, sold, regained)]
    assert bool(run(events)) is fires


@pytest.mark.parametrize(
    "bad",
    [{"exact": None}, {"tolerance": -1}, {"tolerance": 1}, {"tolerance": "x"}, {"routers": "0x"}, {"routers": [1]}],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tolerance|exact|routers"):
        Sandwiches(bad)


def test_a_router_can_be_added() -> None:
    events = [
        swap(1, ANN, True, 100, 50, sender="0xDEX"),
        swap(2, BEA, True, 9, 4),
        swap(3, BOT, False, 50, 99, sender="0xdex"),
    ]
    assert backs(run(events)) == ["3"]
    assert run(events, routers=["0xDEX"]) == []


# --- against a plain search over all triples: where each actor trades at most once each way it finds the same

ACTORS = ("0x1", "0x2", "0x3", "0x4")
SIZE = st.integers(8, 14)
TRADES = st.lists(st.tuples(st.sampled_from(ACTORS), st.booleans(), SIZE, SIZE), max_size=8, unique_by=lambda t: t[:2])


def plainly(trades: list[dict[str, Any]]) -> list[str]:
    found = set()
    for front in trades:
        for back in trades:
            same = front["recipient"] == back["recipient"] and front["token_in"] == back["token_out"]
            sold = abs(Fraction(back["amount_in"], front["amount_out"]) - 1)
            regained = abs(Fraction(back["amount_out"], front["amount_in"]) - 1)
            gain = Fraction(back["amount_out"], back["amount_in"]) > Fraction(front["amount_in"], front["amount_out"])
            alike = min(sold, regained) <= (Fraction(1, 10) if gain else Fraction(1, 1000))
            between = any(
                front["tx_index"] < one["tx_index"] < back["tx_index"] and one["token_in"] == front["token_in"]
                and one["recipient"] != front["recipient"] for one in trades
            )  # fmt: skip
            if same and alike and between:
                found.add(str(back["tx_index"]))
    return sorted(found)


@settings(max_examples=200)
@given(TRADES, st.randoms(use_true_random=False))
def test_it_finds_what_a_plain_search_finds_in_whatever_order_they_come(trades: list[Any], rng: Random) -> None:
    events = [swap(tx, who, buys, paid, bought) for tx, (who, buys, paid, bought) in enumerate(trades)]
    wanted = plainly(events)
    rng.shuffle(events)
    assert backs(run(events)) == wanted
