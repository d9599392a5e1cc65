"""Bounded state: what goes for want of room is counted and marked, alike after a restart; hostile keys and times."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.model import Batch, Control, Output
from streams.rules.load import ruleset_from_documents
from streams.rules.overrides import overridden
from streams.state import tables
from tests.detecting import (
    BASE,
    PROGRAMS,
    Changelog,
    Programs,
    control,
    detecting,
    event,
    findings,
    letters,
    records,
    rule,
)
from tests.everykind import AUDIT, river
from tests.property.test_engine_cuts import lived, remembered

PAIRS = {"count": {"at_least": 2, "within": "10s"}}
TENANTS = control(rule("pairs", PAIRS), rule("silent", {"absence": {"within": "5s", "forget": "20s"}}))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 80), max_size=6), st.booleans())
def test_which_tenants_go_at_the_cap_depends_on_the_log_alone(seed: int, cuts: list[int], crash: bool) -> None:
    """With so few tenants allowed, one in four is new and has another one go; sweeps and restarts show nowhere."""
    rnd, now, payloads = random.Random(seed), 0, list[bytes | None]()
    for number in range(80):
        now += rnd.choice((0, 250, 250, 1_000, 9_000))
        at = max(0, now - rnd.choice((0, 0, 0, 1_000, 6_000)))
        who = {"tenant": f"t{rnd.randrange(8)}", "actor": rnd.choice(("ada", "bob"))}
        payloads.append(event(at, number, **who, action=rnd.choice(("login", "login", "other"))))
    incoming = records(payloads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "MAX_TENANTS", 5)
        whole, state, log = lived(incoming, [], [], crash=False, in_force=TENANTS)
        parts, again, other = lived(incoming, [], [cut for cut in cuts if cut < 80], crash=crash, in_force=TENANTS)
    assert parts == whole
    assert remembered(again, other, TENANTS) == remembered(state, log, TENANTS)


def test_a_tenant_that_had_to_go_is_marked_on_alerts_while_it_could_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_TENANTS", 4)
    one = control(rule("pairs", PAIRS))
    first = [event(n, n, tenant=f"t{n}") for n in range(5)]  # the fifth has the first go
    twice = [event(5_000 + n, 5 + n, tenant="t1") for n in range(2)]
    later = [event(60_000 + n, 7 + n, tenant="t1") for n in range(2)]
    outputs, state, _ = lived(records([*first, *twice, *later]), [], [5, 7, 8], crash=True, in_force=one)
    marks = [(f["event_time"] - BASE, f.get("metadata", {}).get("state_evicted")) for f in findings(outputs)]
    assert marks == [(5_000, 1), (5_001, 1), (60_001, None)]
    state.begin(one)
    assert state.book.evicted == {"pairs": 1}


def test_twenty_thousand_tenants_are_known_and_more_cost_the_oldest_ones() -> None:
    one = control(rule("pairs", PAIRS))
    state = detecting(AUDIT)
    payloads = [event(number // 100, number, tenant=f"t{number}") for number in range(20_100)]
    pipeline.detect(state, Batch(records([*payloads])), 7, one)
    table = state.book.table(one.ruleset.rules[0].ref)
    assert table is not None
    assert len(table.shelves) == 20_000 - 1_250 + 100
    assert table.evicted == 1_250


# --- hostile times, keys and numbers

TIMES = (0, 1, BASE, 253_402_300_799_999, "9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", -1, 1e300, None, "soon")
KEYS = (
    "",
    "\0",
    "a" * 5_000,
    "\ud7ff\U0010ffff",
    "ada\nbob",
    "",
    2**63,
    -1,
    1.5,
    True,
    None,
    ["x"],
    {"x": 1},
    str(2**255),
)
NUMBERS = (str(2**256 - 1), "-" + "9" * 400, "1e5", 2**63, 2**64 - 1, -(2**63), 1e308, 5e-324, 0.1, "0.1", "NaN", "")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 60), max_size=4), st.booleans(), st.sampled_from(PROGRAMS))
def test_hostile_fields_are_dead_letters_or_events_and_alike_after_a_crash(
    seed: int, cuts: list[int], crash: bool, program: Programs
) -> None:
    rnd = random.Random(seed)
    payloads = list[bytes | None]()
    for number, payload in enumerate(river(rnd, 40)):
        document = msgspec.json.decode(payload)
        if rnd.random() < 0.3:
            document |= rnd.choice((
                {"event_time": rnd.choice(TIMES)}, {"actor": rnd.choice(KEYS)}, {"n": rnd.choice(NUMBERS)},
                {"tenant": rnd.choice(KEYS)}, {"event_id": rnd.choice(KEYS)}, {"ip": rnd.choice(KEYS)},
                {"actor": rnd.choice(KEYS), "n": rnd.choice(NUMBERS), "event_id": f"h{number}"},
            ))  # fmt: skip
        payloads.append(msgspec.json.encode(document))
    stamps = (BASE, 0, BASE + 10**6, 253_402_300_799_999)
    incoming = [(offset, payload, rnd.choice(stamps)) for offset, payload in enumerate(payloads)]
    make = lambda: detecting(AUDIT, program=program)  # noqa: E731  # said twice
    whole, state, log = lived(incoming, [], [], crash=False, make=make)
    parts, again, other = lived(incoming, [], [cut for cut in cuts if cut < 40], crash=crash, make=make)
    assert parts == whole
    assert remembered(again, other) == remembered(state, log)
    reasons = {letter["reason"] for letter in letters(whole)}
    assert "rule_failed" not in reasons, [letter for letter in letters(whole) if letter["reason"] == "rule_failed"]


SILENT, OTHER = rule("silent", {"absence": {"within": "5s"}}), rule("other", PAIRS)
HEARD = [event(0, 1, tenant="acme"), event(0, 2, tenant="zeta"), event(9_000, 3, tenant="acme", actor="zoe")]


def gone(position: int, *, tenant: str = "") -> Control:
    """Without the rule, or without it for one tenant."""
    documents = (OTHER,) if not tenant else (SILENT, OTHER)
    ruleset = ruleset_from_documents(documents, KINDS)
    off = {"tenants": {tenant: {"silent": {"enabled": False}}}} if tenant else {}
    return Control(position, overridden(ruleset, off, KINDS, TUNABLE))


@pytest.mark.parametrize("crash", [False, True], ids=["lives", "crashes"])
@pytest.mark.parametrize(
    ("switched", "expected"),
    [
        (gone(2), []),
        (gone(2, tenant="zeta"), [("acme", "ada", 5_000)]),
        (gone(2, tenant="acme"), [("zeta", "ada", 5_000)]),
    ],
    ids=["the rule", "one tenant", "the other"],
)
def test_a_timer_of_a_rule_or_a_tenant_that_is_gone_never_fires(
    switched: Control, expected: list[tuple[str, str, int]], crash: bool
) -> None:
    log, seen = Changelog(), list[Output]()
    state = detecting(AUDIT)
    incoming = records([*HEARD])
    for begin, in_force in ((0, control(SILENT, OTHER)), (2, switched), (3, control(SILENT, OTHER, position=3))):
        end = begin + 2 if begin == 0 else begin + 1
        seen += pipeline.detect(state, Batch(incoming[begin:end]), 7, in_force)
        log.commit(state)
        if crash:
            state = log.reborn(detecting(AUDIT))
    assert [(f["tenant"], f["key"]["actor"], f["event_time"] - BASE) for f in findings(seen)] == expected
