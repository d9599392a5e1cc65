"""Templates: words first, then fields; whatever events bring, a short line of printable text comes out."""

from __future__ import annotations

from typing import Any

import pytest

from streams.rules.template import MAX_RENDERED, MAX_VALUE, parse, render

EVENT: dict[str, Any] = {
    "actor": "ada", "count": 1, "user": {"name": "Ada", "tags": ["a", "b"]}, "none": None, "yes": True, "big": "9" * 500,
    "text": "a\nb\x1b[31m\u202ec", "list": list(range(9)), "f": 0.1 + 0.2, "whole": 3.0, "huge": 1e300, "nested": [[1], 2],
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{actor}", "ada"),
        ("{count} by {actor}", "5 by ada"),
        ("{user.name}/{user.nobody}/{nobody.name}", "Ada/?/?"),
        ("{{{actor}}}", "{ada}"),
        ("", ""),
        ("plain", "plain"),
        ("{none} {yes} {f} {whole} {huge}", "null true 0.3 3 1e+300"),
        ("{user.tags} {user}", "a, b {2 fields}"),
        ("{list}", "0, 1, 2, 3, 4, … (9)"),
        ("{nested}", "2"),
        ("{text}", "a b [31m c"),
        ("é {actor}", "é ada"),
    ],
)
def test_rendering(template: str, text: str) -> None:
    assert render(template, EVENT, {"count": 5}) == text


def test_values_do_not_become_templates() -> None:
    assert render("{a}", {"a": "{b}", "b": "secret"}) == "{b}"


def test_length_is_bounded() -> None:
    assert len(render("{big}", EVENT)) == MAX_VALUE
    assert len(render("{big}" * 100, EVENT)) == MAX_RENDERED
    assert len(render("{x}", {"x": ["y" * 10_000] * 10_000})) < MAX_RENDERED


@pytest.mark.parametrize("template", ["{", "}", "{actor", "actor}", "{}", "{a..b}", "{ a}", "{a{b}}", "{{{", "{a}}"])
def test_syntax_errors(template: str) -> None:
    with pytest.raises(ValueError, match=r"brace|field|character"):
        parse(template)
