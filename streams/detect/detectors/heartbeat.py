"""A heartbeat that stops without a goodbye: the failure detector of heartbeats and time-outs, with a way to leave.

Chandra and Toueg 1996, Unreliable failure detectors for reliable distributed systems. ``absence`` says the same of keys
that never leave on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found

_SECOND = 1_000
_LONGEST = 7 * 86_400


class Heartbeat:
    """Settings: ``within_seconds``, ``goodbye``: words of ``status``, in any case, after which nothing is expected.

    Fires when event time is past the last heartbeat by more than ``within``, once; clears with the next one. A gap
    that is over when it is seen is told, and cleared. A heartbeat that is older than the newest changes nothing.
    Observed: for how many seconds nothing came, when that was told. State: a time and two flags.
    """

    keeps = "14d"
    live = steady = True
    fields: Sequence[str] = ("status",)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        seconds = int(settings["within_seconds"])
        if not 0 < seconds <= _LONGEST:
            raise ValueError("within_seconds is from 1 to a week")
        self._within = seconds * _SECOND
        self._goodbye = {str(word).casefold() for word in settings.get("goodbye", ())}

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        last, is_gone, told = state or (event.time, True, False)
        if event.time < last:
            return state, ()
        status = event.fields.get("status")
        leaves = isinstance(status, str) and status.casefold() in self._goodbye
        if event.time == last and is_gone and state is not None:
            return state, ()  # what comes in the same moment as a goodbye came before it
        findings = []
        if not is_gone and not told and event.time - last > self._within:
            told = True
            findings.append(self._found(event.time - last, last))
        if told:
            findings.append(Found(0, self._within // _SECOND, clear=True))
        return [event.time, leaves, False], findings

    def due(self, state: Any) -> int | None:
        """When the host counts as lost, should nothing come."""
        last, is_gone, told = state
        return None if is_gone or told else int(last) + self._within + 1

    def expire(self, state: Any, now: int) -> tuple[Any, Sequence[Found]]:
        last, is_gone, _ = state
        return [last, is_gone, True], [self._found(now - last, last)]

    def _found(self, silent: int, since: int) -> Found:
        seconds = silent // _SECOND
        return Found(seconds, self._within // _SECOND, detail={"silent_seconds": seconds, "since": since})
