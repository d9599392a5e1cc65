"""Who plays: the backgrounds, and the scenarios with the source their events go to unless they say otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from streams.errors import ConfigError
from streams.simulate.areas import areas
from streams.simulate.registry import DOMAINS
from streams.simulate.scene import Background, Domain, Scenario

#: Words for ``scenarios``: those the domains show by themselves, and all there are.
SHOWCASE, ALL = "showcase", "all"


class Part(NamedTuple):
    """One scenario. ``whole``: it takes its own span, however short the traffic is, or is left out."""

    source: str
    scenario: Scenario
    whole: bool


@dataclass(frozen=True)
class Cast:
    """Instances of this run alone: backgrounds remember what they sent."""

    backgrounds: tuple[Background | Domain, ...]
    parts: tuple[Part, ...]
    partition_by: dict[str, tuple[str, ...]]

    @property
    def crowded(self) -> bool:
        """Whether attacks of areas are among them, which need people beside their own actor."""
        return any(part.whole for part in self.parts)


def cast(
    domains: Sequence[str] | None = None, scenarios: str | Sequence[str] = SHOWCASE, *, with_areas: bool = False
) -> Cast:
    """``scenarios``: a word above, or names of scenarios or rules. ``with_areas``: their backgrounds play as well.

    ``domains`` (default: all) are sources; those of areas whose source is another one stay away. Raises ConfigError
    for a name that nobody has.
    """
    if unknown := [name for name in domains or () if name not in DOMAINS]:
        raise ConfigError(f"unknown domain {unknown[0]!r}", f"choose from {', '.join(DOMAINS)}")
    chosen = [name for name in DOMAINS if domains is None or name in domains]
    own = {name: DOMAINS[name]() for name in chosen}
    found = [area for area in areas() if area.source in own] if with_areas or scenarios != SHOWCASE else []
    parts = [Part(name, scenario, False) for name, domain in own.items() for scenario in domain.scenarios]
    if scenarios != SHOWCASE:
        parts += (Part(area.source, scenario, True) for area in found for scenario in area.scenarios)
    backgrounds: list[Background | Domain] = list(own.values())
    if with_areas:
        backgrounds += (made for area in found for made in (one() for one in area.backgrounds) if made.source in own)
    return Cast(
        tuple(backgrounds),
        tuple(parts if scenarios in (SHOWCASE, ALL) else _named(parts, scenarios)),
        {name: domain().partition_by for name, domain in DOMAINS.items()},
    )


def _named(parts: list[Part], names: str | Sequence[str]) -> list[Part]:
    wanted = [names] if isinstance(names, str) else list(names)
    known = {name for part in parts for name in (part.scenario.name, part.scenario.rule)}
    if unknown := [name for name in wanted if name not in known]:
        near = get_close_matches(unknown[0], known, 1)
        raise ConfigError(
            f"no scenario is called {unknown[0]!r:.80}, and none is about a rule of that name",
            f"did you mean {near[0]}?" if near else "write all, showcase, or names",
        )
    return [part for part in parts if {part.scenario.name, part.scenario.rule} & set(wanted)]
