"""Detectors in Python: what one is made of, and those that are shipped. A rule names one by ``detect: {python: …}``.

A detector is a class of an installed package that declares it as an entry point of the group ``tocsin.detectors``.
It is called with the ``settings`` of the rule, and must be a pure function of what it is given: no clock, no chance,
no input or output, or a replay will not find what the live run found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

#: An event by its time (ms), its place in the log and its id: plain JSON, to be kept in a state and handed back.
Sight = Sequence[Any]
#: Of one finding's evidence.
MAX_EVIDENCE = 20
#: In place of a state, from a class that is ``live``: it is as it was.
UNCHANGED: Any = object()


class Event(msgspec.Struct, frozen=True):
    """An event of one key. ``fields``: the values at the detector's paths; what is missing is not in it."""

    time: int  #: event time, ms
    id: str  #: empty without one
    fields: Mapping[str, Any]
    sight: Sight = ()  #: by which a finding can name it, also later
    ways: tuple[str, ...] = ("",)  #: by which it came in: empty for the rule's own ``where``, else names of ``also``


@dataclass(frozen=True, slots=True)
class Retraction:
    """An alert of the same tenant that should never have been: its id, and the rule and the key it is filed under."""

    alert_id: str
    rule: str
    key: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A condition was seen to hold, or to have ended (``clear``), or an alert to be wrong (``retract``). All is JSON.

    ``severity``: one of the five words; empty: the rule's ladder over ``value``.

    ``about``: the event that the finding is named after, where that is not the one just stepped: what completes a
    condition may arrive before what it completes. Name an event once only; ALERT knows a second finding about it.
    ``evidence``: the events that speak for it, in place of the first ones since the last finding; the first
    ``MAX_EVIDENCE`` are shown, and the one it is named after comes last by itself.
    """

    value: Any
    threshold: Any = None
    severity: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    clear: bool = False
    about: Sight | None = None
    evidence: Sequence[Sight] = ()
    retract: Retraction | None = None


class PlainDetector(Protocol):
    """What a class must have. ``due`` and ``expire`` are optional, and come together; ``steady`` is too.

    States are JSON values; None is the state of a key without one. A step may change the state it was given: it is a
    copy. No two findings of a step are of one kind and about one event, but for retractions of two alerts.
    ``steady``, where it is True, promises that a step changes nothing of the event, and hands back the very state it
    was given only where it left all of that as it was. Such a state is not written anew.
    ``due(state)`` is the event time at
    which ``expire(state, now)`` is to be called, None for never; once it was called ``due`` must have
    moved on. ``keeps`` after its last event a key is forgotten, whatever it waits for.

    ``live``, where it is True, asks to be handed the very state that the last step gave, and has it written once a
    transaction: a hundredth of the cost for a large one. A step may change it in place, and may return ``UNCHANGED``
    for it. The class promises that its states come back from JSON equal (lists, not tuples; text as keys; no nan, no
    integer beyond 64 bits), are small whatever the events, and are referred to from nowhere else. A step that raises
    costs the key its state.
    """

    fields: Sequence[str]  #: dot paths that it reads; ``needs``, where it has that, are those that it looks at
    keeps: str | int  #: how long an event matters: ``1h``, or ms

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """The state after an event of the key, and what was found. What it raises is the rule's failure."""
