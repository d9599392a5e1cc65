"""Records that carry the hash of the record before them: where the chain is broken or forks.

After S. Haber, W. S. Stornetta, "How to Time-Stamp a Digital Document" (1991): whoever changes, takes out or puts in a
record changes its hash, and the record after it does not fit any more. What a hash is made of is the producer's own
matter; it is compared, not calculated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.logins import short
from streams.rules.durations import parse_duration

_ENDS, _FOLLOWED, _WAITING, _SHOWN = 512, 128, 200, 64


class Chained:
    """Fires on a record whose ``previous`` is the hash of no record before it, and on one that follows where one did.

    Settings: ``hash`` (hash), ``previous`` (prev_hash), ``wait`` (2m): so long after a record the one before it may
    still come, in event time. The earliest record that is seen of a chain needs none before it. A record whose previous
    hash is null, empty or all zeros begins a chain: a second one is a finding. The same pair again is the same record.
    Each break is told once, and the chain goes on from it. Records of one moment may come in any order, as may late
    ones. The state holds digests: of at most 512 records that none follows yet, of the last 128 links, and of at most
    200 records that wait (one more tells the oldest at once).
    """

    keeps: str | int = "30d"
    version = "1"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._hash, self._previous = str(settings.get("hash", "hash")), str(settings.get("previous", "prev_hash"))
        self._wait = parse_duration(str(settings.get("wait", "2m")))
        self.fields: Sequence[str] = (self._hash, self._previous)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        if self._previous not in event.fields:
            return state, ()
        shown = event.fields[self._previous]
        own, before = _short(event.fields.get(self._hash)), _short(shown)
        state = state or {"ends": {}, "followed": {}, "waiting": [], "rooted": False, "oldest": event.time}
        waiting, followed = state["waiting"], state["followed"]
        if own and (followed.get(_link(before, own)) == own or any(one[:2] == [before, own] for one in waiting)):
            return state, ()
        is_older, state["oldest"] = event.time < state["oldest"], min(event.time, state["oldest"])
        forks = before and (before in followed or any(one[0] == before for one in waiting))
        linked = before in state["ends"]
        if own:
            self._add(state, own)
        if forks:
            return state, [Found(2, detail={"kind": "fork", "expected": _text(shown)})]
        if linked or (state["rooted"] and is_older):
            _follow(state, before, own)
            return state, ()
        waiting.append([before, own, event.time, list(event.sight), _text(shown)])
        return state, self._judged(state, 1) if len(waiting) > _WAITING else []

    def due(self, state: Any) -> int | None:
        return min(one[2] for one in state["waiting"]) + self._wait if state and state["waiting"] else None

    def expire(self, state: Any, now: int) -> tuple[Any, Sequence[Found]]:
        over = sum(one[2] + self._wait <= now for one in state["waiting"])
        return state, self._judged(state, over)

    def _add(self, state: dict[str, Any], own: str) -> None:
        """Another record that can be followed; one that waited for it follows."""
        for place, (before, follower, *_) in enumerate(state["waiting"]):
            if before == own:
                del state["waiting"][place]
                _follow(state, own, follower)
                return
        _put(state["ends"], own, "", _ENDS)

    def _judged(self, state: dict[str, Any], count: int) -> list[Found]:
        """What the ``count`` oldest of those that wait are: the root of the chain, or breaks of it."""
        waiting = sorted(state["waiting"], key=lambda one: one[2])
        state["waiting"], found = waiting[count:], []
        for before, own, at, sight, shown in waiting[:count]:
            _follow(state, before, own)
            if state["rooted"] or at > state["oldest"]:
                found.append(
                    Found(1, detail={"kind": "break" if before else "beginning", "expected": shown}, about=sight)
                )
            state["rooted"] = True
        return found


def _follow(state: dict[str, Any], before: str, own: str) -> None:
    state["ends"].pop(before, None)
    _put(state["followed"], _link(before, own), own, _FOLLOWED)


def _link(before: str, own: str) -> str:
    """By what a link is known: one record follows another, but many begin a chain."""
    return before or f"={own}"


def _put(known: dict[str, str], name: str, value: str, most: int) -> None:
    """The newest stand last; the oldest beyond ``most`` go."""
    known[name] = value
    if len(known) > most:
        del known[next(iter(known))]


def _short(value: Any) -> str:
    """A hash as 64 bits of its digest, in any case; empty for what is none, or nothing but zeros."""
    if not isinstance(value, str) or not value.strip("0x "):
        return ""
    return short(value.strip().lower())


def _text(value: Any) -> str:
    return value[:_SHOWN] if isinstance(value, str) else ""
