"""The protocol of detection: a kind is configuration, a detector steps the state of one key.

State is a flat list of JSON values, so that it is its own snapshot. A step never changes the list it was given:
whatever raises, the key's state is what it was before.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

from streams.model import FindingKind, Severity
from streams.rules.option import Option as Option  # noqa: PLC0414  # kinds describe themselves with it
from streams.rules.rule import ArmSpec, KindConfig, Ladder

#: Where an event stands: its offset, or its whole position after a hop through ``rekeyed``.
Ref = int | str
State = list[Any]

#: Before all time: the horizon while a partition has no watermark.
NEVER = -(1 << 62)
#: After all time.
FOREVER = 1 << 62

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
    closed: int = NEVER  #: nothing of this time or older is waited for: the watermark, less the allowed lateness
    arms: tuple[int, ...] = (0,)  #: the ways by which it came in, ascending (``KindConfig.arms``)


class Witness(NamedTuple):
    """An event that speaks for an observation."""

    at: int
    ref: Ref
    event_id: str


class Target(NamedTuple):
    """The alert that a retraction is about, as its rule and key file it. It is of the same tenant."""

    alert_id: str
    rule: str
    key: Mapping[str, Any]


class Observed(NamedTuple):
    """A condition was seen to hold (fire) or to end (clear), or an alert to rest on what was not so (retract).

    ``at``: where time alone brought it about, the moment of event time at which it was so; the last of ``evidence`` is
    then the event the finding is named after, and no two of a key may be named after the same one. ``detail``: plain
    values that templates may say and that go into the alert's metadata (``baseline``, ``previous``, ``steps``).

    ``about``: the finding is named after this event, which is then the last of ``evidence``, and not after the one that
    brought it about. ``retracts``: with ``retract``, whose alert it is.
    """

    kind: FindingKind
    value: Any
    threshold: Any
    evidence: tuple[Witness, ...]  #: oldest first, the completing event among them; at least one
    severity: tuple[Severity, str] | None = None  #: with the original word; None: the ladder over ``value``
    at: int | None = None
    detail: Mapping[str, Any] | None = None
    about: Witness | None = None
    retracts: Target | None = None


class Skipped(StrEnum):
    """Why an event that matched was not taken into account. The state stays as it was."""

    DUPLICATE = "duplicates"  #: its id was counted already
    STALE = "stale"  #: older than what the key has seen last
    UNUSABLE = "unusable"  #: the field to look at is missing or of the wrong type


#: What a step saw. No two of a list are of one kind and named after the same event, retractions of two alerts aside.
Seen = Observed | list[Observed] | Skipped | None


class Detector(Protocol):
    """The state machine of one rule; the same for all its keys."""

    #: Items of the state list above which the oldest go, and how many make an entry. A detector that keeps its state
    #: below ``max_items`` by itself never loses any to that.
    max_items: int
    stride: int

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        """The new state (None: nothing to remember) and what was seen. With Skipped, the state given."""

    def newest(self, state: State) -> int:
        """Event time of the newest entry. Once the horizon reaches it the key may be forgotten; never decreases."""

    def holds(self, state: State) -> bool:
        """Whether the condition still holds, so that the key must not be forgotten whatever its age."""


@runtime_checkable
class Timed(Detector, Protocol):
    """A detector of a kind that is ``timed``: something may come to pass by time alone.

    Between two steps of a key, ``expire`` is called for as long as ``due`` is at or below ``closed``, and always
    before an event is stepped with such a ``Moment.closed``; so what is found does not depend on when anybody looked.
    """

    def due(self, state: State) -> int | None:
        """The last moment of event time that must be closed before something comes to pass; None: nothing will."""

    def expire(self, state: State) -> tuple[State | None, Seen]:
        """What comes to pass at ``due``: a function of the state alone. Leaves a later ``due``, or none.

        Observations carry ``at``. Never Skipped.
        """


@runtime_checkable
class Quick(Protocol):
    """A detector that can take most events into a key's state as it stands, which costs a fraction of a step."""

    def quick(self, state: State, at: int, ref: Ref, event_id: str, values: tuple[Any, ...], horizon: int) -> bool:
        """Do to ``state`` itself what ``step`` would have made of it, where that observes nothing, neither begins nor
        ends holding, and brings no timer forward; else change nothing and return False. Must not raise.

        ``event_id`` is one that is kept as it is (``streams.detect.entries.is_plain``).
        """


@runtime_checkable
class Measured(Protocol):
    """A detector whose state has one number that a dashboard may show (``export`` of a rule)."""

    def measure(self, state: State) -> float | None:
        """The number as of the key's last event; None while there is none."""


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


class Settings:
    """What most kinds have in common; a kind overrides what is different with it. Frozen, slotted dataclasses below."""

    __slots__ = ()

    @property
    def within(self) -> int | None:
        return None

    @property
    def falling(self) -> bool:
        return False

    @property
    def refuses_late(self) -> bool:
        return True

    @property
    def timed(self) -> bool:
        return False

    def arms(self) -> tuple[ArmSpec, ...]:
        return ()

    def fields(self) -> tuple[str, ...]:
        return ()

    def against(self, ladder: Ladder) -> list[str]:
        return []
