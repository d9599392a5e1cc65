"""What the pages of reports have in common: nothing is fetched, nothing runs, and whatever a title says is text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def drawn(template: str, filters: Mapping[str, Callable[..., str]], **given: Any) -> str:
    """A template below ``streams/replay`` with what it is given; ``pages/head.html`` and ``pages/style.html`` are there
    for every page.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, loader=PackageLoader("streams", "replay")
    )
    environment.filters |= filters
    return environment.get_template(template).render(given)
