"""The comparison of two policies as one HTML file: nothing is fetched, nothing runs, whatever a title says is text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from streams.replay.pages import drawn
from streams.rules.durations import format_duration

_MOST: Final = 500  #: rows of one table; the document holds all
_LISTS: Final = (
    ("new", "New"), ("gone", "Gone"), ("later", "Later"), ("earlier", "Earlier"),
    ("reassigned", "Somebody else is called"),
)  # fmt: skip


def page(made: Mapping[str, Any]) -> str:
    """``made``: as ``streams.replay.telling.document.compared`` gives it."""
    return _rendered("page.html", made, section=section(made))


def section(made: Mapping[str, Any]) -> Markup:
    """The same without what is around it, for a page that shows other things, too."""
    return Markup(_rendered("section.html", made))  # escaped there


def _rendered(name: str, made: Mapping[str, Any], **more: Markup) -> str:
    return drawn(f"telling/{name}", {"wait": _wait}, made=made, lists=_LISTS, most=_MOST, **more)


def _wait(ms: int | None) -> str:
    return "–" if ms is None else format_duration(ms // 1000 * 1000) if ms >= 1000 else "at once"
