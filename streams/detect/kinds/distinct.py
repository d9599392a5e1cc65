"""``distinct: {field: source_ip, at_least: 5, within: 1h}``: so many different values inside one stretch of time."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from streams.detect.base import MAX_STATE, Moment, Observed, Option, Seen, Settings, Skipped, State
from streams.detect.entries import above, kept_id, place, witnesses
from streams.detect.kinds.count import beyond, need
from streams.model import FindingKind
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

#: Larger numbers would need a state larger than a changelog value may be.
MAX_AT_LEAST = 400
_BYTES = 60  #: of an entry beside its id and value
_ID_LIMIT = 40
_VALUE_LIMIT = 64
_STRIDE = 4

_canonical = msgspec.json.Encoder(order="sorted")

OPTIONS = (
    Option("field", "field", None, "whose different values are counted"),
    Option("at_least", "integer", None, "so many different values"),
    Option("within", "duration", None, "length of the window"),
)

EXAMPLE = """
id: example.password-spray
title: "{source_ip} tried {count} accounts"
source: audit
where: {action: login, outcome: failure}
group_by: [source_ip]
detect: {distinct: {field: actor, at_least: 3, within: 1h}}
severity: high
type: security
tests:
  - name: three accounts from one address
    events: [{at: 0s, source_ip: 192.0.2.1, actor: "user{n}", action: login, outcome: failure, times: 3, every: 1m}]
    expect: [{at: 2m, source_ip: 192.0.2.1, count: 3}]
"""


@dataclass(frozen=True, slots=True)
class Distinct(Settings):
    """Fires on each event that makes some window of ``within`` ms around it hold ``at_least`` values of ``field``.

    Values are typed: ``1``, ``"1"`` and ``true`` are three. An event without the field, or with null, does not count.
    """

    field: str
    at_least: int
    within: int

    @property
    def name(self) -> str:
        return "distinct"

    @property
    def keeps(self) -> int:
        return self.within

    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def document(self) -> dict[str, Any]:
        return {"field": self.field, "at_least": self.at_least, "within": format_duration(self.within)}

    def against(self, ladder: Ladder) -> list[str]:
        return beyond(ladder, MAX_AT_LEAST)

    def detector(self, ladder: Ladder) -> Telling:
        return Telling(self, need(self.at_least, ladder, MAX_AT_LEAST))


def token(value: Any) -> str | None:
    """A value as a short typed string; None for null and missing. Integral floats are integers."""
    if value is None or value is msgspec.UNSET:
        return None
    if isinstance(value, str):
        text = "s" + value
    elif isinstance(value, float) and value.is_integer():
        text = f"j{int(value)}"
    else:
        text = "j" + _canonical.encode(value).decode()
    if len(text) <= _VALUE_LIMIT and text.isascii() and text.isprintable():
        return text
    return "#" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Telling:
    """State: ``[at, ref, event_id, value, …]``, oldest first. Observed values saturate at ``need``.

    Superfluous is an entry between two of its own value that one window spans, and one that has ``need`` values on
    either side inside one window (see ``Counting``).
    """

    stride = _STRIDE
    max_items = MAX_STATE // (_BYTES + _ID_LIMIT + _VALUE_LIMIT) * _STRIDE

    def __init__(self, distinct: Distinct, need: int) -> None:
        self._distinct, self._need = distinct, need

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, (value,), horizon, _, _ = moment
        told = token(value)
        if told is None:
            return state, Skipped.UNUSABLE
        kept = kept_id(event_id, _ID_LIMIT)
        entries = above(state, horizon, _STRIDE)
        if kept and kept in entries[2::_STRIDE]:
            return state, Skipped.DUPLICATE
        index = place(entries, at, _STRIDE)
        entries[index * _STRIDE : index * _STRIDE] = (at, ref, kept, told)
        times, values = entries[::_STRIDE], entries[3::_STRIDE]
        observed = None
        best, first, last = 0, 0, 0
        if len(times) >= self._distinct.at_least:
            best, first, last = self._most(times, values, index)
        if best >= self._distinct.at_least:
            evidence = witnesses(entries, _STRIDE, first, last, moment)
            observed = Observed(FindingKind.FIRE, min(best, self._need), self._distinct.at_least, evidence)
        if values.count(told) > 2:
            self._thin(entries, times, values, told)
        if len(times) > 4 * self._need:
            self._cap(entries, times, at)
        return entries, observed

    def _most(self, times: list[int], values: list[str], index: int) -> tuple[int, int, int]:
        """The largest number of values in any window that contains the entry ``index``; its first and last entry."""
        within = self._distinct.within
        first, last, top = bisect_right(times, times[index] - within), index, times[index] + within
        held = Counter(values[first : index + 1])
        best = len(held), first, last
        for last in range(index + 1, len(times)):
            if times[last] >= top:
                break
            held[values[last]] += 1
            while times[first] <= times[last] - within:
                held[values[first]] -= 1
                if not held[values[first]]:
                    del held[values[first]]
                first += 1
            if len(held) > best[0]:
                best = len(held), first, last
        return best

    def _thin(self, entries: State, times: list[int], values: list[str], told: str) -> None:
        """Leave of one value at most two entries in any window: the outer ones stand for what lies between them."""
        same = [index for index, value in enumerate(values) if value == told]
        middle = 1
        while middle < len(same) - 1:
            if times[same[middle + 1]] - times[same[middle - 1]] < self._distinct.within:
                drop = same.pop(middle)
                del entries[drop * _STRIDE : (drop + 1) * _STRIDE], times[drop], values[drop]
                same[middle:] = [index - 1 for index in same[middle:]]
                middle = max(1, middle - 1)
            else:
                middle += 1

    def _cap(self, entries: State, times: list[int], at: int) -> None:
        """Leave at most ``4 * need`` entries in any window; more hold ``need`` values on either side of the middle."""
        within, most = self._distinct.within, 4 * self._need
        end = bisect_right(times, at - within) + most
        while end < len(times) and times[end - most] < at + within:
            if times[end] - times[end - most] < within:
                middle = end - most // 2
                del entries[middle * _STRIDE : (middle + 1) * _STRIDE], times[middle]
                end = max(most, end - 1)
            else:
                end += 1

    def newest(self, state: State) -> int:
        newest: int = state[-_STRIDE]
        return newest

    def holds(self, state: State) -> bool:
        return False


def parse(block: Mapping[str, Any]) -> Distinct:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    field = read.path("field")
    at_least, within = read.integer("at_least", least=1, most=MAX_AT_LEAST), read.duration("within", least=1)
    read.check()
    return Distinct(field, at_least, within)
