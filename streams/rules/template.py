"""``{field}`` templates of titles, descriptions, metadata and deal ids."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

from msgspec import UNSET

from streams.rules.values import path_problem, read

#: What one value and one rendered text may take, in characters.
MAX_VALUE = 200
MAX_RENDERED = 2_000

MISSING = "?"


@lru_cache(maxsize=4_096)
def parse(template: str) -> tuple[tuple[str, str], ...]:
    """The template as (literal text, dot path or "") pairs; ``{{`` and ``}}`` are braces. Raises ValueError."""
    pieces: list[tuple[str, str]] = []
    literal = ""
    at = 0
    while at < len(template):
        char = template[at]
        if template[at : at + 2] in ("{{", "}}"):
            literal += char
            at += 2
        elif char == "{":
            end = template.find("}", at)
            if end < 0:
                raise ValueError(f"opens a brace at character {at + 1} and never closes it; a brace itself is {{{{")
            path = template[at + 1 : end]
            problem = "holds a brace" if "{" in path else path_problem(path)
            if problem:
                raise ValueError(f"has {{{path[:40]}}} at character {at + 1}, which {problem}")
            pieces.append((literal, path))
            literal = ""
            at = end + 1
        elif char == "}":
            raise ValueError(f"closes a brace at character {at + 1} that was not opened; a brace itself is }}}}")
        else:
            literal += char
            at += 1
    if literal or not pieces:
        pieces.append((literal, ""))
    return tuple(pieces)


def render(template: str, document: Mapping[str, Any], words: Mapping[str, Any] | None = None) -> str:
    """The text for one event. ``words`` (``count``, ``observed``, ...) win over the event's fields of that name.

    A missing value reads ``?``. Values are shortened and stripped of control characters: they come from anybody.
    """
    text = ""
    for literal, path in parse(template):
        text += literal
        if path:
            known = words is not None and path in words
            text += shown(words[path] if words is not None and known else read(document, path))
        if len(text) > MAX_RENDERED:
            return text[: MAX_RENDERED - 1] + "…"
    return text


def shown(value: Any) -> str:
    """A value for people: numbers without noise, containers by their size."""
    if value is UNSET:
        return MISSING
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    if isinstance(value, dict):
        return f"{{{len(value)} fields}}"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(item) for item in value[:5] if not isinstance(item, (list, tuple))) + (
            f", … ({len(value)})" if len(value) > 5 else ""
        )
    text = str(value)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text[: MAX_VALUE + 1])
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
