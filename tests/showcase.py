"""The shipped rules that the domains' own attacks are about: for tests that want real rules, but not whichever there are.

What is measured over all packs belongs into the scores (``streams/replay/scoring/score.py``).
"""

from __future__ import annotations

from streams.config.settings import PACKS
from streams.detect.registry import KINDS
from streams.rules.load import load_rules
from streams.rules.rule import RuleSet
from streams.simulate.registry import DOMAINS

#: Their ids, in order.
IDS = tuple(sorted({scenario.rule for domain in DOMAINS.values() for scenario in domain().scenarios}))
#: Their files, in the same order.
FILES = tuple(PACKS / domain / f"{stem}.yaml" for domain, _, stem in (rule.partition(".") for rule in IDS))


def showcase() -> RuleSet:
    """Loaded by themselves."""
    return load_rules(list(FILES), KINDS)
