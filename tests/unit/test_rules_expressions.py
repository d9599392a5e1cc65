"""Key expressions: what each makes of a value, and what is told of one that is written wrongly."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec import UNSET

from streams.rules.keyed import parse_key, parse_key_field
from streams.rules.problems import BlockErrors

#: Values of every kind that an event may hold.
ANYTHING: tuple[Any, ...] = (
    UNSET, None, True, False, 0, 5, -1, 1.5, 2**63, "", " ", "\x00", "é", "a@b", "1.2.3.4", [], ["a"], {}, {"a": "b"},
    "x" * 10_000_000, "@" * 100_000, "http://" * 100_000, "::" * 50, "1." * 50, str(2**256), "ſ", "İ",
)  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "value", "part"),
    [
        ("lower(a)", "ADA", "ada"),
        ("lower(a)", "İ", "i̇"),
        ("lower(a)", 5, ("i", 5)),
        ("lower(a)", None, None),
        ("cidr(a, 24)", "10.1.2.3", "10.1.2.0/24"),
        ("cidr(a, 24)", "::ffff:10.1.2.3", "10.1.2.0/24"),
        ("cidr(a, 24)", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("cidr(a, 24, 56)", "2001:DB8:1:2FF:3::4", "2001:db8:1:200::/56"),
        ("cidr(a, 0)", "10.1.2.3", "0.0.0.0/0"),
        ("cidr(a, 32, 128)", "::1", "::1/128"),
        ("cidr(a, 24)", "10.1.2.3/24", None),
        ("cidr(a, 24)", "10.1.2.03", None),
        ("cidr(a, 24)", "host", None),
        ("cidr(a, 24)", 167837955, None),
        ("domain(a)", "Ada@Example.COM", "example.com"),
        ("domain(a)", '"a@b"@example.com.', "example.com"),
        ("domain(a)", "https://u:p@Example.com:8443/p@th?q#f", "example.com"),
        ("domain(a)", "HTTP://example.com?x=@y", "example.com"),
        ("domain(a)", "http://[2001:DB8::1]:80/", "2001:db8::1"),
        ("domain(a)", "ftp://", None),
        ("domain(a)", "ada@", None),
        ("domain(a)", "ada", None),
        ("domain(a)", "a@" + "x" * 254, None),
        ("prefix(a, 4)", "DE89370400440532", "DE89"),
        ("prefix(a, 4)", "ab", "ab"),
        ("prefix(a, 4)", 12345, ("i", 12345)),
        ("first(b, a)", "x", "x"),
        ("first(a, b)", None, None),
        ("first(a, b)", False, ("b", False)),
        ("first(a, b)", "", ""),
        ("lower(prefix(first(b, a), 2))", "ABC", "ab"),
        ("prefix(domain(lower(a)), 7)", "X@EXAMPLE.COM", "example"),
    ],
    ids=range(32),
)
def test_the_part_of_the_key(expression: str, value: Any, part: Any) -> None:
    field = parse_key_field(expression)
    values = tuple(value if path == "a" else UNSET for path in field.paths)
    assert field.part(values, "skip") == part


def test_the_first_that_is_there() -> None:
    field = parse_key_field("first(user.id, actor, account)")
    assert field.paths == ("user.id", "actor", "account")
    assert field.part((UNSET, None, "c"), "skip") == "c"
    assert field.part((UNSET, "b", "c"), "skip") == "b"
    assert field.part((UNSET, None, UNSET), "null") == ("n", None)


@pytest.mark.parametrize(
    "expression",
    ["lower(a)", "cidr(a, 24)", "cidr(a, 32, 128)", "domain(a)", "prefix(a, 9)", "first(a, a.b)",
     "cidr(first(domain(a), lower(a)), 8)"],
)  # fmt: skip
def test_nothing_raises_and_a_part_is_short_enough(expression: str) -> None:
    field = parse_key_field(expression)
    for value in ANYTHING:
        for missing in ("skip", "null"):
            part = field.part((value,) * len(field.paths), missing)
            assert part is None or isinstance(part, (str, tuple))
            if expression.startswith(("cidr", "domain")):
                assert part is None or len(part) <= 253


def test_blanks_make_no_difference_to_what_it_is() -> None:
    one, two = parse_key_field(" cidr( source_ip ,24 ) "), parse_key_field("cidr(source_ip, 24)")
    assert one == two
    assert one.text == one.name == one.written == "cidr(source_ip, 24)"
    assert not one.is_field


def test_a_name_of_its_own_is_what_findings_say() -> None:
    (subnet, who) = parse_key([{"subnet": "cidr(source_ip, 24)"}, {"who": "actor"}])
    assert (subnet.name, subnet.text, subnet.written) == (
        "subnet", "cidr(source_ip, 24)", "subnet: cidr(source_ip, 24)",
    )  # fmt: skip
    assert (who.name, who.text, who.is_field) == ("who", "actor", True)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("lowr(a)", "did you mean 'lower'"), ("lower()", "is written lower(actor.email)"), ("lower(a, b)", "is written"),
        ("cidr(a)", "is written cidr("), ("cidr(a, x)", "not a whole number"), ("cidr(a, 33)", "at most 32"),
        ("cidr(a, 24, 129)", "at most 32 bits for IPv4 and 128"), ("cidr(a, -1)", "not a whole number"),
        ("cidr(a, ٢٤)", "not a whole number"), ("prefix(a, 0)", "1 to"), ("prefix(a, 99999999999)", "not a whole number"),
        ("first(a)", "is written first("), ("first(a,,b)", "is written first("), ("lower(a..b)", "empty"),
        ("lower(a))", "brackets"), ("lower((a)", "brackets"), ("lower(lower(a)", "brackets"),
        ("lower(lower(lower(lower(lower(a)))))", "nests deeper"), ("lower(" + "a" * 600 + ")", "longer than 500"),
        ({"subnet": 5}, "takes a field or an expression"), ({}, "takes one name"), ({"a": "b", "c": "d"}, "takes one name"),
        ({"a b": "c"}, "is no name"), ({"a": {"b": "c"}}, "takes a field or an expression"), (None, "is not a field"),
        ("", "is not a field"), (["a"], "is not a field"),
    ],
    ids=range(27),
)  # fmt: skip
def test_each_slip_is_told(written: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_key_field(written)


def test_two_parts_of_one_name_are_refused() -> None:
    with pytest.raises(BlockErrors, match="twice"):
        parse_key([{"a": "lower(x)"}, "a"])
