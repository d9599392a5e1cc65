"""Accounts that wake up: nobody looks after one that is not used, so it is a good one to take.

CIS Controls 5.3 (disable dormant accounts), MITRE ATT&CK T1078.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.rules.durations import parse_duration

_DAY = 86_400_000


class Dormant:
    """Fires on an event of a known key that comes ``after`` or longer after the one before it. Observed: whole days.

    Settings: ``after`` (90d), ``remember`` (730d: how long a key is remembered). A key's first event never fires, nor
    does one older than the key's newest. The state is one time.
    """

    fields: Sequence[str] = ()
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._after = parse_duration(str(settings.get("after", "90d")))
        self.keeps: str | int = parse_duration(str(settings.get("remember", "730d")))
        if not 0 < self._after < self.keeps:
            raise ValueError("after is more than nothing and less than remember")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        if state is None or event.time <= state:
            return event.time if state is None else state, ()
        silent = event.time - state
        found = Found(silent // _DAY, self._after // _DAY) if silent >= self._after else None
        return event.time, [found] if found else ()
