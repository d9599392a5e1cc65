"""The ``dex`` mapping: many spellings of one swap, and rows that nobody can read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec.dex import dex
from streams.codec.registry import mapping_named_or_file

TX = "0x" + "ab" * 32
ROW = {
    "event": "dex_swap", "event_id": "7:2:0.1", "chain": "ethereum", "block_number": 7, "ts": 1_600_728_545,
    "tx_hash": TX, "tx_position": 2, "trace_address": [0, 1], "pool": "0xP", "sender": "0xS", "recipient": "0xR",
    "token_in": "0xA", "amount_in": "20000000000000000000", "token_out": "0xB", "amount_out": "5", "error": None,
}  # fmt: skip
WANTED = {
    "type": "swap", "event_id": "7:2:0.1", "chain_id": 1, "block": 7, "event_time": 1_600_728_545_000, "tx_hash": TX,
    "tx_index": 2, "trace_address": [0, 1], "pool": "0xp", "sender": "0xs", "recipient": "0xr", "token_in": "0xa",
    "amount_in": "20000000000000000000", "token_out": "0xb", "amount_out": "5", "outcome": "success",
}  # fmt: skip


def mapped(row: Any) -> dict[str, Any]:
    return dex(msgspec.json.encode(row))


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name not in names}


def test_a_row_becomes_the_envelope_and_keeps_its_own_names() -> None:
    envelope = mapped(ROW)
    assert {name: envelope[name] for name in WANTED} == WANTED
    assert envelope["block_number"] == 7
    assert mapping_named_or_file("dex") is dex


@pytest.mark.parametrize(
    ("left_out", "instead"),
    [
        ("event", {"type": "Swap"}),
        ("chain", {"chainId": 1}),
        ("chain", {"network": "Mainnet"}),
        ("chain", {"chain_id": "0x1"}),
        ("block_number", {"blockNumber": "0x7"}),
        ("block_number", {"block": "7"}),
        ("ts", {"timestamp": 1_600_728_545_000}),
        ("ts", {"block_timestamp": "2020-09-21T22:49:05Z"}),
        ("ts", {"timeStamp": 1, "timestamp": "0x5f692de1"}),
        ("ts", {"ts": 1_600_728_545.0}),
        ("tx_hash", {"transactionHash": TX.upper().replace("0X", "0x")}),
        ("tx_hash", {"hash": TX}),
        ("tx_position", {"transactionIndex": "2"}),
        ("tx_position", {"transaction_position": 2}),
        ("trace_address", {"traceAddress": "0.1"}),
        ("trace_address", {"trace_address": "[0, 1]"}),
        ("pool", {"contract_address": "0xP"}),
        ("sender", {"from_address": "0xS"}),
        ("recipient", {"args": {"recipient": "0xR"}}),
        ("amount_in", {"token_in_amount": 20_000_000_000_000_000_000}),
        ("amount_in", {"amountIn": "0x1158e460913d00000"}),
    ],
)
def test_other_spellings_say_the_same(left_out: str, instead: dict[str, Any]) -> None:
    envelope = mapped({**without(left_out), **instead})
    assert {name: envelope.get(name) for name in WANTED} == WANTED


@pytest.mark.parametrize(
    ("amounts", "sides"),
    [
        ({"amount0": "-5", "amount1": "9"}, ("0xt1", "9", "0xt0", "5")),
        ({"amount0In": 9, "amount0Out": 0, "amount1In": 0, "amount1Out": 5}, ("0xt0", "9", "0xt1", "5")),
        ({"amount0In": 9, "amount0Out": 2, "amount1In": 0, "amount1Out": 5}, ("0xt0", "7", "0xt1", "5")),
        ({"amount0": 5, "amount1": 9}, None),
        ({"amount0": 0, "amount1": 0}, None),
    ],
)
def test_amounts_of_two_tokens_become_in_and_out(amounts: dict[str, Any], sides: tuple[str, ...] | None) -> None:
    row = {"event": "Swap", "address": "0xP", "token0": "0xT0", "token1": "0xT1", "args": amounts}
    envelope = mapped(row)
    found = tuple(envelope.get(name) for name in ("token_in", "amount_in", "token_out", "amount_out"))
    assert found == (sides or (None,) * 4)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [({"error": "Reverted"}, "failure"), ({"status": 0}, "failure"), ({"status": "0x0"}, "failure"),
     ({"status": 1}, "success"), ({"reverted": True}, "failure"), ({"status": False}, "failure")],
)  # fmt: skip
def test_what_was_reverted_did_not_succeed(change: dict[str, Any], outcome: str) -> None:
    assert mapped({**ROW, **change})["outcome"] == outcome


def test_a_log_that_was_taken_back_is_no_swap() -> None:
    assert mapped({**ROW, "removed": True})["type"] == "log.removed"


def test_without_an_id_a_log_is_named_by_its_place_in_its_version_of_the_block() -> None:
    one = mapped({**without("event_id"), "block_hash": "0x" + "1" * 64})["event_id"]
    other = mapped({**without("event_id"), "block_hash": "0x" + "2" * 64})["event_id"]
    assert one != other
    assert one == f"{TX}:0.1:{'1' * 16}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"event": None}, "not a row of an exchange"),
        ({"event": 7}, "not a row of an exchange"),
        ({"block_number": True}, "block: True is not a whole number"),
        ({"block_number": -1}, "block: -1 is out of range"),
        ({"block_number": "latest"}, "block: 'latest' is not a whole number"),
        ({"amount_in": "12abc"}, "amount_in: '12abc' is not a whole number"),
        ({"amount_in": "1.5"}, "amount_in: '1.5' is not a whole number"),
        ({"amount_in": {"wei": 1}}, "amount_in: dict is not a whole number"),
        ({"amount_in": "1" * 81}, "is not a whole number"),
        ({"ts": "yesterday"}, "event_time: 'yesterday' is not a whole number"),
        ({"ts": 10**25}, "event_time:"),
        ({"ts": -1}, "is not between the years"),
        ({"trace_address": {"a": 1}}, "trace_address: dict is no list"),
        ({"trace_address": [0] * 65}, "no list of at most 64 integers"),
        ({"trace_address": [True]}, "no list of at most 64 integers"),
        ({"pool": ["0xP"]}, "pool: list is not a name"),
        ({"sender": "x" * 201}, "sender:"),
    ],
)
def test_what_cannot_be_read_is_refused_and_says_why(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as error:
        mapped({**ROW, **change})
    assert text in str(error.value)
    assert len(str(error.value)) < 300


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**300) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40) | st.sampled_from(["0x", "-0x1", "1e5", "٣", "0x" + "f" * 65]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*ROW, "amount0", "amount1", "args", "timestamp", "removed", "status"]), JUNK))
def test_any_row_is_mapped_or_refused_with_a_value_error(change: dict[str, Any]) -> None:
    try:
        envelope = mapped({**ROW, **change})
    except ValueError:
        return
    assert type(envelope["type"]) is str
    for name in ("block", "tx_index", "event_time"):
        assert type(envelope.get(name, 0)) is int
    for name in ("amount_in", "amount_out"):
        assert type(envelope.get(name) or "0") is str  # null says that there is none
