"""Whether a sink's consumer fetches on. ``now`` is in seconds of a monotonic clock.

A sink that is full for a moment is waited for: after a pause librdkafka fetches anew what it had, half a second in
which nothing comes (measured: 1,150 to 1,400 notifications a second with pauses, 1,900 to 3,000 without). One that
stays full is paused, so that the consumer goes on answering its group.
"""

from __future__ import annotations

from enum import Enum

_PATIENCE_S = 2.0


class Move(Enum):
    """What to do now."""

    FETCH = "fetch"
    WAIT = "wait"  #: ask for nothing, and look again soon
    PAUSE = "pause"  #: and fetch: nothing comes but news of the group
    RESUME = "resume"  #: and fetch


class Pace:
    """``paused``: also for partitions that come meanwhile."""

    def __init__(self) -> None:
        self.paused = False
        self._full_since: float | None = None

    def move(self, now: float, full: bool, roomy: bool) -> Move:
        """``full`` begins a wait, then a pause; a pause ends when it is ``roomy``."""
        if not full:
            self._full_since = None
            if self.paused and roomy:
                self.paused = False
                return Move.RESUME
            return Move.FETCH
        if self._full_since is None:
            self._full_since = now
        if self.paused:
            return Move.FETCH
        if now - self._full_since < _PATIENCE_S:
            return Move.WAIT
        self.paused = True
        return Move.PAUSE
