"""Indicator lists by the names that rules refer to (``in_list: bad-ips``).

A rule holds the name; what stands in the list is bound to the rules that are in force (``bind``), so that a list can
change while their versions and their state stay. A name that nothing is bound to matches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streams.rules.indicators import ListProblems, NamedList, is_named, named_list
from streams.rules.rule import Rule, RuleSet

__all__ = ["ListProblems", "NamedList", "bind", "named_list", "names_in", "used"]


def used(ruleset: RuleSet) -> dict[str, tuple[str, ...]]:
    """The lists that enabled rules refer to, each with the ids of those rules."""
    found: dict[str, dict[str, None]] = {}
    for rule in ruleset.in_force():
        for name in names_in(rule):
            found.setdefault(name, {})[rule.id] = None
    return {name: tuple(ids) for name, ids in sorted(found.items())}


def names_in(rule: Rule) -> tuple[str, ...]:
    """The lists that one rule refers to, in any of its ways in."""
    return tuple(sorted({leaf.operand.name for arm in rule.arms for leaf in arm.where.leaves() if is_named(leaf)}))


def bind(ruleset: RuleSet, lists: Mapping[str, NamedList | Sequence[str]]) -> RuleSet:
    """The rule set testing against these lists, and against no others. Versions of rules and of the set stay.

    Where nothing that its rules use has changed, the very same rule set. Raises ``ListProblems``.
    """
    names = used(ruleset)
    content = {
        name: entries if isinstance(entries, NamedList) else named_list(name, entries)
        for name, entries in lists.items()
        if name in names
    }
    versions = {name: content[name].version for name in sorted(content)}
    if versions == ruleset.lists:
        return ruleset

    def bound(rule: Rule) -> Rule:
        of = names_in(rule)
        if not of:
            return rule
        made = replace(rule, lists={name: content[name] for name in of if name in content})
        assert made.arms  # the matchers are built here, by whoever binds, and not with the first event
        return made

    return replace(
        ruleset,
        rules=tuple(map(bound, ruleset.rules)),
        variants={
            name: {tenant: None if rule is None else bound(rule) for tenant, rule in of.items()}
            for name, of in ruleset.variants.items()
        },
        lists=versions,
    )
