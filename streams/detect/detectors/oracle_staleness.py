"""A feed that is silent for longer than its own heartbeat, or repeats an answer that is older than that.

Heartbeats are those of Chainlink's data feeds, where each feed has its own: an hour for most, a day for stablecoins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.onchain import amount, word

_DAY = 86_400
_LONGEST = 30 * _DAY
#: Event times and ``updated_at`` from here on are in ms.
_MILLIS = 10**11


class OracleStaleness:
    """Of one feed. Observed: for how many seconds nothing new came, when its heartbeat and the margin are over.

    Settings: ``heartbeat`` (3,600 s, for feeds that do not say ``heartbeat_seconds``), ``margin`` (600 s; a tenth of
    the heartbeat where that is more), ``retired``: types of events after which nothing is expected any more.

    An answer is as old as ``updated_at`` (seconds, or ms) where the event says so and that lies before it. Late events
    change nothing. Clears with the next answer that is fresh. State: three numbers.
    """

    keeps = "60d"
    live = steady = True
    fields: Sequence[str] = ("type", "heartbeat_seconds", "updated_at")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._heartbeat, self._margin = int(settings.get("heartbeat", 3_600)), int(settings.get("margin", 600))
        self._retired = {word(text) for text in settings.get("retired", ("oracle.retired",))}
        if not 0 < self._heartbeat <= _LONGEST or not 0 <= self._margin <= _LONGEST:
            raise ValueError("heartbeat and margin are seconds, at most 30 days")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        newest, answered, allowed, told = state or (event.time, None, 0, False)
        if event.time < newest:
            return state, ()
        if word(event.fields.get("type")) in self._retired:
            return [event.time, None, 0, False], [Found(0, clear=True)] if told else ()
        said = amount(event.fields.get("heartbeat_seconds"))
        heartbeat = int(said) if said is not None and 0 < said <= _LONGEST else self._heartbeat
        allowed_now = 1000 * (heartbeat + max(self._margin, heartbeat // 10))
        now = max(_answered(event), answered or 0)
        findings = []
        if answered is not None and not told and now - answered > allowed:  # a gap that ends before time had told it
            findings.append(self._found(now, answered, allowed))
        is_stale = event.time - now > allowed_now
        if is_stale and not told and not findings:
            findings.append(self._found(event.time, now, allowed_now))
        if (told or findings) and not is_stale:
            findings.append(Found(0, clear=True))
        return [event.time, now, allowed_now, is_stale], findings

    def due(self, state: Any) -> int | None:
        """When the feed becomes stale, should nothing come."""
        if state is None or state[1] is None or state[3]:
            return None
        return int(state[1]) + int(state[2]) + 1

    def expire(self, state: Any, now: int) -> tuple[Any, Sequence[Found]]:
        newest, answered, allowed, _ = state
        return [newest, answered, allowed, True], [self._found(now - 1, answered, allowed)]

    def _found(self, now: int, answered: int, allowed: int) -> Found:
        silent = (now - answered) // 1000
        return Found(silent, allowed // 1000, detail={"silent_seconds": silent, "allowed_seconds": allowed // 1000})


def _answered(event: Event) -> int:
    said = amount(event.fields.get("updated_at"))
    if said is None or said == 0:
        return event.time
    at = int(said if said >= _MILLIS else said * 1000)
    return min(at, event.time)
