"""The ``severity`` of a rule file: one word, or words with the value from which each holds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from streams.model import Severity, severity_rank
from streams.model.severity import SEVERITY_WORDS
from streams.rules.block import finite
from streams.rules.durations import shown
from streams.rules.problems import BlockErrors, did_you_mean
from streams.rules.rule import Ladder


def parse_ladder(raw: Any, *, falling: bool) -> Ladder:
    """The ladder, mildest rung first. ``falling``: a lower value is worse. Raises ``BlockErrors``.

    Words of other systems (P0, WARNING) are read in any case, and kept as written.
    """
    if isinstance(raw, str):
        return Ladder(((None, _severity(raw), raw),), falling)
    if not isinstance(raw, dict) or not raw:
        raise BlockErrors([("", f"takes a word such as high, or words with thresholds, not {shown(raw)}")])
    problems: list[tuple[str, str]] = []
    rungs: list[tuple[float, Severity, str]] = []
    for word, threshold in raw.items():
        try:
            rungs.append((finite(threshold), _severity(word), word))
        except BlockErrors as error:
            problems.append((str(word)[:60], error.problems[0][1]))
        except ValueError as error:
            problems.append((str(word)[:60], str(error)))
    rungs.sort(key=lambda rung: (-rung[0] if falling else rung[0], severity_rank(rung[1])))
    for (mild, lower, word), (threshold, upper, other) in pairwise(rungs):
        if mild == threshold:
            problems.append((other, f"has the threshold of {word}"))
        elif severity_rank(upper) < severity_rank(lower):
            order = "lower" if falling else "higher"
            problems.append((other, f"is milder than {word}, though {threshold:g} is {order} and so is worse"))
    if problems:
        raise BlockErrors(problems)
    return Ladder(tuple(rungs), falling)


def _severity(word: object) -> Severity:
    if isinstance(word, str) and word.lower() in SEVERITY_WORDS:
        return SEVERITY_WORDS[word.lower()]
    raise BlockErrors([("", f"{shown(word)} is not a severity{did_you_mean(word, SEVERITY_WORDS)}")])
