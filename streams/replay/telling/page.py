"""The comparison of two policies as one HTML file: nothing is fetched, nothing runs, whatever a title says is text."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from streams.replay.backtest.page import style
from streams.rules.durations import format_duration

_MOST: Final = 500  #: rows of one table; the document holds all
_LISTS: Final = (
    ("new", "New"), ("gone", "Gone"), ("later", "Later"), ("earlier", "Earlier"),
    ("reassigned", "Somebody else is called"),
)  # fmt: skip


def page(made: Mapping[str, Any]) -> str:
    """``made``: as ``streams.replay.telling.document.compared`` gives it."""
    return _rendered("page.html", made, style=style(), section=section(made))


def section(made: Mapping[str, Any]) -> Markup:
    """The same without what is around it, for a page that shows other things, too."""
    return Markup(_rendered("section.html", made))  # escaped there


def _rendered(name: str, made: Mapping[str, Any], **more: Markup) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["wait"] = _wait
    template = environment.from_string(files("streams.replay.telling").joinpath(name).read_text("utf-8"))
    return template.render(made=made, lists=_LISTS, most=_MOST, **more)


def _wait(ms: int | None) -> str:
    return "–" if ms is None else format_duration(ms // 1000 * 1000) if ms >= 1000 else "at once"
