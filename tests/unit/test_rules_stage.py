"""A rule with ``stage: shadow`` runs on the same events, says what it finds on a topic of its own, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from streams import pipeline
from streams.detect.registry import KINDS
from streams.model import Batch, Control, Output, Source
from streams.replay.hop import Hop
from streams.replay.rules.cases import test_rules
from streams.rules.load import ruleset_from_documents
from streams.rules.problems import RuleErrors
from tests.detecting import AUDIT, BASE, batch, control, detecting, event, findings, rule

THREE = {"count": {"at_least": 3, "within": "10m"}}
LOGINS = [event(n * 1_000, n) for n in range(5)]


def run(rules: Control, payloads: list[bytes], source: Source = AUDIT) -> list[Output]:
    """What DETECT writes, before and after the hop."""
    state, hop = detecting(source), Hop(rules)
    outputs = pipeline.detect(state, batch(payloads), BASE, rules)
    for output in outputs:
        if output.topic == "rekeyed":
            hop.take(output.value)
    hop.came(source.topic, 0, state.clock.mark)
    return [*outputs, *hop.drain()]


def of(outputs: list[Output], topic: str) -> list[dict[str, Any]]:
    return findings([output._replace(topic="alert-input") for output in outputs if output.topic == topic])


@pytest.mark.parametrize("key", [["actor"], ["source_ip"]])  # judged where it is read, and after the hop
def test_what_a_shadow_rule_finds_is_what_it_would_find_live_but_for_the_topic(key: list[str]) -> None:
    payloads = [event(n * 1_000, n, source_ip="10.0.0.1") for n in range(5)]
    live = run(control(rule("a", THREE, group_by=key)), payloads)
    shadow = run(control(rule("a", THREE, group_by=key, stage="shadow")), payloads)
    assert len(of(live, "alert-input")) > 0
    assert not of(live, "shadow")
    assert not of(shadow, "alert-input")
    without = [{**found, "ruleset": ""} for found in of(live, "alert-input")]
    assert [{**found, "ruleset": ""} for found in of(shadow, "shadow")] == without


def test_what_it_finds_is_counted_apart() -> None:
    rules, state = control(rule("a", THREE, stage="shadow")), detecting()
    pipeline.detect(state, batch(LOGINS), BASE, rules)
    assert {name: n for name, n in state.counts.items() if name[0] in ("findings", "shadow")} == {
        ("shadow", "a", "fire", "high"): 3
    }


def test_a_late_event_of_a_shadow_rule_is_counted_and_no_letter() -> None:
    rules, state = control(rule("a", THREE, stage="shadow")), detecting()
    outputs = pipeline.detect(state, batch([event(86_400_000, 1), event(0, 2)], stamp=BASE + 86_400_000), BASE, rules)
    assert state.counts["late", "a"] == 1
    assert not [output for output in outputs if output.topic == "late"]


def test_a_shadow_rule_that_raises_says_so_in_the_shadow_and_makes_no_letter_and_no_alert() -> None:
    rules, state = control(rule("a", THREE, stage="shadow")), detecting()
    pipeline.detect(state, batch(LOGINS[:2]), BASE, rules)
    table = state.book.table(rules.ruleset.rules[0].ref)
    assert table is not None
    table.detector = _Raising(table.detector)  # the third event is the one that fires
    outputs = pipeline.detect(state, Batch([(2, LOGINS[2], BASE)]), BASE, rules)
    assert [output.topic for output in outputs] == ["shadow"]
    assert of(outputs, "shadow")[0]["description"] == "RuntimeError: it cannot"


class _Raising:
    def __init__(self, detector: Any) -> None:
        self._detector = detector

    def step(self, *_: Any) -> Any:
        raise RuntimeError("it cannot")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)


def test_promoted_it_goes_on_with_the_state_it_has() -> None:
    shadow, live = control(rule("a", THREE, stage="shadow")), control(rule("a", THREE), position=2)
    state = detecting()
    before = pipeline.detect(state, Batch([(n, LOGINS[n], BASE) for n in range(2)]), BASE, shadow)
    after = pipeline.detect(state, Batch([(2, LOGINS[2], BASE)]), BASE, live)
    assert before == []
    assert [found["observed"] for found in findings(after)] == [3]


def test_the_stage_is_no_part_of_a_rules_version_but_of_the_rule_sets() -> None:
    one, other = (ruleset_from_documents([rule("a", THREE, stage=stage)], KINDS) for stage in ("live", "shadow"))
    assert one.rules[0].ref == other.rules[0].ref
    assert one.version != other.version


def test_another_word_is_refused() -> None:
    with pytest.raises(RuleErrors, match=r"stage.*live.*shadow"):
        ruleset_from_documents([rule("a", THREE, stage="test")], KINDS)


def test_its_own_tests_run_as_if_it_were_live() -> None:
    case = {
        "name": "the third",
        "events": [{"at": "0s", "action": "login", "actor": "x", "times": 3, "every": "1s"}],
        "expect": [{"at": "2s"}],
    }
    ruleset = ruleset_from_documents([rule("a", THREE, stage="shadow", tests=[case])], KINDS)
    assert [one.passed for one in test_rules(ruleset, {"audit": AUDIT})] == [True]
