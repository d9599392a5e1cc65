"""What the shipped rules are measured on: areas of traffic, each with its background and its scenarios.

An area is a module here with ``SOURCE`` (where its scenarios' events go unless they say otherwise), ``BACKGROUNDS``
(classes, see ``streams.simulate.scene.Background``) and ``SCENARIOS``. Modules are found by being here.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

from streams.simulate.scene import Background, Scenario


class Area(NamedTuple):
    """One module, as it was found."""

    name: str
    source: str
    backgrounds: tuple[type[Background], ...]
    scenarios: tuple[Scenario, ...]


def areas() -> tuple[Area, ...]:
    """All areas, by name. Raises AttributeError for a module that is none."""
    found = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return tuple(
        Area(module.__name__.rpartition(".")[2], module.SOURCE, tuple(module.BACKGROUNDS), tuple(module.SCENARIOS))
        for module in sorted(found, key=lambda module: module.__name__)
    )
