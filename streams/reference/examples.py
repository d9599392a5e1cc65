"""The example of each kind, loaded and run: what it is, and which words its findings bring for templates."""

from __future__ import annotations

from functools import cache

from streams.detect.registry import KINDS, MODULES
from streams.replay.rules.engine import moments
from streams.rules.document import parse_document
from streams.rules.load import ruleset_from_documents
from streams.rules.rule import Rule
from streams.rules.testing import cases


@cache
def example(kind: str) -> Rule:
    """The rule in a kind's ``EXAMPLE``. Raises ``RuleErrors`` where it is none."""
    document, _ = parse_document(MODULES[kind].EXAMPLE.encode())
    (rule,) = ruleset_from_documents([document], KINDS).rules
    return rule


def words(kind: str) -> list[str]:
    """What the findings of the example's tests say beyond what every finding does."""
    rule = example(kind)
    found = {
        name
        for case in cases(rule)
        for moment in moments(rule, {}, case)[0]
        for name in moment.finding.metadata
        if name not in rule.metadata
    }
    return sorted(found)
