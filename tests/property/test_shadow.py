"""A shadow rule changes nothing else: with it and without it, everything but ``shadow`` is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams import pipeline
from streams.model import Batch, Control, Source
from streams.replay.hop import Hop
from tests.detecting import BASE, control, detecting, event, rule

AUDIT = Source("audit", "audit.events", ("tenant", "actor"), max_disorder=5_000)
LIVE = [
    rule("count", {"count": {"at_least": 2, "within": "1m"}}),
    rule("places", {"distinct": {"field": "actor", "at_least": 2, "within": "2m"}}, group_by=["source_ip"]),
    rule("silent", {"absence": {"within": "1m"}}),
]
TRIED = [
    rule("aa-tried", {"count": {"at_least": 1, "within": "10s"}}, stage="shadow"),
    rule("hop-tried", {"count": {"at_least": 2, "within": "1m"}}, group_by=["source_ip"], stage="shadow"),
    rule("silent-tried", {"absence": {"within": "20s"}}, stage="shadow"),
    rule("tried-everything", {"match": {}}, where={"action": {"exists": True}}, group_by=["outcome"], stage="shadow"),
]
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 400_000), st.sampled_from(["ada", "bob", ...]), st.sampled_from(["ip1", "ip2", ...]),
        st.sampled_from(["login", "logout", 7]), st.sampled_from(["failure", ...]),
    ),
    max_size=30,
)  # fmt: skip


def told(rules: Control, payloads: Sequence[bytes | None], cut: int) -> tuple[list[tuple[str, bytes, Any]], int]:
    """All outputs but copies and watermarks, which only the second half of DETECT reads; and how many shadow ones."""
    state, hop, outputs = detecting(AUDIT), Hop(rules), []
    records = [(n, payload, BASE + 400_000) for n, payload in enumerate(payloads)]
    for number, part in enumerate((records[:cut], records[cut:])):
        outputs += pipeline.detect(state, Batch(part), BASE + number, rules)
    for output in outputs:
        if output.topic == "rekeyed":
            hop.take(output.value)
    hop.came(AUDIT.topic, 0, state.clock.mark)
    outputs += hop.drain()
    kept = []
    for output in outputs:
        if output.topic not in ("shadow", "rekeyed"):
            document = msgspec.json.decode(output.value)
            document.pop("ruleset", None)  # names the set, which is another one
            kept.append((output.topic, output.key, document))
    return kept, sum(output.topic == "shadow" for output in outputs)


@given(EVENTS, st.integers(0, 30), st.booleans())
def test_with_and_without_shadow_rules_all_else_is_the_same(
    events: list[tuple[int, Any, Any, Any, Any]], cut: int, poisoned: bool
) -> None:
    payloads: list[bytes | None] = [
        event(at, n, actor=actor, source_ip=ip, action=action, outcome=outcome)
        for n, (at, actor, ip, action, outcome) in enumerate(events)
    ]
    if poisoned:
        payloads.insert(cut % (len(payloads) + 1), b"{no event")
    without, none = told(control(*LIVE), payloads, cut)
    with_them, _ = told(control(*LIVE, *TRIED), payloads, cut)
    assert none == 0
    assert with_them == without


def test_the_shadow_rules_of_this_property_do_find_something() -> None:
    payloads = [event(n * 30_000, n, source_ip="ip1", outcome="failure") for n in range(5)]
    kept, shadow = told(control(*LIVE, *TRIED), payloads, 2)
    assert shadow >= 5
    assert any(topic == "alert-input" for topic, _, _ in kept)
