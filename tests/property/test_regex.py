"""A pattern is looked for only in texts that begin as every match must: what is found is what RE2 finds."""

from __future__ import annotations

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.rules.regex import beginning, searching

pieces = st.sampled_from([
    "a", "b", "ab", "2", "-", "(", "(?:", "(?i)", ")", "|", "[ab]", "[|(]", "[]|a]", "[^]a]", "[[:alpha:]|]", "\\|", "\\(",
    "\\.", ".", "?", "*", "+", "{0,1}", "{2}", "^", "$", "\\Q|\\E", "\\Qa", "\\pL", "(?m)", " ",
])  # fmt: skip
texts = st.text(alphabet="ab2-|(.]\nA ", max_size=6)


@settings(max_examples=500, deadline=None, derandomize=True)
@example("a(?m)?", [""])
@example("a(?m)(?i)*", ["", "a"])
@given(st.lists(pieces, max_size=7).map("".join), st.lists(texts, max_size=8))
def test_looking_at_the_beginning_first_finds_the_same(pattern: str, values: list[str]) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        known = re2.compile("^" + pattern, options)
    except re2.error:
        return
    found = searching(("^" + pattern,), case_sensitive=True)
    assert [found(value) for value in values] == [known.search(value) is not None for value in values]


@pytest.mark.parametrize(
    ("pattern", "begins"),
    [
        (r"^2(2[4-9]|[345][0-9])\.", "2"), ("^arn:aws:iam", "arn:aws:iam"), ("^ab?c", "a"), ("^ab{0,1}", "a"), ("^ab(?i)c", "a"),
        ("^ab+", "ab"), ("^a|b", ""), ("^a[|]b", "a"), (r"^a\|b", "a"), ("(?i)^a", ""), ("a^b", ""), ("^(a|b)", ""), ("^", ""),
        (r"^a\Q(\E|b", ""),
    ],
)  # fmt: skip
def test_what_every_match_begins_with(pattern: str, begins: str) -> None:
    assert beginning(pattern) == begins


def test_without_case_nothing_is_taken_for_certain() -> None:
    found = searching(("^Root", "^ß"), case_sensitive=False)
    assert [found(value) for value in ("root", "ROOT2", "aroot", "ßa", 7, None, ["root"])] == [
        True, True, False, True, False, False, False,
    ]  # fmt: skip
