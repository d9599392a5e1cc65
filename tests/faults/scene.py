"""What a fault is: who it befalls, how it begins, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.faults.ground import Ground
from tests.faults.verdict import Target

#: Retries and circuit of the short form; the full one runs with what a sink has by default.
_QUICK = {"first": "20ms", "longest": "200ms"}
_BREAKER = {"failures": 5, "cool_off": "100ms", "longest": "400ms"}
NOTIFIER = {"retry": {"attempts": 100, "within": "2m"} | _QUICK, "breaker": _BREAKER, "timeout": "500ms"}
STORAGE = {"retry": _QUICK, "breaker": _BREAKER}


@dataclass(frozen=True)
class Size:
    """``count``: of notifications, or versions, for each sink; ``lasts``: of a fault that time ends, s."""

    count: int
    lasts: float
    calm: float  #: how long the bystander is watched before anything is wrong, s
    policy: dict[str, Any] = field(default_factory=dict)  #: of notifiers
    storage: dict[str, Any] = field(default_factory=dict)  #: the policy of storages
    kills: int = 1
    patience: float = 600.0  #: until everything must have been seen to, s


SHORT = Size(count=300, lasts=1.0, calm=1.0, policy=NOTIFIER, storage=STORAGE, patience=60)
FULL = Size(count=10_000, lasts=30.0, calm=10.0, kills=5)


class Scene(Protocol):
    """One line of the table. Made with its servers running and well, they are the ground's to close."""

    @property
    def title(self) -> str: ...

    @property
    def targets(self) -> Sequence[Target]: ...

    @property
    def environ(self) -> Mapping[str, str]: ...

    def begin(self) -> None:
        """From now on it is wrong; the worker runs already, and has nothing to do yet."""

    def strike(self, ground: Ground) -> None:
        """While the traffic comes: whatever happens. At its end all is well again."""


Make = Callable[[Ground, Size, int], Scene]  #: with the number of its first alert


def until(holds: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


def keeps(what: Callable[[], float], than: float, lasts: float) -> None:
    """Wait ``lasts`` s, and until ``what`` has reached ``than``: a fault that nobody met proves nothing."""
    end = time.monotonic() + lasts
    until(lambda: what() >= than and time.monotonic() >= end, lasts + 120, f"{than} of the fault's victims")
