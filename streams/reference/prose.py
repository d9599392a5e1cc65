"""Markdown out of docstrings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby


def headline(doc: str | None) -> str:
    """The first paragraph of a docstring on one line, without the form of the kind that it begins with."""
    text = marked(" ".join((doc or "").strip().split("\n\n")[0].split()))
    form, colon, sentence = text.partition("`: ")
    return sentence if colon and form.startswith("`") else text


def forms(doc: str | None, kind: str) -> list[str]:
    """The lines of a docstring that show how the kind is written, with their comments."""
    return [line for line in (doc or "").splitlines() if line.startswith(f"{kind}: ")]


def remarks(doc: str | None, kind: str) -> list[str]:
    """The paragraphs behind the first one that are no forms."""
    _, _, rest = (doc or "").strip().partition("\n\n")
    return list(paragraphs("\n".join("" if line.startswith(f"{kind}: ") else line for line in rest.splitlines())))


def paragraphs(text: str | None) -> Iterator[str]:
    """Each on one line."""
    for filled, lines in groupby((text or "").splitlines(), key=lambda line: bool(line.strip())):
        if filled:
            yield marked(" ".join(line.strip() for line in lines))


def marked(text: str) -> str:
    """Code between single backticks, as Markdown has it."""
    return text.replace("``", "`")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows),
    ]


def anchor(heading: str) -> str:
    """What a link to a heading says, as GitHub and most others make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def fenced(text: str, language: str = "yaml") -> list[str]:
    """Lines of a code block."""
    return [f"```{language}", *text.strip("\n").splitlines(), "```"]
