"""Detectors in Python: what one is made of, and those that are shipped. A rule names one by ``detect: {python: …}``.

A detector is a class of an installed package that declares it as an entry point of the group ``tocsin.detectors``.
It is called with the ``settings`` of the rule, and must be a pure function of what it is given: no clock, no chance,
no input or output, or a replay will not find what the live run found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Event:
    """An event of one key. ``fields``: the values at the detector's paths; what is missing is not in it."""

    time: int  #: event time, ms
    id: str  #: empty without one
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A condition was seen to hold, or (``clear``) to have ended. Values are JSON.

    ``severity``: one of the five words; empty: the rule's ladder over ``value``.
    """

    value: Any
    threshold: Any = None
    severity: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    clear: bool = False


class PlainDetector(Protocol):
    """What a class must have. ``due`` and ``expire`` are optional, and come together.

    States are JSON values; None is the state of a key without one. A step may change the state it was given: it is a
    copy. A list of findings holds at most one that clears and one that does not. ``due(state)`` is the event time at
    which ``expire(state, now)`` is to be called, None for never; once it was called ``due`` must have
    moved on. ``keeps`` after its last event a key is forgotten, whatever it waits for.
    """

    fields: Sequence[str]  #: dot paths that it reads
    keeps: str | int  #: how long an event matters: ``1h``, or ms

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """The state after an event of the key, and what was found. What it raises is the rule's failure."""
