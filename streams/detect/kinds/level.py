"""``level``: fires when a value crosses a threshold, once, and clears when it has come back.

level: {value: value, above: 85}                                      # with severity {warning: 85, critical: 95}
level: {value: ltv, of: max_ltv, at_least: "75%", clear: "70%"}       # percent of a limit
level: {value: node_count, below: {field: faults, times: 3, plus: 1}} # against another field
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from streams.detect.base import Moment, Observed, Option, Seen, Settings, Skipped, State, Witness
from streams.detect.entries import kept_id
from streams.detect.exact import exact, plain
from streams.model import FindingKind, Severity
from streams.rules.block import Block
from streams.rules.durations import format_duration, shown
from streams.rules.rule import Ladder

#: ``above`` is >, ``at_least`` >=, ``below`` <, ``at_most`` <=.
COMPARISONS = ("above", "at_least", "below", "at_most")
_FORGET = 86_400_000
_MAX_IDS = 16

OPTIONS = (
    Option("value", "field", None, "the number to look at"),
    Option("above", "threshold", "", "fires where the value is above; one of these four"),
    Option("at_least", "threshold", "", "fires where the value is at or above"),
    Option("below", "threshold", "", "fires where the value is below"),
    Option("at_most", "threshold", "", "fires where the value is at or below"),
    Option("of", "field", "", "the field of which the value is taken as a percentage"),
    Option("clear", "number", "the threshold", "past which the alert resolves"),
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
class Threshold:
    """A number (of percent, where the kind has ``of``), or ``times * field + plus``."""

    number: Fraction
    field: str = ""
    times: Fraction = Fraction(1)

    def at(self, value: Any) -> Fraction | None:
        """The threshold for an event in which ``field`` has ``value``; None where it has no number."""
        if not self.field:
            return self.number
        base = exact(value)
        return None if base is None else self.times * base + self.number

    def document(self) -> Any:
        if not self.field:
            return str(self.number)
        return {"field": self.field, "times": str(self.times), "plus": str(self.number)}


@dataclass(frozen=True, slots=True)
class Level(Settings):
    """Edge-triggered: fires where a rung is reached that is higher than the one held, clears past ``clear``.

    With a ladder of thresholds each rung is a level, compared as ``comparison`` says. Values are numbers or decimal
    strings; anything else is not looked at. Events older than the key's last, or than ``forget``, are not either.
    """

    value: str
    comparison: str
    threshold: Threshold
    of: str = ""
    clear: Fraction | None = None
    forget: int = _FORGET

    @property
    def name(self) -> str:
        return "level"

    @property
    def falling(self) -> bool:
        return self.comparison in ("below", "at_most")

    @property
    def keeps(self) -> int:
        return self.forget

    def fields(self) -> tuple[str, ...]:
        return (self.value, *filter(None, (self.of, self.threshold.field)))

    def document(self) -> dict[str, Any]:
        return {
            "value": self.value, "of": self.of, self.comparison: self.threshold.document(),
            "clear": None if self.clear is None else str(self.clear), "forget": format_duration(self.forget),
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        first = ladder.rungs[0][0]
        if first is None or self.threshold.field:
            return []
        rung = exact(first)
        if rung is None or (rung > self.threshold.number if self.falling else rung < self.threshold.number):
            return [f"{first} can never be the level: the threshold is {plain(self.threshold.number)}"]
        return []

    def detector(self, ladder: Ladder) -> Crossing:
        return Crossing(self, ladder)

    def reached(self, value: Fraction, threshold: Fraction) -> bool:
        match self.comparison:
            case "above":
                return value > threshold
            case "at_least":
                return value >= threshold
            case "below":
                return value < threshold
            case _:
                return value <= threshold


class Crossing:
    """State: ``[at, rung held, event ids at this time…]``; rung 0: nothing is held."""

    stride = 1
    max_items = 2 + _MAX_IDS

    def __init__(self, level: Level, ladder: Ladder) -> None:
        self._level = level
        self._rungs: list[tuple[Fraction | None, tuple[Severity, str]]] = [
            (exact(limit), (severity, word)) for limit, severity, word in ladder.rungs
        ]

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, _, event_id, values, _, _, _ = moment
        last, held, *ids = state or (at, 0)
        if at < last:
            return state, Skipped.STALE
        ids = ids if at == last else []
        kept = kept_id(event_id)
        if kept and kept in ids:
            return state, Skipped.DUPLICATE
        value, threshold = self._read(values)
        if value is None or threshold is None:
            return state, Skipped.UNUSABLE
        observed = None
        rung = self._rung(value, threshold)
        clear = threshold if self._level.clear is None else self._level.clear
        if rung > held:
            limit, severity = self._rungs[rung - 1]
            # Below its own first rung a rule still fires at its threshold.
            passed = limit if limit is not None and self._level.reached(value, limit) else threshold
            observed = self._observed(FindingKind.FIRE, value, passed, moment, severity)
            held = rung
        elif held and not rung and not self._level.reached(value, clear):
            severity = self._rungs[min(held, len(self._rungs)) - 1][1]
            observed = self._observed(FindingKind.CLEAR, value, clear, moment, severity)
            held = 0
        return [at, held, *ids[-_MAX_IDS + 1 :], *([kept] if kept else [])], observed

    def _read(self, values: tuple[Any, ...]) -> tuple[Fraction | None, Fraction | None]:
        """The value to look at, in percent where there is an ``of``, and the threshold."""
        level, rest = self._level, iter(values)
        value = exact(next(rest))
        if level.of:
            whole = exact(next(rest))
            value = None if value is None or whole is None or whole <= 0 else 100 * value / whole
        return value, level.threshold.at(next(rest, None))

    def _rung(self, value: Fraction, threshold: Fraction) -> int:
        if not self._level.reached(value, threshold):
            return 0
        top = 1
        for number, (limit, _) in enumerate(self._rungs, 1):
            if limit is not None and self._level.reached(value, limit):
                top = number
        return top

    def _observed(
        self, kind: FindingKind, value: Fraction, threshold: Fraction, moment: Moment, severity: tuple[Severity, str]
    ) -> Observed:
        witness = Witness(moment.at, moment.ref, moment.event_id)
        return Observed(kind, plain(value), plain(threshold), (witness,), severity)

    def newest(self, state: State) -> int:
        newest: int = state[0]
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[1])


def parse(block: Mapping[str, Any]) -> Level:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    value, of = read.path("value"), read.path("of", "")
    chosen = [name for name in COMPARISONS if read.has(name)]
    comparison, threshold = chosen[0] if chosen else "above", None
    if len(chosen) == 1:
        threshold = read.read(comparison, partial(_threshold, percent=bool(of)))
    else:
        read.problem("", f"takes exactly one of {', '.join(COMPARISONS)}" + (f", not {len(chosen)}" if chosen else ""))
    clear = read.read("clear", partial(_number, percent=bool(of)), None)
    forget = read.duration("forget", _FORGET, least=1)
    kind = Level(value, comparison, threshold or Threshold(Fraction(0)), of, clear, forget)
    if threshold is not None and not threshold.field and clear not in (None, threshold.number):
        # Cleared where the threshold is still passed, an alert would open and close with every event.
        assert clear is not None
        if kind.reached(clear, threshold.number):
            read.problem("clear", f"lies beyond the threshold of {plain(threshold.number)}")
    read.check()
    return kind


def _threshold(raw: Any, *, percent: bool) -> Threshold:
    if not isinstance(raw, Mapping):
        return Threshold(_number(raw, percent=percent))
    read = Block(raw)
    if percent:
        read.problem("", "takes a percentage where there is an 'of', not another field")
    field, times, plus = read.path("field"), read.number("times", 1), read.number("plus", 0)
    read.check()
    return Threshold(exact(plus) or Fraction(0), field, exact(times) or Fraction(0))


def _number(raw: Any, *, percent: bool) -> Fraction:
    """``85``, or ``"85%"`` where there is a limit to take it of. Raises ValueError."""
    if isinstance(raw, str) and raw.endswith("%"):
        if not percent:
            raise ValueError("takes a percentage only with 'of': the field that holds the limit")
        number = exact(raw[:-1].strip())
    else:
        number = exact(raw) if isinstance(raw, (int, float)) else None
    if number is None:
        raise ValueError(f"takes a number{' or a percentage' if percent else ''}, not {shown(raw)}")
    return number
