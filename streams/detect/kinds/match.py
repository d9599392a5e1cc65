"""``match: {dedup: 10m}``: each event that matches is a finding, once per event id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Moment, Observed, Option, Seen, Settings, Skipped, State, Witness
from streams.detect.entries import above, kept_id, place
from streams.model import FindingKind
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

_DEDUP = 600_000
_STRIDE = 2
_MAX_IDS = 256

OPTIONS = (Option("dedup", "duration", "10m", "an event id seen again inside it does not count"),)

EXAMPLE = """
id: example.root-login
title: "root logged in from {source_ip}"
source: audit
where: {action: login, actor: root}
group_by: [source_ip]
detect: {match: {dedup: 10m}}
severity: high
type: security
tests:
  - name: every login of root is told, a repeated record is not
    events:
      - {at: 0s, event_id: a, actor: root, action: login, source_ip: 192.0.2.1}
      - {at: 1s, event_id: a, actor: root, action: login, source_ip: 192.0.2.1}
    expect: [{at: 0s, source_ip: 192.0.2.1}]
"""


@dataclass(frozen=True, slots=True)
class Match(Settings):
    """Fires on every event; an id seen again inside ``dedup`` ms does not count. However old an event is, it counts."""

    dedup: int = _DEDUP

    @property
    def name(self) -> str:
        return "match"

    @property
    def keeps(self) -> int:
        return self.dedup

    @property
    def refuses_late(self) -> bool:
        return False

    def document(self) -> dict[str, Any]:
        return {"dedup": format_duration(self.dedup)}

    def against(self, ladder: Ladder) -> list[str]:
        return [] if ladder.top is None else ["match observes no value: write one word, not thresholds"]

    def detector(self, ladder: Ladder) -> Matching:
        return Matching(self)


class Matching:
    """State: ``[at, event_id, …]`` of the last ids. An old event's id is kept from the moment it came."""

    stride = _STRIDE
    max_items = _MAX_IDS * _STRIDE

    def __init__(self, match: Match) -> None:
        self._keeps = match.dedup

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, _, horizon, _, _ = moment
        seen = Observed(FindingKind.FIRE, None, None, (Witness(at, ref, event_id),))
        if not event_id:
            return state, seen
        kept = kept_id(event_id)
        entries = above(state, horizon, _STRIDE)
        if kept in entries[1::_STRIDE]:
            return state, Skipped.DUPLICATE
        since = max(at, horizon + self._keeps)
        index = place(entries, since, _STRIDE) * _STRIDE
        entries[index:index] = (since, kept)
        return entries, seen

    def newest(self, state: State) -> int:
        newest: int = state[-_STRIDE]
        return newest

    def holds(self, state: State) -> bool:
        return False


def parse(block: Mapping[str, Any]) -> Match:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    dedup = read.duration("dedup", _DEDUP, least=1)
    read.check()
    return Match(dedup)
