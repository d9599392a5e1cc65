"""Cut the stream anywhere, crash there, restore: the same findings, letters and state as without."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.registry import KINDS
from streams.model import Control
from streams.rules.load import ruleset_from_documents
from streams.rules.rule import Rule
from tests.detecting import PROGRAMS, Programs, control, detect_cut, detecting, event, records, rule

RULES = (
    rule("count", {"count": {"at_least": 3, "within": "10s"}}, severity={"low": 3, "high": 5}, allowed_lateness="5s"),
    rule("distinct", {"distinct": {"field": "ip", "at_least": 2, "within": "20s"}}),
    rule("match", {"match": {"dedup": "10s"}}, where={"action": "root"}, metadata={"ip": "{ip}"}),
    rule("level", {"level": {"value": "n", "above": 5, "clear": 3, "forget": "30s"}}),
    rule("hop", {"count": {"at_least": 2, "within": "10s"}}, group_by=["ip"]),
    rule("everybody", {"count": {"at_least": 4, "within": "5s"}}, scope="global", group_by=["actor"]),
)
#: What can be switched to: a rule gone, one changed, another title.
OTHERS = (
    RULES[1:],
    (rule("count", {"count": {"at_least": 2, "within": "10s"}}), *RULES[1:4]),
    (RULES[0] | {"title": "{count}!"}, *RULES[1:]),
)

usual = st.builds(
    event,
    st.integers(0, 12_000),
    st.integers(0, 10_000),
    actor=st.sampled_from(("ada", "bob")),
    action=st.sampled_from(("login", "login", "login", "root")),
    ip=st.sampled_from(("10.0.0.1", "10.0.0.2")),
    n=st.sampled_from((1, 3, 4, 6, 9.5)),
)
odd = st.builds(
    event,
    st.integers(0, 90_000) | st.sampled_from((0, 1_000, 50_000, 10**10)),
    st.integers(0, 30),
    actor=st.sampled_from(("ada", "bob", 1, "1", True, None, ["x"])),
    tenant=st.sampled_from(("acme", "", None, "zeta")),
    action=st.sampled_from(("login", "root", "other")),
    ip=st.sampled_from(("10.0.0.1", "10.0.0.2", None)),
    n=st.sampled_from((1, 3, 4, 6, 9.5, "7", None)),
)
heap = st.lists(st.one_of(usual, usual, usual, usual, odd, st.none(), st.binary(max_size=5)), min_size=12, max_size=60)


@st.composite
def river(draw: st.DrawFn) -> list[bytes | None]:
    """Time goes on, a little out of order: windows fill, and keys expire."""
    now, payloads = 0, []
    for number, step in enumerate(draw(st.lists(st.integers(-2_000, 6_000), min_size=12, max_size=60))):
        now = max(0, now + step)
        fields = {"actor": draw(st.sampled_from(("ada", "ada", "ada", "bob", "cleo"))), "n": draw(st.integers(0, 9))}
        payloads.append(event(now, number, ip=draw(st.sampled_from(("10.0.0.1", "10.0.0.2"))), **fields))
    return payloads


anything = st.one_of(heap, river())
anywhere = st.lists(st.integers(0, 60), max_size=8) | st.just(list(range(60)))


@settings(max_examples=60, deadline=None)
@given(anything, anywhere, st.booleans(), st.sampled_from(PROGRAMS))
def test_neither_cuts_nor_crashes_show(
    payloads: list[bytes | None], cuts: list[int], crash: bool, program: Programs
) -> None:
    incoming, in_force = records(payloads), control(*RULES)
    cuts = [cut for cut in cuts if cut <= len(incoming)]

    def cut(cuts: list[int], crash: bool) -> Any:
        return detect_cut(lambda: detecting(program=program), incoming, cuts, lambda _: in_force, crash=crash)

    whole, state, _ = cut([], False)
    parts, again, _ = cut(cuts, crash)
    # Watermarks go behind each batch that is the first in a second: how often depends on the cuts.
    assert [o for o in parts if o.partition is None] == [o for o in whole if o.partition is None]
    assert state.position.stage["newest"] == again.position.stage["newest"]
    if not crash:
        assert state.counts.total() == again.counts.total()


@settings(max_examples=40, deadline=None)
@given(anything, anywhere, st.lists(st.integers(0, 60), max_size=4), st.data())
def test_rule_switches_survive_crashes(
    payloads: list[bytes | None], cuts: list[int], switches: list[int], data: st.DataObject
) -> None:
    incoming = records(payloads)
    switches = sorted({switch for switch in switches if switch <= len(incoming)})
    sets = [RULES, *(data.draw(st.sampled_from((RULES, *OTHERS))) for _ in switches)]
    controls = [control(*rules, position=position) for position, rules in enumerate(sets, 1)]

    def in_force(begin: int) -> Control:
        return controls[sum(switch <= begin for switch in switches)]

    calm, _, kept = detect_cut(detecting, incoming, switches, in_force, crash=False)
    rough, _, log = detect_cut(
        detecting, incoming, [*switches, *(cut for cut in cuts if cut <= len(incoming))], in_force, crash=True
    )
    assert [o for o in calm if o.partition is None] == [o for o in rough if o.partition is None]
    refs = {r.ref.encode() for r in in_force(len(incoming)).ruleset.rules}
    for key in (*kept.rows, *log.rows):
        assert any(b'"' + ref + b'"' in key for ref in refs), key  # nothing of rules that are gone


@settings(max_examples=40, deadline=None)
@given(anything, st.lists(st.integers(0, 60), max_size=6))
def test_both_programs_find_the_same(payloads: list[bytes | None], cuts: list[int]) -> None:
    incoming, in_force = records(payloads), control(*RULES)
    found = [
        detect_cut(lambda p=program: detecting(program=p), incoming, [], lambda _: in_force, crash=False)[0]
        for program in PROGRAMS
    ]
    assert [(o.topic, o.key) for o in found[0]] == [(o.topic, o.key) for o in found[1]]
    assert [o for o in found[0] if o.topic != "dead-letter"] == [o for o in found[1] if o.topic != "dead-letter"]


@settings(max_examples=40, deadline=None)
@given(anything, anywhere, st.integers(1, 3))
def test_evictions_do_not_depend_on_the_sweep(payloads: list[bytes | None], cuts: list[int], max_keys: int) -> None:
    incoming, in_force = records(payloads), control(*RULES)
    cuts = [cut for cut in cuts if cut <= len(incoming)]
    whole, _, _ = detect_cut(lambda: detecting(max_keys=max_keys), incoming, [], lambda _: in_force, crash=False)
    parts, _, _ = detect_cut(lambda: detecting(max_keys=max_keys), incoming, cuts, lambda _: in_force, crash=True)
    assert [o for o in parts if o.partition is None] == [o for o in whole if o.partition is None]


def test_the_rules_of_these_tests_are_what_they_seem() -> None:
    rules: tuple[Rule, ...] = ruleset_from_documents(RULES, KINDS).rules
    assert {rule.id: rule.is_local(("tenant", "actor")) for rule in rules} == {
        "count": True, "distinct": True, "match": True, "level": True, "hop": False, "everybody": False,
    }  # fmt: skip
