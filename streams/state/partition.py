"""The contract between the runtime (or a replay) and the state of one partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from streams.errors import StateMismatch
from streams.model import Control

#: The changelog key of the position record. Every other key is canonical JSON of a list.
POSITION = b"__position"


class Position(msgspec.Struct, kw_only=True):
    """Where the partition stands; the value of its ``__position`` record.

    ``committed`` is the offset to begin reading at after a restart and always equals the group's committed
    offset. ``next`` is the first offset not yet stepped: the same, but for a rekeyed partition, which begins
    again at its oldest buffered event and only buffers what lies below ``next``.
    """

    committed: int
    next: int
    now: int = 0  #: the last ``now`` used; never goes back
    ruleset: str = ""
    control: int = 0  #: control position in force; never goes back
    partitions: int = 0  #: partition count of the source when the state was made
    stage: dict[str, Any] = {}  #: what else the stage must know: watermarks, publication times


def take_up(position: Position, control: Control, where: str) -> None:
    """Note that ``control`` is in force from now on. Raises StateMismatch for one older than ``where`` has seen."""
    if control.position < position.control:
        raise StateMismatch(
            f"{where} has seen control position {position.control}, but was given {control.position}",
            "wait until the control topic has been read to its end",
        )
    position.control, position.ruleset = control.position, control.ruleset.version


class PartitionState(Protocol):
    """All a stage remembers about one partition. Nothing in it reads a clock or knows Kafka.

    Life: ``load`` for every changelog record, ``loaded`` once, then the functions of ``streams.pipeline`` step it,
    batch by batch and tick by tick; after each transaction's worth of them the runtime writes ``changes()`` and
    ``position`` and commits. Where a transaction fails the object is thrown away and loaded anew: it never has
    to undo.
    """

    topic: str  #: logical name of the source, e.g. ``audit.events``
    partition: int
    position: Position
    counts: Counter[tuple[str, ...]]  #: what happened since the runtime last looked: ("late", rule) -> n
    stirred: bool  #: whether the last step may have changed more than the position; else nobody waits for its commit
    stopwatch: Callable[[], int] | None  #: set by the runtime on sampled batches: ns, to time single rules

    def load(self, key: bytes, value: bytes) -> None:
        """Take one changelog record (never ``__position``; a tombstone goes to ``unload``)."""

    def load_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """As ``load``, each in its order."""

    def unload(self, key: bytes) -> None:
        """Take a tombstone: what was loaded under ``key`` is gone."""

    def loaded(self) -> None:
        """Everything has been loaded; derive what is not stored (indexes, timer heaps) from it and ``position``."""

    def due(self) -> int | None:
        """When (ms) ``tick`` next has something to do; None while nothing waits."""

    def changes(self) -> Iterable[tuple[bytes, bytes | None]]:
        """Changelog records of the keys made dirty since the last call (None: a tombstone); forgets them."""
