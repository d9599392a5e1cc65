"""What a backtest may come to, as written for CI: ``alerts<=50,precision>=0.9,alerts:audit.root<=3``."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams.errors import ConfigError

_SIGNS: Final = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_TERM = re.compile(r"\s*([a-z0-9_]+)(?::([\w.-]+))?\s*(<=|>=|==|=|<|>)\s*(\d+(?:\.\d+)?)\s*")
_OF_COUNTS: Final = ("alerts", "findings", "notifications", "events", "invalid", "late", "duplicates")
_OF_BASELINE: Final = ("new", "gone", "changed")
_OF_LABELS: Final = ("precision", "recall", "f1", "true", "false", "attacks", "found")
_OF_RULE: Final = ("alerts", *_OF_LABELS)
MEASURES: Final = (*_OF_COUNTS, *_OF_BASELINE, *_OF_LABELS)


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison. ``rule``: of that rule alone."""

    measure: str
    rule: str
    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.measure}{':' + self.rule if self.rule else ''}{self.sign}{self.limit:g}"

    def broken(self, report: Mapping[str, Any]) -> str | None:
        """What is wrong; None where it holds. A measure of nothing (precision without alerts) does not hold."""
        value = self._value(report)
        if value is None:
            return f"{self}: there is nothing to measure it by"
        return None if _SIGNS[self.sign](value, self.limit) else f"{self}: it is {value:g}"

    def _value(self, report: Mapping[str, Any]) -> float | None:
        if self.rule:
            if self.measure == "alerts":
                return report["by_rule"].get(self.rule, {}).get("alerts", 0)  # type: ignore[no-any-return]
            return report["labels"]["rules"].get(self.rule, {}).get(self.measure)  # type: ignore[no-any-return]
        if self.measure in _OF_COUNTS:
            return report["counts"][self.measure]  # type: ignore[no-any-return]
        if self.measure in _OF_BASELINE:
            return len(report["baseline"][self.measure])
        return report["labels"]["all"][self.measure]  # type: ignore[no-any-return]


def parse_budget(text: str, *, labelled: bool, compared: bool, rules: frozenset[str]) -> list[Term]:
    """The comparisons of ``text``. Raises ConfigError for one that cannot be read, or that nothing could decide."""
    terms = []
    for part in text.split(","):
        found = _TERM.fullmatch(part)
        if found is None:
            raise ConfigError(f"--budget: {part!r:.80} is no comparison", "write alerts<=50,precision>=0.9")
        measure, rule, sign, limit = found.groups()
        if measure not in (_OF_RULE if rule else MEASURES):
            known = ", ".join(_OF_RULE if rule else MEASURES)
            raise ConfigError(
                f"--budget: nothing is called {measure}{' of a rule' if rule else ''}", f"there are {known}"
            )
        if rule and rule not in rules:
            raise ConfigError(f"--budget: no rule {rule!r:.80} is loaded")
        if measure in _OF_LABELS and not labelled:
            raise ConfigError(f"--budget: {measure} needs labels", "--labels FILE")
        if measure in _OF_BASELINE and not compared:
            raise ConfigError(f"--budget: {measure} needs something to compare with", "--baseline PATH, or current")
        terms.append(Term(measure, rule or "", sign, float(limit)))
    return terms
