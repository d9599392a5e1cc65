"""Whatever stands in the fields, the detectors of chains neither raise nor keep more than a state may hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.address_poisoning import AddressPoisoning
from streams.detect.detectors.approval_phishing import ApprovalPhishing
from streams.detect.detectors.bridge_drain import BridgeDrain
from streams.detect.detectors.bridge_message import BridgeMessage
from streams.detect.detectors.large_transfer import LargeTransfer
from streams.detect.detectors.onchain import address, amount
from streams.detect.detectors.oracle_deviation import OracleDeviation
from streams.detect.detectors.oracle_staleness import OracleStaleness
from streams.detect.detectors.rug_pull import RugPull
from tests.stepping import HOSTILE, event, walk

_BRIDGE = {"deposits": ["in"], "withdrawals": ["out"]}
_TYPES = {"created": ["new"], "added": ["in"], "removed": ["out"]}
DETECTORS: list[Any] = [
    AddressPoisoning({}),
    ApprovalPhishing({"approvals": ["in"]}),
    BridgeDrain(_BRIDGE),
    BridgeMessage(_BRIDGE),
    LargeTransfer({"assets": {"ETH": {"at_least": 1}}, "native": {"1": "ETH"}}),
    OracleDeviation({}),
    OracleStaleness({}),
    RugPull(_TYPES),
]
_ADDRESSES = ("0x" + "a" * 40, "0xaaaa" + "b" * 32 + "aaaa", "0x" + "A" * 40, "0xc")
_WORDS = ("in", "out", "new", "oracle.retired")


def _value(field: str) -> st.SearchStrategy[Any]:
    good: dict[str, Any] = {"type": st.sampled_from(_WORDS), "from": st.sampled_from(_ADDRESSES)}
    sensible = good.get(field, st.sampled_from((*_ADDRESSES, "5", 100, "1000000000000000000000", 0.25)))
    return st.one_of(sensible, st.sampled_from(HOSTILE))


@st.composite
def _events(draw: st.DrawFn, fields: tuple[str, ...]) -> list[Event]:
    times = draw(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=12))
    made = []
    for at in times:
        chosen = draw(st.sets(st.sampled_from(fields), min_size=1))
        way = draw(st.sampled_from(["", "received"]))
        made.append(event(at, way, **{name: draw(_value(name)) for name in sorted(chosen)}))
    return made


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: type(one).__name__)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_in_a_field_is_a_failure(detector: Any, data: st.DataObject) -> None:
    walk(detector, data.draw(_events(tuple(detector.fields))))


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: type(one).__name__)
def test_a_million_strangers_do_not_make_the_state_grow(detector: Any) -> None:
    """Two thousand, each as long as an address may be: the bound of every list is far below."""
    many = [
        event(
            n * 1_000, "received" if n % 2 else "", type=_WORDS[n % 2], from_=f"0x{n:040x}", to=f"0x{n + 7:040x}",
            owner=f"{n:0128d}", provider=f"{n:0128d}", pool_creator=f"{n:0128d}", spender="0xbad", tx_from="0xbad",
            oracle=f"{n:0128d}", price=str(2**255 + n), liquidity=str(2**255 + n), amount=str(2**255 + n),
            approved=True, tx_hash=f"{n:0128d}", log_index=n, pool_liquidity=str(2**255), locked=str(2**255),
        )
        for n in range(2_000)
    ]  # fmt: skip
    walk(detector, many)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0", 0), (7, 7), ("7", 7), (0.5, "1/2"), ("1e3", 1000), (str(2**256 - 1), 2**256 - 1),
        (str(2**256), None), ("-1", None), (-1, None), (True, None), (None, None), ("", None), ("0x10", None),
        ("1e-40", None), ("9" * 200, None), (float("nan"), None), ([5], None), ("٣", None),
    ],
)  # fmt: skip
def test_an_amount_is_a_number_of_256_bits_or_none(written: Any, read: Any) -> None:
    found = amount(written)
    assert (None if found is None else str(found)) == (None if read is None else str(read))


@pytest.mark.parametrize(
    ("written", "read"),
    [("0xAbC", "0xabc"), (" 0xabc ", "0xabc"), ("a" * 129, ""), (7, ""), (None, ""), (["0xabc"], "")],
)
def test_an_address_is_compared_in_lower_case(written: Any, read: str) -> None:
    assert address(written) == read
