"""What a domain is made of: background events, and scenarios that plan an attack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple, Protocol

Event = dict[str, Any]


class Nature(StrEnum):
    """What a scenario is, as seen by its rule."""

    ATTACK = "attack"  #: the rule should fire, once
    NEAR_MISS = "near_miss"  #: the same act, just short of what the rule asks for: it must not fire
    LOOK_ALIKE = "look_alike"  #: harmless behaviour that resembles it: the rule must not fire


@dataclass(frozen=True, slots=True)
class Label:
    """What an attack should lead to: one alert of ``rule`` for ``tenant`` and ``key``, completed by ``completes``.

    A near miss and a look-alike lead to none of ``rule``, and are completed by nothing (empty). ``event_ids`` are all
    events of it in event-time order, those after the completing one included.
    """

    attack: str
    scenario: str
    rule: str
    source: str
    tenant: str
    key: dict[str, Any]
    first_event_time: int
    event_ids: tuple[str, ...]
    completes: str
    nature: Nature = Nature.ATTACK
    completed_at: int = 0  #: event time of ``completes``, ms; 0 where nothing completes it


class Simulated(NamedTuple):
    """One event. ``key``: the producer's record key, canonical JSON of the values of the source's ``partition_by``."""

    source: str
    key: bytes
    event: Event
    label: Label | None


@dataclass(frozen=True, slots=True)
class Attack:
    """The events of one attack, without ids: (ms after its beginning, event), in order.

    ``completes`` is the index of the event on which the rule's condition first holds, or, of a rule that time
    completes, the event its alert is named after; None where it must not hold. An event may be of another source than
    the scenario's: it says so in its ``source``.
    """

    tenant: str
    key: dict[str, Any]
    events: list[tuple[int, Event]]
    completes: int | None


class Plan(Protocol):
    """How a scenario is played."""

    def __call__(self, rng: Random, who: int, begin: int, span: int) -> Attack:
        """An attack by actor number ``who``, beginning at ``begin`` and lasting at most ``span`` ms."""


def _always(_: int) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to make one shipped rule fire, or one in which it must not. ``span``: ms it takes when there is time."""

    name: str
    rule: str
    span: int
    plan: Plan
    nature: Nature = Nature.ATTACK
    possible: Callable[[int], bool] = field(default=_always)  #: whether the rule can fire at an event time (ms)
    beside: tuple[str, ...] = ()  #: other rules it takes, whose alerts its own rule reads


class Domain(Protocol):
    """The traffic of one source. An instance remembers what it sent, so that its background stays harmless."""

    @property
    def source(self) -> str: ...

    @property
    def share(self) -> int:
        """Of all background events, relative to the other domains."""

    @property
    def partition_by(self) -> tuple[str, ...]: ...

    @property
    def scenarios(self) -> tuple[Scenario, ...]: ...

    def background(self, rng: Random, at: int) -> Event:
        """A harmless event of the time ``at`` (ms), without its id."""


class Background(Protocol):
    """Ordinary traffic of one area. An instance remembers what it sent, so that it stays ordinary."""

    @property
    def source(self) -> str: ...

    @property
    def share(self) -> int:
        """Of all background events, relative to the other areas."""

    def background(self, rng: Random, at: int) -> Event:
        """An ordinary event of the time ``at`` (ms), without its id."""


def spread(rng: Random, n: int, span: int) -> list[int]:
    """``n`` offsets in order over ``span`` ms, the first one 0, with human irregularity."""
    if n == 1:
        return [0]
    step = span / n
    return [0, *(int(step * (i + rng.random() * 0.8)) for i in range(1, n))]
