"""A text that a regular expression matches: for examples, so the shortest and plainest is tried first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from re import _constants as op  # type: ignore[attr-defined]  # the parser behind re; typeshed does not know it
from re import _parser  # type: ignore[attr-defined]  # as above
from typing import Any

_ALPHABET = "ax0A9_-. /\\:@"
_CATEGORIES = {
    op.CATEGORY_DIGIT: "0", op.CATEGORY_WORD: "a", op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_DIGIT: "a", op.CATEGORY_NOT_WORD: "-", op.CATEGORY_NOT_SPACE: "a",
}  # fmt: skip
#: A repetition beyond it is no example for people.
_MAX_REPEAT = 300


def texts_matching(pattern: str) -> Iterator[str]:
    """A few candidates, cheap ones first; none where the pattern is not understood. The caller tests them."""
    try:
        tree = _parser.parse(pattern)
        for more in (0, 1):
            for alternative in range(4):
                text = "".join(_texts(tree, more, alternative))
                yield from (text, f" {text} ", f"x {text} x")
    except (re.error, RecursionError, OverflowError, ValueError, KeyError):
        return


def _texts(tree: Iterable[Any], more: int, alternative: int) -> Iterator[str]:
    for kind, argument in tree:
        if kind is op.LITERAL:
            yield chr(argument)
        elif kind is op.NOT_LITERAL:
            yield next(char for char in _ALPHABET if ord(char) != argument)
        elif kind is op.ANY:
            yield "x"
        elif kind is op.IN:
            yield _one_of(argument)
        elif kind is op.BRANCH:
            branches = argument[1]
            yield from _texts(branches[alternative % len(branches)], more, alternative)
        elif kind is op.SUBPATTERN:
            yield from _texts(argument[3], more, alternative)
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            least, most, inner = argument
            times = min(least + more, int(most))
            if times > _MAX_REPEAT:
                raise ValueError("repeats too often")
            for _ in range(times):
                yield from _texts(inner, more, alternative)
        elif kind is not op.AT:
            raise ValueError(f"{kind} is not understood")


def _one_of(items: list[tuple[Any, Any]]) -> str:
    if items[0][0] is op.NEGATE:
        return next(char for char in _ALPHABET if not any(_holds(item, char) for item in items[1:]))
    return next(islice((_first(item) for item in items), 1))


def _first(item: tuple[Any, Any]) -> str:
    kind, argument = item
    if kind is op.LITERAL:
        return chr(argument)
    return chr(argument[0]) if kind is op.RANGE else _CATEGORIES[argument]


def _holds(item: tuple[Any, Any], char: str) -> bool:
    kind, argument = item
    if kind is op.LITERAL:
        return bool(ord(char) == argument)
    if kind is op.RANGE:
        return bool(argument[0] <= ord(char) <= argument[1])
    shorthand = {
        op.CATEGORY_DIGIT: r"\d", op.CATEGORY_WORD: r"\w", op.CATEGORY_SPACE: r"\s",
        op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_NOT_WORD: r"\W", op.CATEGORY_NOT_SPACE: r"\S",
    }[argument]  # fmt: skip
    return re.fullmatch(shorthand, char) is not None
