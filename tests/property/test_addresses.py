"""Our reading of addresses and networks is the standard library's."""

from __future__ import annotations

import ipaddress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.rules.addresses import Address, Network, address, around, network

addresses = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda place: str(ipaddress.IPv4Address(place))),
    st.integers(0, 2**128 - 1).map(lambda place: str(ipaddress.IPv6Address(place))),
    st.integers(0, 2**128 - 1).map(lambda place: ipaddress.IPv6Address(place).exploded.upper()),
    st.integers(0, 2**32 - 1).map(lambda place: f"::ffff:{ipaddress.IPv4Address(place)}"),
    st.lists(st.sampled_from(["", "0", "1", "ffff", "g", "00001", "1.2.3.4", "::", "0db8"]), max_size=10).map(":".join),
    st.lists(st.sampled_from(["", "0", "1", "255", "256", "01", "a", "-1", "+1", "٣", "1 "]), max_size=5).map(".".join),
    st.text("0123456789abcdefABCDEF:./%x \x00é", max_size=50),
)


def expected(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return None
        if found.ipv4_mapped is not None:
            return Address(32, int(found.ipv4_mapped))
    return Address(found.max_prefixlen, int(found))


@settings(max_examples=2_000, deadline=None)
@given(addresses)
@example("::")
@example("1::")
@example("::1.2.3.4")
@example("1:2:3:4:5:6:7::")
@example("1:2:3:4:5:6:7:8::")
@example("1::2::3")
@example(":::")
@example(":1:2:3:4:5:6:7")
@example("1:2:3:4:5:6:1.2.3.4")
@example("::ffff:1.2.3.4:5")
@example("::1.2.3.4.5")
@example(".1.2.3::4")
def test_an_address(text: str) -> None:
    assert address(text) == expected(text)


@settings(max_examples=1_000, deadline=None)
@given(addresses, st.one_of(st.integers(-1, 130).map(str), st.sampled_from(["", "08", "x", "255.0.0.0", "1/2"])))
def test_a_network(text: str, prefix: str) -> None:
    written = f"{text}/{prefix}"
    try:
        known = ipaddress.ip_network(written) if prefix.isdigit() and "%" not in text else None
    except ValueError:
        known = None
    found = network(written)
    if known is None:
        assert found is None
        return
    assert found is not None
    first = expected(str(known.network_address))
    assert first is not None
    mapped = first.bits != known.max_prefixlen and known.prefixlen >= 96
    if mapped:
        assert found == Network(32, known.prefixlen - 96, first.place)
    else:
        assert found == Network(known.max_prefixlen, known.prefixlen, int(known.network_address))


@settings(max_examples=1_000, deadline=None)
@given(addresses, st.integers(0, 128))
def test_the_network_around_an_address(text: str, prefix: int) -> None:
    found = address(text)
    if found is None:
        return
    prefix = min(prefix, found.bits)
    of = ipaddress.IPv4Network if found.bits == 32 else ipaddress.IPv6Network
    assert ipaddress.ip_network(around(found, prefix)) == of((found.place, prefix), strict=False)
    assert around(found, prefix) == str(of((found.place, prefix), strict=False))
