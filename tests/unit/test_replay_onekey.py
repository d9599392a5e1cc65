"""A key's state at each of its events, rebuilt from the log: it is the one the core had, wherever the batches lay."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from streams import pipeline
from streams.model import Batch
from streams.replay.lookback.onekey import OneKey, alone, given_key
from streams.replay.rules.remembered import needed
from tests.detecting import AUDIT, BASE, control, detecting, event, findings, records, rule

THREE = {"count": {"at_least": 3, "within": "10m"}}
PAYLOADS = [
    event(n * 1_000, n, actor="bob" if n % 3 == 0 else "ada", source_ip="ip1" if n % 2 else "ip2") for n in range(12)
]


def walked(document: dict[str, Any], given: dict[str, str], cuts: list[int]) -> OneKey:
    ruleset = control(document).ruleset
    one = OneKey(alone(ruleset, ruleset.rules[0]), "acme", given_key(ruleset.rules[0], given))
    log = records([b"{broken", *PAYLOADS])
    edges = [0, *cuts, len(log)]
    one.feed(AUDIT, 0, [Batch(log[a:b]) for a, b in pairwise(edges)])
    one.settle()
    return one


@pytest.mark.parametrize("cuts", [[], [1, 2, 7], [5, 5, 6]])
@pytest.mark.parametrize(
    ("key", "given", "own"), [(["actor"], {"actor": "ada"}, 8), (["source_ip"], {"source_ip": "ip1"}, 6)]
)
def test_each_event_of_the_key_with_its_state_before_and_after(
    key: list[str], given: dict[str, str], own: int, cuts: list[int]
) -> None:
    one = walked(rule("a", THREE, group_by=key), given, cuts)
    steps = list(one.steps)
    assert [len(step.event) > 0 for step in steps] == [True] * own == [True] * one.own
    assert steps[0].before is None
    assert [step.before for step in steps[1:]] == [step.after for step in steps[:-1]]
    assert one.state == steps[-1].after is not None
    assert [[found.observed for found in step.findings] for step in steps] == [
        [],
        [],
        *([n] for n in range(3, own + 1)),
    ]
    assert [found.position for found in one.findings] == [step.position for step in steps[2:]]


def test_the_state_and_the_findings_are_the_live_ones() -> None:
    document = rule("a", THREE)
    state, rules = detecting(), control(document)
    outputs = pipeline.detect(state, Batch(records([b"{broken", *PAYLOADS])), BASE, rules)
    table = state.book.table(rules.ruleset.rules[0].ref)
    assert table is not None
    one = walked(document, {"actor": "ada"}, [4])
    assert one.state == table.find("acme", "ada")
    live = [found["id"] for found in findings(outputs) if found["key"] == {"actor": "ada"}]
    assert [found.id for found in one.findings] == live


def test_of_another_tenant_nothing_is_seen() -> None:
    ruleset = control(rule("a", THREE)).ruleset
    one = OneKey(alone(ruleset, ruleset.rules[0]), "umbrella", given_key(ruleset.rules[0], {"actor": "ada"}))
    one.feed(AUDIT, 0, [Batch(records(PAYLOADS))])
    assert (one.own, one.state, one.findings) == (0, None, [])


def test_a_key_with_other_parts_is_refused() -> None:
    (one,) = control(rule("a", THREE)).ruleset.rules
    with pytest.raises(ValueError, match="parts of the key of a are actor"):
        given_key(one, {"source_ip": "x"})


@pytest.mark.parametrize(("key", "given", "has"), [(["actor"], "ada", 2), (["source_ip"], "ip1", 3)])
def test_what_the_next_finding_needs_is_told_before_and_after_the_hop(key: list[str], given: str, has: int) -> None:
    document = rule("a", {"count": {"at_least": 6, "within": "10m"}}, group_by=key)
    ruleset = control(document).ruleset
    one = OneKey(alone(ruleset, ruleset.rules[0]), "acme", given_key(ruleset.rules[0], {key[0]: given}))
    one.feed(AUDIT, 0, [Batch(records([event(n, n, source_ip="ip1", actor="ada" if n else "bob") for n in range(3)]))])
    one.settle()
    assert one.own == has
    needs = {"kind": "fire", "observed": 6, "threshold": 6, "severity": "high"}
    assert needed(one) == {"events": 6 - has, "finding": needs}
