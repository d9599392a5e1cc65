"""``new_value: {field: country, learn: 7d}``: fires where a value is seen for the first time for the key.

new_value: {field: country, forget: 90d, learn: 7d, learn_events: 20}
new_value: {fields: [country, asn]}                                     # a combination that is new
With ``group_by: []`` it is a value that nobody had before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import NEVER, Moment, Observed, Option, Seen, Settings, Skipped, State, Witness
from streams.detect.entries import kept_id
from streams.detect.tokens import combined, field_or_fields, named
from streams.model import FindingKind
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

_FORGET = 90 * 86_400_000
_LEARN = 7 * 86_400_000
_MAX_VALUES = 1_000
#: More would not fit into a changelog value: a token has at most 64 characters.
MOST_VALUES = 2_500
MOST_LEARN_EVENTS = 500
_ID_LIMIT = 40
#: Last-seen times are rounded down to this part of ``forget``, so that what is well known changes no state.
_GRAINS = 100
_FOOT = 3

OPTIONS = (
    Option("field", "field", "", "the field whose values are remembered; this or ``fields``"),
    Option("fields", "fields", "", "several fields whose combinations are remembered"),
    Option("learn", "duration", "7d", "nothing fires so long after the key's first event"),
    Option("learn_events", "integer", "1", "nothing fires before the key has had so many events"),
    Option("forget", "duration", "90d", "a value that was not seen for so long is new again"),
    Option("max_values", "integer", "1000", "so many values of a key are remembered; those not seen for longest go"),
)

EXAMPLE = """
id: example.new-country
title: "{actor} came from {value} for the first time"
source: audit
where: {action: login, outcome: success}
group_by: [actor]
detect: {new_value: {field: country, learn: 1d, learn_events: 2}}
severity: medium
type: security
tests:
  - name: learns for a day, then tells what is new, once
    events:
      - {at: 0s, actor: ada, country: DE, action: login, outcome: success}
      - {at: 1h, actor: ada, country: FR, action: login, outcome: success}
      - {at: 1d1m, actor: ada, country: FR, action: login, outcome: success}
      - {at: 1d2m, actor: ada, country: IT, action: login, outcome: success}
      - {at: 1d3m, actor: ada, country: IT, action: login, outcome: success}
    expect: [{at: 1d2m, actor: ada}]
"""


@dataclass(frozen=True, slots=True)
class NewValue(Settings):
    """Fires where no event of the key that came before had this value, as far back as ``forget``.

    Values are typed: ``1``, ``"1"`` and ``true`` are three. An event without one of the fields, or with null, is not
    looked at. Learning ends ``learn`` after the earliest event of the key, and not before ``learn_events`` of them. The
    time at which a value was last seen is rounded down to a hundredth of ``forget``.
    """

    watched: tuple[str, ...]
    learn: int = _LEARN
    learn_events: int = 1
    forget: int = _FORGET
    max_values: int = _MAX_VALUES

    @property
    def name(self) -> str:
        return "new_value"

    @property
    def keeps(self) -> int:
        return self.forget

    def fields(self) -> tuple[str, ...]:
        return self.watched

    def document(self) -> dict[str, Any]:
        return {
            "fields": list(self.watched), "learn": format_duration(self.learn), "learn_events": self.learn_events,
            "forget": format_duration(self.forget), "max_values": self.max_values,
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        return [] if ladder.top is None else ["takes one word: a value is new, or it is not"]

    def detector(self, ladder: Ladder) -> Remembering:
        return Remembering(self)


class Remembering:
    """State: ``[last seen, token, …, first, events, ids]``; values in order of when they were last seen.

    ``first``: the time of the earliest event. ``ids``: of the events counted, for as long as they are.
    """

    stride = 2

    def __init__(self, kind: NewValue) -> None:
        self._kind = kind
        self._grain = max(1, kind.forget // _GRAINS)
        self.max_items = 2 * kind.max_values + _FOOT

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, _ = moment
        kind = self._kind
        told = combined(values)
        if told is None:
            return state, Skipped.UNUSABLE
        floor = max(horizon, at - kind.forget)
        if state is None or self.newest(state) <= floor:
            state = [at, 0, []]
        first, events, ids = state[-_FOOT:]
        counting, kept = events < kind.learn_events, ""
        if counting:
            kept = kept_id(event_id, _ID_LIMIT)
            if kept and kept in ids:
                return state, Skipped.DUPLICATE
        last_seen, place = at - at % self._grain, _place(state, told)
        is_new = place < 0 or state[place] <= floor
        if place >= 0 and last_seen <= state[place] and at >= first and not counting:
            return state, None  # nothing that is not known
        learning = counting or at < min(first, at) + kind.learn
        seen: Seen = None
        if is_new and not learning:
            value, known = named(kind.watched, values), _known(state, floor)
            seen = Observed(
                FindingKind.FIRE, value, None, (Witness(at, ref, event_id),), detail={"value": value, "known": known}
            )
        entries = state[:-_FOOT]
        if place >= 0:
            last_seen = max(last_seen, entries[place])
            del entries[place : place + 2]
        place = bisect_right(entries[::2], last_seen) * 2
        entries[place:place] = (last_seen, told)
        if counting:
            events += 1
            ids = [*ids, kept] if events < kind.learn_events else []
        return [*entries, min(first, at), events, ids], seen

    def newest(self, state: State) -> int:
        """When any value was seen last."""
        newest: int = state[-_FOOT - 2] if len(state) > _FOOT else NEVER
        return newest

    def holds(self, state: State) -> bool:
        return False


def _place(state: State, told: str) -> int:
    try:
        return state.index(told) - 1  # times and counts are no text
    except ValueError:
        return -1


def _known(state: State, floor: int) -> int:
    times = state[:-_FOOT:2]
    return len(times) - bisect_right(times, floor)


def parse(block: Mapping[str, Any]) -> NewValue:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    fields = field_or_fields(read)
    learn = read.duration("learn", _LEARN)
    learn_events = read.integer("learn_events", 1, most=MOST_LEARN_EVENTS)
    forget = read.duration("forget", _FORGET, least=1)
    max_values = read.integer("max_values", _MAX_VALUES, least=1, most=MOST_VALUES)
    if learn is not None and forget and learn >= forget:
        read.problem("learn", f"must be shorter than the {format_duration(forget)} for which values are remembered")
    read.check()
    return NewValue(fields, learn, learn_events, forget, max_values)
