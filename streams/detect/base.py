"""The protocol of detection: a kind is configuration, a detector steps the state of one key.

State is a flat list of JSON values, so that it is its own snapshot. A step never changes the list it was given:
whatever raises, the key's state is what it was before.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from streams.model import FindingKind, Severity
from streams.rules.rule import KindConfig, Ladder

#: Where an event stands: its offset, or its whole position after a hop through ``rekeyed``.
Ref = int | str
State = list[Any]

#: Before all time: the horizon while a partition has no watermark.
NEVER = -(1 << 62)

#: The largest state value in the changelog, bytes.
MAX_STATE = 256 * 1024
#: Evidence taken from the beginning of a window.
FIRST_EVIDENCE = 5


class Moment(NamedTuple):
    """One event, as a detector sees it."""

    at: int  #: event time, ms
    ref: Ref
    event_id: str  #: empty without one
    values: tuple[Any, ...]  #: of ``KindConfig.fields()``: ``msgspec.UNSET`` where missing, None where null
    horizon: int  #: entries of this time and older do not count any more


class Witness(NamedTuple):
    """An event that speaks for an observation."""

    at: int
    ref: Ref
    event_id: str


class Observed(NamedTuple):
    """A condition was seen to hold (fire) or to end (clear)."""

    kind: FindingKind
    value: Any
    threshold: Any
    evidence: tuple[Witness, ...]  #: oldest first, the completing event among them
    severity: tuple[Severity, str] | None = None  #: with the original word; None: the ladder over ``value``


class Skipped(StrEnum):
    """Why an event that matched was not taken into account. The state stays as it was."""

    DUPLICATE = "duplicates"  #: its id was counted already
    STALE = "stale"  #: older than what the key has seen last
    UNUSABLE = "unusable"  #: the field to look at is missing or of the wrong type


class Detector(Protocol):
    """The state machine of one rule; the same for all its keys."""

    #: Items of the state list above which the oldest go, and how many make an entry.
    max_items: int
    stride: int

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Observed | Skipped | None]:
        """The new state (None: nothing to remember) and what was seen. With Skipped, the state given."""

    def newest(self, state: State) -> int:
        """Event time of the newest entry. Once the horizon reaches it the key may be forgotten; never decreases."""

    def holds(self, state: State) -> bool:
        """Whether the condition still holds, so that the key must not be forgotten whatever its age."""


class Kind(KindConfig, Protocol):
    """The ``detect`` block of one kind, parsed. See ``streams.rules.rule.KindConfig``."""

    @property
    def falling(self) -> bool:
        """Whether lower values are worse, for the severity ladder."""

    @property
    def keeps(self) -> int:
        """How long an entry matters, ms of event time."""

    @property
    def refuses_late(self) -> bool:
        """Whether an event older than the horizon is late; else it still counts by itself."""

    def detector(self, ladder: Ladder) -> Detector:
        """The state machine for a rule with this ladder."""

    def against(self, ladder: Ladder) -> list[str]:
        """What is wrong with a severity ladder under this kind, for the rule loader. Empty: nothing."""
