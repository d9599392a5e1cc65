"""Many numbers worked with as integers are the numbers that fractions say."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from streams.detect.exact import exact, together

ITEMS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**255), 2**255).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=18).map(lambda number: format(number, "f")),
    st.from_regex(r"\A[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?\Z"),
)


@given(st.lists(ITEMS, max_size=12))
@example([5e-324, 1.7976931348623157e308, -0.0])
@example(["1e999", "1e-999", "+0.50", "-0.5"])
@example(["1e3", "20E1"])
def test_integers_of_one_size_are_the_same_numbers(items: list[int | float | str]) -> None:
    whole, one = together(items)
    assert all(type(number) is int for number in whole)
    assert [Fraction(number, one) for number in whole] == [exact(item) for item in items]
