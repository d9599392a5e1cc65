"""What survives of a case: the alert, what stands beside it, and how it is read again."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from streams.model import Alert, Evidence, Reason

A = TypeVar("A")


class Timer(StrEnum):
    """What an alert may wait for, each at most once."""

    REMIND = "remind"  #: to be said again
    ESCALATE = "escalate"  #: to be told one level up
    SNOOZE = "snooze"  #: to be active again
    RECHECK = "recheck"  #: what suppresses it ends then
    QUIET = "quiet"  #: without findings until then it resolves
    ACKNOWLEDGE = "acknowledge"  #: the target for taking it in hand
    RESOLVE = "resolve"  #: the target for closing it


class KeptEvidence(Evidence, frozen=True, kw_only=True, omit_defaults=True):
    """Evidence whose event stays the JSON it is: no alert is changed by what stands in its events."""

    event: msgspec.Raw = None  # type: ignore[assignment]  # None where there is none: msgspec knows no union with Raw


class KeptAlert(Alert, frozen=True, kw_only=True, omit_defaults=True):
    """An alert that was read again: as JSON it is what it was, for a third of the work."""

    first: tuple[KeptEvidence, ...]
    last: tuple[KeptEvidence, ...]


class Memory(msgspec.Struct, Generic[A], frozen=True, kw_only=True, omit_defaults=True):
    """All that survives of a case: the alert (read: a ``KeptAlert``; to be written: its JSON) and what only this stage
    needs. ``v`` is the format's version.
    """

    v: int
    alert: A
    findings: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    timers: dict[Timer, int] = {}
    held: tuple[Reason, ...] = ()
    resolve_after: int = 0
    began: int = 0
    leveled: int = 0
    entity: str = ""
    heard: tuple[str, ...] | None = None
    limits: tuple[int, int] = (0, 0)


#: Reads the JSON of a ``Memory``. Raises ``msgspec.MsgspecError`` (a ValueError).
read_memory: Final = msgspec.json.Decoder(Memory[KeptAlert]).decode
