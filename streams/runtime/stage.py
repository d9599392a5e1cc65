"""A role's work, described: which topics it reads, what state a partition of each has, and who steps it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from streams.model import Batch, Control, Output, Step
from streams.state.partition import PartitionState


class StepFunction(Protocol):
    """A function of ``streams.pipeline``."""

    def __call__(self, state: PartitionState, batch: Batch, now: int, control: Control) -> list[Output]: ...


class TickFunction(Protocol):
    """A timer function of ``streams.pipeline``."""

    def __call__(self, state: PartitionState, now: int, control: Control, *, at_end: bool) -> list[Output]: ...


@dataclass(frozen=True, slots=True)
class Input:
    """One topic a role reads. ``topic`` is the logical name, ``table`` names its changelog."""

    topic: str
    table: str
    make: Callable[[int], PartitionState]
    step: StepFunction
    tick: TickFunction


@dataclass(frozen=True, slots=True)
class Stage:
    """What one role does. ``urgent``: outputs to these logical topics end the transaction early."""

    role: str
    inputs: tuple[Input, ...]
    urgent: frozenset[str]


@dataclass(slots=True, eq=False)
class Part:
    """One owned partition: its state, and what the open transaction has to journal of it."""

    input: Input
    topic: str  #: as on the cluster
    number: int
    state: PartitionState
    live: bool = False  #: restored and sought; only then is it stepped
    at_end: bool = False  #: read to its end
    drained: bool = False  #: read as far as there is to read: to its end, or to a transaction still open upstream
    steps: list[Step] = field(default_factory=list)
    asked: float = field(default_factory=time.monotonic)  #: when its restore began
    ticked: float = 0.0  #: when it was ticked last, by the same clock

    @property
    def name(self) -> tuple[str, int]:
        return self.topic, self.number

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"
