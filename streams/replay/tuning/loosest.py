"""Which setting says the most: where it says nothing of a key, no other one does, and need not look at that key."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from streams.replay.tuning.asked import Param, magnitude
from streams.replay.tuning.variants import Variant
from streams.rules.rule import Rule

_UP: Final = frozenset({"at_least", "above"})  #: the higher, the fewer keys anything is said of
_DOWN: Final = frozenset({"below", "at_most"})
#: Of kinds that count in sliding windows: what lies in the shorter one lies in the longer one, too.
_LENGTH: Final = "within"
#: Kinds that tell of a key where a value passes this threshold, and measure the same whatever it is.
_ORDERED: Final = {
    "count": frozenset({"at_least"}),
    "distinct": frozenset({"at_least"}),
    "level": _UP | _DOWN,
    "aggregate": _UP,
    "ratio": _UP,
}


def loosest(made: Sequence[Variant], params: Sequence[Param], rule: Rule) -> int | None:
    """Its place; None where nothing is known of how settings of the rule compare, or where room may run out: what one
    key loses to others hangs on those.
    """
    if len(params) != 1 or rule.export is not None:
        return None
    (block, *_), name = params[0].paths[0], params[0].paths[0][-1]
    if block != "detect" or any(path[0] != "severity" for path in params[0].paths[1:]):  # severity decides on no key
        return None
    of_all = [
        rule,
        *(one for variant in made for of in variant.ruleset.variants.values() for one in of.values() if one),
    ]
    counts = rule.detect.name in ("count", "distinct") and all(map(_slides, of_all))
    sliding = counts and name == _LENGTH
    if not sliding and name not in _ORDERED.get(rule.detect.name, ()):
        return None
    if any(one.max_keys or one.max_memory for one in of_all):
        return None
    sizes: list[Decimal] = []
    for variant in made:
        (value,) = variant.values
        if value is None:
            return None
        sizes.append(magnitude(value))
    return sizes.index(max(sizes) if sliding or name in _DOWN else min(sizes))


def _slides(rule: Rule) -> bool:
    """Whether it counts in a sliding window, and tells of too many."""
    return getattr(rule.detect, "window", "") is None and not getattr(rule.detect, "below", 0)
