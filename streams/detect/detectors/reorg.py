"""Reorganisations of a chain: how deep one goes, and what was concluded from blocks that are no longer part of it.

Depth is the number of blocks that were replaced, as node clients report it. What is ordinary differs by chain: under
proof of work six confirmations are asked for because of it (Nakamoto, 2008), and seven blocks of the Ethereum beacon
chain at once (2022-05-25) were an incident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streams.detect.detectors import Event, Found, Retraction
from streams.detect.detectors.swaps import index_of, word

#: Orphaned blocks of a chain, and alerts that rest on one block, that are remembered.
MOST_BLOCKS, MOST_ALERTS = 200, 100
_LARGEST_KEY = 800  #: bytes

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Depth:
    """Settings: ``within_seconds`` (60): orphaned heights so near in time are one reorganisation.

    Its key is a chain. Fires for each event; the value is the depth that it tells, or the number of heights that were
    orphaned around it, whichever is more.
    """

    fields = ("depth", "block", "block_hash")
    keeps = "1h"
    version = "1"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        within = settings.get("within_seconds", 60)
        if type(within) is not int or not 0 < within <= 3_600:
            raise ValueError("within_seconds is a whole number from 1 to 3600")
        self._within = within * 1_000

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        told, height = index_of(event.fields.get("depth")), index_of(event.fields.get("block"))
        seen = [one for one in state or [] if abs(one[0] - event.time) < self._within]
        if height is not None and all(height != one[1] for one in seen):
            seen.append([event.time, height])
        depth = max(told or 0, len(seen), 1)
        return seen[-MOST_BLOCKS:], [Found(depth, 1, detail={"depth": depth})]


class Orphaned:
    """Its key is the hash of a block; by the way ``alerts`` come those that rest on it. No settings.

    Fires once, when the block is orphaned; the value is the number of alerts taken back with it. An alert that comes
    later is taken back when it comes. Remembers ``MOST_ALERTS`` alerts of a block; ``left`` counts those that stand.
    """

    fields = ("block", "id", "rule", "key")
    keeps = "1d"
    version = "1"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if settings:
            raise ValueError("takes no settings")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        state = state or {"orphaned": False, "alerts": [], "left": 0}
        alerts = state["alerts"]
        if "alerts" in event.ways:
            alert = _alert(event.fields)
            if alert is None or any(alert[0] == one[0] for one in alerts):
                return state, ()
            kept = _encode(alert)
            if len(alerts) >= MOST_ALERTS or len(kept) > _LARGEST_KEY:
                state["left"] += 1
                return state, ()
            alerts.append(_decode(kept))  # a copy: the event's key may be in the hands of others
            return state, [_retracted(alert)] if state["orphaned"] else ()
        if state["orphaned"]:
            return state, ()
        state["orphaned"] = True
        detail = {"alerts": len(alerts), "left": state["left"]}
        return state, [Found(len(alerts), detail=detail), *map(_retracted, alerts)]


def _alert(fields: Mapping[str, Any]) -> list[Any] | None:
    """An alert as the state keeps it: id, rule, key."""
    identity, rule, key = fields.get("id"), fields.get("rule"), fields.get("key")
    if not isinstance(identity, str) or not identity or not word(rule) or not isinstance(key, dict):
        return None
    return [identity, rule, key]


def _retracted(alert: Sequence[Any]) -> Found:
    return Found(1, retract=Retraction(*alert))
