"""What keeps how far a log has come through DETECT, so that another process can go on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from streams.state.detect.detecting import DetectState

if TYPE_CHECKING:
    from streams.replay.runner import Detected


class Keeper(Protocol):
    """Asked at the beginning of a log, and after each chunk of it."""

    def begin(self, state: DetectState, made: Detected) -> tuple[int, int]:
        """Load what was kept into both. How many chunks that is, and the latest time read, ms; nothing kept: 0, 0."""

    def passed(self, chunks: int, now: int, state: DetectState, made: Detected) -> None:
        """So many chunks have been stepped. Whether that is kept now is the keeper's choice."""


class _Forgetful:
    def begin(self, state: DetectState, made: Detected) -> tuple[int, int]:
        state.loaded()
        return 0, 0

    def passed(self, chunks: int, now: int, state: DetectState, made: Detected) -> None:
        state.forget()


FORGETFUL: Final[Keeper] = _Forgetful()
