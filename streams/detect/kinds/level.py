"""``level``: fires when a value crosses a threshold, once, and clears when it has come back.

level: {value: value, above: 85}                                      # with severity {warning: 85, critical: 95}
level: {value: ltv, of: max_ltv, at_least: "75%", clear: "70%"}       # percent of a limit
level: {value: node_count, below: {field: faults, times: 3, plus: 1}} # against another field
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from streams.detect.base import Moment, Option, Ref, Seen, Settings, Skipped, State, Witness
from streams.detect.edge import EDGE_OPTIONS, Edge, Rungs, parse_edge
from streams.detect.entries import kept_id
from streams.detect.exact import exact
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

_FORGET = 86_400_000
_MAX_IDS = 16
_NUMBERS = frozenset({int, float})
_INF = float("inf")

OPTIONS = (
    Option("value", "field", None, "the number to look at"),
    *EDGE_OPTIONS,
    Option("of", "field", "", "the field of which the value is taken as a percentage"),
    Option("forget", "duration", "1d", "how long a key without events is remembered"),
)

EXAMPLE = """
id: example.disk-full
title: "{host}: {value} % of the disk is used"
source: metric
where: {name: disk.used.percent}
group_by: [host]
detect: {level: {value: value, at_least: 85, clear: 80}}
severity: {medium: 85, critical: 95}
type: system
tests:
  - name: fires on the edge, rises, and not again in between
    events:
      - {at: 0s, host: a, name: disk.used.percent, value: 84}
      - {at: 1m, host: a, name: disk.used.percent, value: 86}
      - {at: 2m, host: a, name: disk.used.percent, value: 87}
      - {at: 3m, host: a, name: disk.used.percent, value: 96}
    expect: [{at: 1m, host: a, severity: medium}, {at: 3m, host: a, severity: critical}]
"""


@dataclass(frozen=True, slots=True)
class Level(Settings):
    """Edge-triggered: fires where a rung is reached that is higher than the one held, clears past ``clear``.

    With a ladder of thresholds each rung is a level, compared as the edge says. Values are numbers or decimal strings;
    anything else is not looked at. Events older than the key's last, or than ``forget``, are not either.
    """

    value: str
    edge: Edge
    of: str = ""
    forget: int = _FORGET

    @property
    def name(self) -> str:
        return "level"

    @property
    def falling(self) -> bool:
        return self.edge.falling

    @property
    def keeps(self) -> int:
        return self.forget

    def fields(self) -> tuple[str, ...]:
        return (self.value, *filter(None, (self.of, self.edge.threshold.field)))

    def document(self) -> dict[str, Any]:
        return {"value": self.value, "of": self.of, **self.edge.document(), "forget": format_duration(self.forget)}

    def against(self, ladder: Ladder) -> list[str]:
        return self.edge.against(ladder)

    def detector(self, ladder: Ladder) -> Crossing:
        return Crossing(self, ladder)


class Crossing:
    """State: ``[at, rung held, event ids at this time…]``; rung 0: nothing is held."""

    stride = 1
    max_items = 2 + _MAX_IDS

    def __init__(self, level: Level, ladder: Ladder) -> None:
        self._level = level
        self._rungs = Rungs(level.edge, ladder)
        limit = level.edge.threshold
        self._of_field = bool(limit.field)
        self._is_whole = all(part.denominator == 1 and abs(part) < 2**53 for part in (limit.times, limit.number))
        self._times, self._plus = int(limit.times), int(limit.number)

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, _, _, _ = moment
        last, held, *ids = state or (at, 0)
        if at < last:
            return state, Skipped.STALE
        ids = ids if at == last else []
        kept = kept_id(event_id)
        if kept and kept in ids:
            return state, Skipped.DUPLICATE
        observed = None
        if held or not self._is_far(values):
            value, threshold = self._read(values)
            if value is None or threshold is None:
                return state, Skipped.UNUSABLE
            held, change = self._rungs.judge(value, held, threshold)
            observed = None if change is None else change.observed((Witness(at, ref, event_id),))
        return [at, held, *ids[-_MAX_IDS + 1 :], *([kept] if kept else [])], observed

    def quick(self, state: State, at: int, ref: Ref, event_id: str, values: tuple[Any, ...], horizon: int) -> bool:
        """See ``streams.detect.base.Quick``: nothing is held, and the value is far from the threshold."""
        last, held = state[:2]
        if held or at < last or not self._is_far(values) or (at == last and event_id in state):
            return False
        if at > last:
            state[:] = at, held
        if event_id:
            state.append(event_id)
            del state[2:-_MAX_IDS]
        return True

    def _is_far(self, values: tuple[Any, ...]) -> bool:
        """Whether numbers, as most values are, certainly reach no rung."""
        if not _NUMBERS.issuperset(map(type, values)):
            return False
        number, threshold = values[0], None
        if self._level.of:
            if not 0 < values[1] < _INF:
                return False
            number = 100 * number / values[1]
        if self._of_field:
            if type(values[-1]) is not int or not self._is_whole:
                return False
            threshold = self._times * values[-1] + self._plus
        return self._rungs.is_far(number, threshold)

    def _read(self, values: tuple[Any, ...]) -> tuple[Fraction | None, Fraction | None]:
        """The value to look at, in percent where there is an ``of``, and the threshold."""
        level, rest = self._level, iter(values)
        value = exact(next(rest))
        if level.of:
            whole = exact(next(rest))
            value = None if value is None or whole is None or whole <= 0 else 100 * value / whole
        return value, level.edge.threshold.at(next(rest, None))

    def newest(self, state: State) -> int:
        newest: int = state[0]
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[1])


def parse(block: Mapping[str, Any]) -> Level:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    value, of = read.path("value"), read.path("of", "")
    edge = parse_edge(read, percent=bool(of))
    forget = read.duration("forget", _FORGET, least=1)
    read.check()
    return Level(value, edge, of, forget)
