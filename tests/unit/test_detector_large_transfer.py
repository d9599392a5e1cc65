"""Each asset has its own threshold; nobody can give a token of his own a price, or a name that counts."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.detectors.large_transfer import LargeTransfer
from tests.stepping import HOSTILE, event, walk

_SETTINGS = {
    "usd": 1_000_000,
    "native": {"1": "ETH"},
    "assets": {
        "ETH": {"at_least": 500, "decimals": 18, "tokens": ["WETH"]},
        "USDC": {"at_least": "1000000.5", "decimals": 6, "tokens": ["0xA0b8"]},
    },
}
_ETH = "0" * 18


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({"chain_id": 1, "amount": "500" + _ETH}, 1),
        ({"chain_id": "1", "amount": "500" + _ETH}, 1),
        ({"chain_id": 1, "token": None, "amount": "500" + _ETH}, 1),
        ({"chain_id": 1, "amount": "499" + "9" * 18}, None),
        ({"chain_id": 2, "amount": "500" + _ETH}, None),  # whose coin nobody knows
        ({"chain_id": 2, "amount": "500" + _ETH, "amount_usd": 3_000_000}, 3),
        ({"token": "0xa0B8", "amount": "1000000500000"}, 1),
        ({"token": "0xa0b8", "amount": "1000000499999"}, None),
        ({"token_symbol": "weth", "amount": "5000" + _ETH}, 10),
        ({"token": "0x5ca3", "token_symbol": "WETH", "amount": "5000" + _ETH}, None),  # a symbol anybody can copy
        ({"token": "0xa0b8", "amount": "5", "amount_usd": 10**12}, None),  # a known asset is judged by its amount
        ({"token": "0xa0b8", "amount": "1000001", "decimals": 0}, 1),
        ({"token": "0xa0b8", "amount": "1000001000000", "decimals": -4}, 1),  # no decimals: the asset's own
        ({"token": "0xa0b8", "amount": "1000001000000", "decimals": True}, 1),
        ({"chain_id": 1, "amount": str(2**256 - 1)}, None),
    ],
)
def test_how_many_times_its_threshold_a_transfer_is(fields: dict[str, Any], times: int | None) -> None:
    found = [one.value for _, one in walk(LargeTransfer(_SETTINGS), [event(0, from_="0x1", to="0x2", **fields)])]
    if fields["amount"] == str(2**256 - 1):
        assert found[0] > 10**50
    else:
        assert [round(value) for value in found] == ([] if times is None else [times])


@pytest.mark.parametrize("amount", [value for value in HOSTILE if value not in (2**63, str(2**256 - 1))])
def test_what_is_no_amount_is_not_large(amount: Any) -> None:
    assert walk(LargeTransfer(_SETTINGS), [event(0, chain_id=1, from_="0x1", to="0x2", amount=amount)]) == []


def test_a_transfer_to_oneself_moves_nothing() -> None:
    own = event(0, chain_id=1, from_="0xAb", to="0xaB", amount="900000" + _ETH)
    assert walk(LargeTransfer(_SETTINGS), [own]) == []


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"assets": {"ETH": {"at_least": 0}}}, "more than 0"),
        ({"assets": {}, "native": {"1": "ETH"}}, "none of the assets"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        LargeTransfer(settings)
