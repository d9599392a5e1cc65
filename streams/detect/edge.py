"""Edges: a condition fires when it begins to hold and at each higher rung of the severity ladder, and clears past
``clear``.

A threshold is one of ``above`` (>), ``at_least`` (>=), ``below`` (<), ``at_most`` (<=): a number, a percentage, or
``{field: f, times: 3, plus: 1}``. What is held between two looks is one number, the rung; 0: nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from streams.detect.base import Observed, Option, Witness
from streams.detect.exact import exact, plain
from streams.model import FindingKind, Severity
from streams.rules.block import Block
from streams.rules.durations import shown
from streams.rules.rule import Ladder

#: ``above`` is >, ``at_least`` >=, ``below`` <, ``at_most`` <=.
COMPARISONS = ("above", "at_least", "below", "at_most")

EDGE_OPTIONS = (
    Option("above", "threshold", "", "fires where the value is above; one of these four"),
    Option("at_least", "threshold", "", "fires where the value is at or above"),
    Option("below", "threshold", "", "fires where the value is below"),
    Option("at_most", "threshold", "", "fires where the value is at or below"),
    Option("clear", "number", "the threshold", "past which the alert resolves"),
)

#: A threshold that is another field, where the kind takes one.
FIELD_OPTIONS = (
    Option("field", "field", None, "the other field"),
    Option("times", "number", "1", "what it is multiplied with"),
    Option("plus", "number", "0", "what is added"),
)


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
class Edge:
    """Where a condition begins and where it ends; ``clear`` None: where it began."""

    comparison: str
    threshold: Threshold
    clear: Fraction | None = None

    @property
    def falling(self) -> bool:
        """Whether lower values are worse."""
        return self.comparison in ("below", "at_most")

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

    def document(self) -> dict[str, Any]:
        """Canonical, for the rule's version."""
        clear = None if self.clear is None else str(self.clear)
        return {self.comparison: self.threshold.document(), "clear": clear}

    def against(self, ladder: Ladder) -> list[str]:
        """What is wrong with a severity ladder over this value."""
        first = ladder.rungs[0][0]
        if first is None or self.threshold.field:
            return []
        rung = exact(first)
        if rung is None or (rung > self.threshold.number if self.falling else rung < self.threshold.number):
            return [f"{first} can never be the level: the threshold is {plain(self.threshold.number)}"]
        return []


class Change(NamedTuple):
    """What the edge came to. ``value`` None: nothing was there to measure any more."""

    kind: FindingKind
    value: Fraction | None
    threshold: Fraction
    severity: tuple[Severity, str]

    def observed(
        self,
        evidence: tuple[Witness, ...],
        at: int | None = None,
        detail: Mapping[str, Any] | None = None,
        shown: Callable[[Fraction], Any] = plain,
    ) -> Observed:
        """The observation, its numbers as ``shown`` writes them."""
        value = None if self.value is None else shown(self.value)
        return Observed(self.kind, value, shown(self.threshold), evidence, self.severity, at, detail)


class Rungs:
    """An edge against a ladder. With a ladder of thresholds each rung is a level, compared as the edge says."""

    def __init__(
        self, edge: Edge, ladder: Ladder, scaled: Callable[[Fraction], Fraction] = lambda limit: limit
    ) -> None:
        """``scaled``: a threshold as values are given to ``judge`` (squared, for squares)."""
        self._edge, self._scaled = edge, scaled
        self._rungs: list[tuple[Fraction | None, tuple[Severity, str]]] = []
        for limit, severity, word in ladder.rungs:
            number = exact(limit)
            self._rungs.append((None if number is None else scaled(number), (severity, word)))
        self._threshold = scaled(edge.threshold.number)
        self._clear = None if edge.clear is None else scaled(edge.clear)
        self._about, self._falling = _about(self._threshold), edge.falling

    def is_far(self, number: float, threshold: float | None = None) -> bool:
        """Whether a value within a billionth of ``number`` certainly does not reach the threshold, so that ``judge``
        would find nothing where nothing is held: asked first, as fractions take ten times as long.
        """
        about = self._about if threshold is None else threshold
        off = number - about if self._falling else about - number
        return off > 1e-8 * (abs(number) + abs(about))

    def judge(self, value: Fraction, held: int, threshold: Fraction | None = None) -> tuple[int, Change | None]:
        """The rung held from now on, and the change that was. ``threshold``: of this event, where it names a field."""
        edge = self._edge
        limit = self._threshold if threshold is None else self._scaled(threshold)
        rung = self.rung(value, limit)
        if rung > held:
            own, severity = self._rungs[rung - 1]
            # Below its own first rung a rule still fires at its threshold.
            passed = own if own is not None and edge.reached(value, own) else limit
            return rung, Change(FindingKind.FIRE, value, passed, severity)
        clear = limit if self._clear is None else self._clear
        if held and not rung and not edge.reached(value, clear):
            return 0, Change(FindingKind.CLEAR, value, clear, self._severity(held))
        return held, None

    def rung(self, value: Fraction, threshold: Fraction) -> int:
        """The highest rung that the value reaches, from 1; 0: not even the threshold."""
        if not self._edge.reached(value, threshold):
            return 0
        top = 1
        for number, (limit, _) in enumerate(self._rungs, 1):
            if limit is not None and self._edge.reached(value, limit):
                top = number
        return top

    def ended(self, held: int) -> Change:
        """The clearing of what is held when nothing is left to measure."""
        clear = self._threshold if self._clear is None else self._clear
        return Change(FindingKind.CLEAR, None, clear, self._severity(held))

    def _severity(self, held: int) -> tuple[Severity, str]:
        return self._rungs[min(held, len(self._rungs)) - 1][1]  # a ladder may have become shorter


def _about(number: Fraction) -> float:
    """The nearest double; NaN, from which nothing is far, where that is not within a billionth."""
    if number and not 1e-200 < abs(number) < 1e300:
        return math.nan
    return float(number)


def parse_edge(read: Block, *, percent: bool = False, fields: bool = True) -> Edge:
    """``EDGE_OPTIONS`` of a kind's block; problems are noted there. ``percent``: ``"85%"`` may be written, and means
    85. ``fields``: the threshold may be another field of the event.
    """
    chosen = [name for name in COMPARISONS if read.has(name)]
    comparison, threshold = chosen[0] if chosen else "above", None
    if len(chosen) == 1:
        threshold = read.read(comparison, partial(parse_threshold, percent=percent, fields=fields))
    else:
        read.problem("", f"takes exactly one of {', '.join(COMPARISONS)}" + (f", not {len(chosen)}" if chosen else ""))
    clear = read.read("clear", partial(parse_number, percent=percent), None)
    edge = Edge(comparison, threshold or Threshold(Fraction(0)), clear)
    if threshold is not None and not threshold.field and clear not in (None, threshold.number):
        # Cleared where the threshold is still passed, an alert would open and close with every event.
        assert clear is not None
        if edge.reached(clear, threshold.number):
            read.problem("clear", f"lies beyond the threshold of {plain(threshold.number)}")
    return edge


def parse_threshold(raw: Any, *, percent: bool = False, fields: bool = True) -> Threshold:
    """A number, or ``{field: f, times: 3, plus: 1}`` where other fields are taken. Raises ValueError."""
    if not fields or not isinstance(raw, Mapping):
        return Threshold(parse_number(raw, percent=percent))
    read = Block(raw)
    if percent:
        read.problem("", "takes a percentage where there is an 'of', not another field")
    field, times, plus = read.path("field"), read.number("times", 1), read.number("plus", 0)
    read.check()
    return Threshold(exact(plus) or Fraction(0), field, exact(times) or Fraction(0))


def parse_number(raw: Any, *, percent: bool = False) -> Fraction:
    """``85``, or ``"85%"`` where percentages are taken. Raises ValueError."""
    if isinstance(raw, str) and raw.endswith("%"):
        if not percent:
            raise ValueError("takes a percentage only with 'of': the field that holds the limit")
        number = exact(raw[:-1].strip())
    else:
        number = exact(raw) if isinstance(raw, (int, float)) else None
    if number is None:
        raise ValueError(f"takes a number{' or a percentage' if percent else ''}, not {shown(raw)}")
    return number
