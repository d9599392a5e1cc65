"""Every kind of poison goes where it says: through both programs, alone and in one batch among good events."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import schemas
from streams import pipeline
from streams.detect.registry import KINDS
from streams.model import Batch, Control, Source
from streams.model.dead import MAX_VALUE
from streams.rules.compiled import compiled
from streams.rules.load import ruleset_from_documents
from streams.rules.plain import plain
from streams.state.detect.detecting import DetectState
from tests.everykind import every_kind, made
from tests.poison import AT, LIMIT, ONLY_WHERE_MATCHED, Poison, largest_value, poison, too_large

RULE = {
    "id": "test.poison",
    "title": "{actor} sent poison",
    "source": "audit",
    "where": {"type": "poison"},
    "group_by": ["actor"],
    "detect": {"match": {}},
    "severity": "low",
    "type": "security",
    "tests": [{"name": "fires", "events": [{"at": "0s", "type": "poison", "actor": "x"}], "expect": [{"at": "0s"}]}],
}
SOURCE = Source(name="audit", topic="audit.events", partition_by=("tenant", "actor"))
CONTROL = Control(position=1, ruleset=ruleset_from_documents([RULE], KINDS))
CORPUS = poison(1)
PROGRAMS = [pytest.param(plain, id="plain"), pytest.param(compiled, id="compiled")]


class Outcome:
    """What came out of DETECT for some payloads: per offset."""

    def __init__(self, program: Callable[..., Any], payloads: list[bytes | None], control: Control = CONTROL) -> None:
        self.state = DetectState(SOURCE, 0, rekeyed_partitions=1, program=program)
        batch = Batch([(offset, raw, AT) for offset, raw in enumerate(payloads)])
        self.dead: Counter[int] = Counter()
        self.fired: Counter[int] = Counter()
        self.late: Counter[int] = Counter()
        self.sent = 0  # copies for rules of another key
        self.letters: dict[int, dict[str, Any]] = {}
        for output in pipeline.detect(self.state, batch, AT, control):
            record = json.loads(output.value, parse_float=_number, parse_int=_number)
            if output.topic == "alert-input":
                assert schemas.validate("finding", record) == []
                self.fired[_offset(record["position"])] += 1
                assert len(output.value) < LIMIT // 2
            elif output.topic == "rekeyed":
                assert schemas.validate("rekeyed", record) == []
                self.sent += record["record"] == "copy"
                assert len(output.value) < LIMIT // 2
            else:
                assert schemas.validate("dead-letter", record) == []
                (self.dead if output.topic == "dead-letter" else self.late)[_offset(record["origin"])] += 1
                self.letters[_offset(record["origin"])] = record
                assert len(output.value) + len(output.key) + 100 < LIMIT


def _number(text: str) -> float | str:
    """As the decoder reads it: what does not fit stays text."""
    if text.lstrip("-").isdigit():
        return int(text) if len(text) < 20 else text
    return float(text) if math.isfinite(float(text)) else text


def _offset(position: str) -> int:
    return int(position.rpartition("/")[2])


@pytest.fixture(scope="module", params=PROGRAMS)
def outcome(request: pytest.FixtureRequest) -> Outcome:
    return Outcome(request.param, [one.raw for one in CORPUS])


def test_there_are_at_least_200_kinds_of_each_fate_and_seeds_repeat() -> None:
    assert len({one.name for one in CORPUS}) == len(CORPUS)
    assert sum(one.good for one in CORPUS) >= 200
    assert sum(not one.good for one in CORPUS) >= 200
    assert poison(1) == CORPUS
    assert poison(2) != CORPUS
    assert {one.name for one in poison(2)} == {one.name for one in CORPUS}


def test_every_bad_one_is_one_dead_letter_and_no_good_one_is(outcome: Outcome) -> None:
    wrong = [one.name for at, one in enumerate(CORPUS) if outcome.dead[at] != (0 if one.good else 1)]
    assert wrong == []


def test_every_good_one_that_rules_ask_for_fires_once_and_nothing_else_does(outcome: Outcome) -> None:
    wrong = [one.name for at, one in enumerate(CORPUS) if outcome.fired[at] != (1 if one.fires else 0)]
    assert wrong == []


def test_nothing_becomes_late_of_a_time_in_the_far_future(outcome: Outcome) -> None:
    assert not outcome.late
    assert outcome.state.clock.mark < AT + SOURCE.max_skew


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_bad_does_not_depend_on_the_rules(program: Callable[..., Any]) -> None:
    other = ruleset_from_documents([{**RULE, "where": {"outcome": "nothing has this"}}], KINDS)
    outcome = Outcome(program, [one.raw for one in CORPUS], Control(position=1, ruleset=other))
    bad = {one.name for at, one in enumerate(CORPUS) if outcome.dead[at]}
    assert bad | ONLY_WHERE_MATCHED == {one.name for one in CORPUS if not one.good}
    assert not outcome.fired


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_goes_to_a_rule_of_another_key_is_as_its_schema_says(program: Callable[..., Any]) -> None:
    by_address = ruleset_from_documents([{**RULE, "group_by": ["source_ip"]}], KINDS)
    outcome = Outcome(program, [one.raw for one in CORPUS], Control(position=1, ruleset=by_address))
    assert {one.name for at, one in enumerate(CORPUS) if outcome.dead[at]} == {o.name for o in CORPUS if not o.good}
    assert outcome.sent > 150


#: What reads the fields that are hostile: keys that are calculated, fields against fields, lists, addresses, text.
_READING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"count": {"at_least": 1, "within": "8s"}}, {"group_by": ["lower(actor)", {"net": "cidr(source_ip, 24)"}]}),
    ({"match": {}}, {"group_by": ["domain(first(outcome, extra))", "prefix(actor, 3)"], "missing": "null"}),
    ({"match": {}}, {"where": {"outcome": {"gt": {"field": "extra", "times": "0.5", "plus": 1}, "if_missing": True}}}),
    ({"match": {}}, {"where": {"extra": {"ne": {"field": "outcome"}}, "actor": {"eq": {"field": "actor.name"}, "if_missing": True}}}),
    ({"match": {}}, {"where": {"any": [{"outcome": {"in_list": "bad-ips"}}, {"not": {"extra": {"in_list": "bad-ips"}}}]}}),
    ({"match": {}}, {"where": {"outcome": {"regex": "(a+)+$"}, "extra": {"cidr": ["10.0.0.0/8"], "if_missing": True}}}),
    ({"aggregate": {"function": "p90", "field": "outcome", "above": 1, "within": "8s"}}, {}),
    ({"distinct": {"field": "outcome", "at_least": 2, "within": "8s"}}, {"group_by": ["tenant_of"], "missing": "null"}),
    ({"level": {"value": "outcome", "above": {"field": "extra"}}}, {}),
    ({"forecast": {"field": "extra", "reaches": {"field": "outcome"}, "in": "1h", "within": "8s", "min_events": 2}}, {}),
]  # fmt: skip
READING: tuple[dict[str, Any], ...] = tuple(
    made(f"reading-{number}", detect, **more) for number, (detect, more) in enumerate(_READING)
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_rules_of_every_kind_refuse_the_same_and_none_of_them_raises(program: Callable[..., Any]) -> None:
    outcome = Outcome(program, [one.raw for one in CORPUS], every_kind(*READING))
    assert {one.name for at, one in enumerate(CORPUS) if outcome.dead[at]} == {o.name for o in CORPUS if not o.good}
    assert not [name for name in outcome.state.counts if name[0] in ("rule_errors", "rule_off")]
    assert outcome.fired


def test_a_dead_letter_carries_the_original_and_says_why(outcome: Outcome) -> None:
    for at, letter in outcome.letters.items():
        raw = CORPUS[at].raw
        assert letter["error"], CORPUS[at].name
        assert letter["origin"] == f"audit.events/0/{at}"
        if raw is None:
            assert letter["reason"] == "tombstone"
        else:
            assert base64.b64decode(letter["value"]) == raw[:MAX_VALUE]
            assert letter.get("size", 0) == len(raw)
            assert letter.get("truncated", False) == (len(raw) > MAX_VALUE)


def test_bad_ones_change_nothing_for_the_good_ones(outcome: Outcome) -> None:
    good = [one for one in CORPUS if one.good]
    alone = Outcome(compiled, [one.raw for one in good])
    assert [one.name for at, one in enumerate(good) if alone.fired[at]] == [
        one.name for at, one in enumerate(CORPUS) if outcome.fired[at]
    ]


@pytest.mark.parametrize("name", ["number-1e999-skipped", "utf8-latin-1-skipped", "depth-100000-mixed-skipped"])
def test_a_kind_alone_fares_as_in_the_crowd(name: str) -> None:
    one = _named(name)
    for program in (plain, compiled):
        assert Outcome(program, [one.raw]).dead[0] == (0 if one.good else 1)


def _named(name: str) -> Poison:
    return next(one for one in CORPUS if one.name == name)


def test_sizes_are_counted_as_kafka_counts_them() -> None:
    # 61 bytes of batch, then length, attributes, two deltas, key length, value length, headers.
    assert largest_value(None) == LIMIT - 61 - 3 - 3 - 1 - 3 - 1
    assert largest_value(b"k" * 10) == largest_value(None) - 10
    assert len(too_large(b"key")) == largest_value(b"key") + 1
