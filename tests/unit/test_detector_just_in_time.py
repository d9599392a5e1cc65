"""Just-in-time liquidity: any order of arrival, who counts as one provider, and hostile values."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.boxed import MAX_INNER
from streams.detect.detectors import Event, Found
from streams.detect.detectors.just_in_time import MOST, JustInTime

SHARED = "0xC36442b4a4522E871399CD717aBDD847Ab11FE88"


def act(tx: int, type_: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "tx_hash": f"t{tx}", "tx_index": tx, "log_index": tx, **more}


MINT, SWAP, BURN = (
    act(1, "liquidity.mint", caller=SHARED, owner="0xa"),
    act(2, "swap", sender="0xr", recipient="0xb"),
    act(3, "liquidity.burn", caller=SHARED, owner="0xa"),
)


def run(events: Iterable[dict[str, Any]], **more: Any) -> list[Found]:
    detector, state, found = JustInTime(more), None, list[Found]()
    for number, fields in enumerate(events):
        event = Event(1_000, f"{fields.get('tx_index')}", fields, (1_000, number, f"{fields.get('tx_index')}"))
        state, more_found = detector.step(msgspec.json.decode(msgspec.json.encode(state)), event)
        found += more_found
        assert len(msgspec.json.encode(state)) <= MAX_INNER
    return found


@pytest.mark.parametrize("order", list(permutations([MINT, SWAP, BURN, SWAP])))
def test_in_any_order_it_is_one_finding_about_the_burn(order: tuple[dict[str, Any], ...]) -> None:
    (found,) = run(order)
    assert found.about is not None
    assert found.about[2] == "3"
    assert (found.value, found.detail["mint_tx"], found.detail["burn_tx"]) == (1, "t1", "t3")


@pytest.mark.parametrize(
    ("mint", "burn", "fires"),
    [
        ({"owner": None}, {"owner": None}, True),  # only the shared contract is told
        ({"owner": "0xA"}, {"owner": "0xa"}, True),
        ({"owner": "0xa"}, {"owner": "0xc"}, False),
        ({"owner": None}, {"owner": "0xa"}, True),
        (
            {"owner": None, "from": "0x1"},
            {"owner": None, "from": "0x2"},
            False,
        ),  # the contract is shared, who calls is not
        ({"owner": SHARED, "from": "0x1"}, {"owner": SHARED, "from": "0x2"}, False),
        ({"owner": None, "caller": None}, {"owner": None, "caller": None}, False),
        ({"liquidity": "1000"}, {"liquidity": "900"}, True),
        ({"liquidity": "1000"}, {"liquidity": "899"}, False),
        ({"liquidity": "1000"}, {"liquidity": True}, True),  # not told
        ({"tick_lower": 1, "tick_upper": 2}, {"tick_lower": 1, "tick_upper": 2}, True),
        ({"tick_lower": 1, "tick_upper": 2}, {"tick_lower": 1, "tick_upper": 3}, False),
        ({"tx_index": 5}, {}, False),
        ({}, {"tx_index": 1}, False),
        ({"tx_index": "1"}, {"tx_index": "3"}, True),
        ({"tx_index": None}, {}, False),
        ({"type": "Mint"}, {"type": "burn"}, True),
    ],
)
def test_who_is_one_provider(mint: dict[str, Any], burn: dict[str, Any], fires: bool) -> None:
    assert bool(run([{**MINT, **mint}, SWAP, {**BURN, **burn}])) is fires


@pytest.mark.parametrize(
    "swap", [{"recipient": "0xA"}, {"from": "0xa"}, {"tx_index": 1}, {"tx_index": 3}, {"tx_index": 4}]
)
def test_a_swap_of_the_providers_own_or_outside_is_none(swap: dict[str, Any]) -> None:
    assert run([MINT, {**SWAP, **swap}, BURN]) == []


def test_two_of_one_block_are_two_findings_and_a_mint_serves_one_burn() -> None:
    more = [{**one, "tx_index": one["tx_index"] + 10} for one in (MINT, SWAP, BURN)]
    assert len(run([MINT, SWAP, BURN, *more])) == 2
    assert len(run([MINT, SWAP, BURN, {**BURN, "tx_index": 4, "log_index": 4}])) == 1


def test_a_huge_block_counts_what_it_forgot() -> None:
    crowd = [act(tx, "swap", recipient=f"0x{tx}", tx_hash='"' * 300, log_index="'" * 90) for tx in range(500)]
    late = [{**one, "tx_index": one["tx_index"] + 900} for one in (MINT, SWAP, BURN)]
    (found,) = run([*crowd, *late])
    assert found.detail["forgotten"] == len(crowd) + 1 - MOST["swap"]


HOSTILE = st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=80) | st.lists(
    st.integers(), max_size=2
)  # fmt: skip


NAMES = sorted({*MINT, "liquidity", "tick_lower"} - {"type"})


@given(st.lists(st.fixed_dictionaries({"type": st.sampled_from(["mint", "burn", "swap", "x"])},
                                      optional=dict.fromkeys(NAMES, HOSTILE)), max_size=6))  # fmt: skip
def test_hostile_values_raise_nothing_and_hide_nothing(noise: list[dict[str, Any]]) -> None:
    run(noise)
    assert "3" in [
        one.about[2] for one in run([*({**one, "tx_index": 0} for one in noise), MINT, SWAP, BURN]) if one.about
    ]
