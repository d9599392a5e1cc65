"""Ends a process that no longer gets anywhere, so that its orchestrator starts it again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.errors import STALLED
from streams.runtime.ending import Ended, leave
from streams.runtime.source import Source


@dataclass(slots=True)
class _Watched:
    source: Source
    progress: int = -1
    lag: int = 0
    since: float = field(default_factory=time.monotonic)  #: when the position last moved, or there was nothing to do

    def verdict(self, now: float, patience: float) -> str | None:
        """Why this source counts as stalled, or None."""
        source = self.source
        if now - source.beat > patience:
            return f"the {source.stage.role} loop has not turned for {now - source.beat:.0f} s"
        if source.progress != self.progress or source.lag < max(1, self.lag):
            self.progress, self.lag, self.since = source.progress, source.lag, now
        if now - self.since > patience:
            return f"{source.stage.role}: {source.lag} records behind and not moving for {now - self.since:.0f} s"
        return None


def watch(
    sources: Sequence[Source], patience: float = 60.0, end: Callable[[Ended], None] | None = None
) -> threading.Thread:
    """Start watching. A source that stalls for ``patience`` seconds ends the process with status 74."""

    def run() -> None:
        watched = [_Watched(source) for source in sources]
        while not all(source.ended.is_set() for source in sources):
            time.sleep(min(5.0, patience / 4))
            for entry in watched:
                if not entry.source.ended.is_set() and (why := entry.verdict(time.monotonic(), patience)):
                    stalled = Ended(why, STALLED)
                    if end is not None:
                        end(stalled)
                        return
                    leave(stalled, entry.source.stage.role)

    thread = threading.Thread(target=run, name="watchdog", daemon=True)
    thread.start()
    return thread
