"""``change: {field: country}``: fires when a field differs from what the key had last.

change: {field: country, from: [DE, AT], to: [KP]}     # only these changes
change: {fields: [country, asn], forget: 30d}          # either of them
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Moment, Observed, Option, Seen, Settings, Skipped, State, Witness
from streams.detect.entries import kept_id
from streams.detect.kinds.distinct import token
from streams.detect.tokens import combined, field_or_fields, named
from streams.model import FindingKind
from streams.rules.block import Block
from streams.rules.durations import format_duration, shown
from streams.rules.rule import Ladder

_FORGET = 30 * 86_400_000
_MAX_IDS = 16
_ID_LIMIT = 48
_MAX_VALUES = 1_000

OPTIONS = (
    Option("field", "field", "", "the field to watch; this or ``fields``"),
    Option("fields", "fields", "", "several fields that are watched as one"),
    Option("from", "values", "any", "only changes away from one of these values of ``field``"),
    Option("to", "values", "any", "only changes to one of these values of ``field``"),
    Option("ignore_missing", "flag", "true", "an event without the field, or with null, is not looked at"),
    Option("forget", "duration", "30d", "how long a key without events is remembered"),
)

EXAMPLE = """
id: example.country-changed
title: "{actor} moved from {previous} to {current}"
source: audit
where: {action: login, outcome: success}
group_by: [actor]
detect: {change: {field: country}}
severity: medium
type: security
tests:
  - name: fires on the first login from elsewhere
    events:
      - {at: 0s, actor: ada, country: DE, action: login, outcome: success, times: 3, every: 1m}
      - {at: 5m, actor: ada, country: FR, action: login, outcome: success}
      - {at: 6m, actor: ada, country: FR, action: login, outcome: success}
    expect: [{at: 5m, actor: ada}]
"""


@dataclass(frozen=True, slots=True)
class Change(Settings):
    """Fires where the fields differ from those of the key's event before it, by event time.

    Values are typed: ``1``, ``"1"`` and ``true`` are three, ``1`` and ``1.0`` are one. The first event of a key never
    fires. One that is older than the key's last is not looked at: the step from one value to the next was judged
    already. Of one time the later arrival is the later event. ``away`` and ``to`` hold tokens; empty: any value.
    """

    watched: tuple[str, ...]
    away: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    ignore_missing: bool = True
    forget: int = _FORGET

    @property
    def name(self) -> str:
        return "change"

    @property
    def keeps(self) -> int:
        return self.forget

    def fields(self) -> tuple[str, ...]:
        return self.watched

    def document(self) -> dict[str, Any]:
        return {
            "fields": list(self.watched), "from": list(self.away), "to": list(self.to),
            "ignore_missing": self.ignore_missing, "forget": format_duration(self.forget),
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        return [] if ladder.top is None else ["takes one word: a change has no size"]

    def detector(self, ladder: Ladder) -> Comparing:
        return Comparing(self)


class Comparing:
    """State: ``[at, ref, event_id, token, value, recent event ids…]`` of the key's last event."""

    stride = 1
    max_items = 5 + _MAX_IDS

    def __init__(self, change: Change) -> None:
        self._change = change

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, _ = moment
        change = self._change
        told = combined(values, absent=not change.ignore_missing)
        if told is None:
            return state, Skipped.UNUSABLE
        kept = kept_id(event_id, _ID_LIMIT)
        current = named(change.watched, values)
        if state is None or state[0] <= max(horizon, at - change.forget):
            return [at, ref, kept, told, current, *([kept] if kept else [])], None
        last, last_ref, last_id, before, previous, *ids = state
        if kept and kept in ids:
            return state, Skipped.DUPLICATE
        if at < last:
            return state, Skipped.STALE
        seen: Seen = None
        if told != before and (not change.away or before in change.away) and (not change.to or told in change.to):
            evidence = (Witness(last, last_ref, last_id), Witness(at, ref, event_id))
            detail = {"previous": previous, "current": current}
            seen = Observed(FindingKind.FIRE, current, previous, evidence, detail=detail)
        return [at, ref, kept, told, current, *ids[-_MAX_IDS + 1 :], *([kept] if kept else [])], seen

    def newest(self, state: State) -> int:
        newest: int = state[0]
        return newest

    def holds(self, state: State) -> bool:
        return False


def parse(block: Mapping[str, Any]) -> Change:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    fields = field_or_fields(read)
    ignore = read.flag("ignore_missing", True)
    away, to = read.read("from", _values, ()), read.read("to", _values, ())
    forget = read.duration("forget", _FORGET, least=1)
    for name, chosen in (("from", away), ("to", to)):
        if chosen and len(fields or ()) > 1:
            read.problem(name, "takes values of a single 'field', not of several")
        if ignore and chosen and "n" in chosen:
            read.problem(name, "names null, which is not looked at unless ignore_missing is false")
    if away and away == to and len(away) == 1:
        read.problem("to", "is the value that it changes from: nothing can fire")
    read.check()
    return Change(fields, tuple(sorted(away)), tuple(sorted(to)), ignore, forget)


def _values(raw: Any) -> tuple[str, ...]:
    """Tokens of a value or a list of values. Raises ValueError."""
    values = raw if isinstance(raw, list) else [raw]
    if not values or len(values) > _MAX_VALUES or any(isinstance(value, (list, dict)) for value in values):
        raise ValueError(f"takes a value or a list of at most {_MAX_VALUES} values, not {shown(raw)}")
    return tuple({token(value) or "n" for value in values})
