"""What a rule's tests can say beyond events and expectations: what must never be, time, order, several sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.detect.registry import KINDS
from streams.model import Source
from streams.replay.rules.cases import test_rules as run_tests
from streams.replay.rules.coverage import coverage
from streams.replay.rules.explain import explain
from streams.rules.load import load_rules
from streams.rules.parse import parse_rule
from streams.rules.testing import ORDERS, cases
from tests.unit.test_replay_ruletests import BURST, OPENED, RAISED, RULE, SOURCES
from tests.unit.test_rules_load import changed, problems

FIRES = {"name": "fires", "events": BURST, "expect": [OPENED, RAISED]}


def run(folder: Path, *tests: dict[str, Any], **more: Any) -> list[tuple[str, ...]]:
    (folder / "rule.yaml").write_text(yaml.safe_dump({**RULE, "tests": list(tests), **more}))
    return [result.problems for result in run_tests(load_rules([folder], KINDS), SOURCES)]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"never": [{"severity": "low"}]}, ()),
        ({"never": [{"actor": "bea"}]}, ()),
        ({"never": [{"severity": "critical"}]}, ("never {severity: critical}, but it raised at 20s",)),
        ({"never": [{"count": 3}, {"count": 5}]}, ("never {count: 3}, but it opened", "never {count: 5}")),
        ({"never": [{"count": 3}], "expect": [OPENED]}, ("never {count: 3}", "not expected: it raised")),
        ({"never": [{"severity": "low"}], "expect": [OPENED, RAISED]}, ()),
    ],
)
def test_never_names_what_must_not_be_whatever_else_is(
    tmp_path: Path, case: dict[str, Any], says: tuple[str, ...]
) -> None:
    _, found = run(tmp_path, FIRES, {"name": "the case", "events": BURST, **case})
    assert len(found) == len(says)
    assert all(text in said for text, said in zip(says, found, strict=True))


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({}, "tests.1.expect: takes a list of what is seen"),
        ({"never": []}, "tests.1.never: names nothing"),
        ({"never": [{}]}, "tests.1.never.0: says nothing"),
        ({"never": {"count": 3}}, "tests.1.never: takes a list"),
        ({"never": [{"at": "soon"}]}, "tests.1.never.0.at: 'soon' is not a duration"),
        ({"expect": [], "until": "3s"}, "tests.1.until: is before the last event"),
        ({"expect": [], "until": 5}, "tests.1.until: 5 is not a duration"),
        ({"expect": [], "shuffle": 3}, "tests.1.shuffle: takes true or false"),
        ({"expect": [], "lists": {"bad": "x"}}, "tests.1.lists.bad: takes a list"),
        ({"expect": [], "lists": {"bad": ["a", "1.2.3.4/99"]}}, "tests.1.lists.bad.1: "),
        ({"expect": [], "lists": ["x"]}, "tests.1.lists: takes a mapping"),
        ({"expect": [], "shufle": True}, "tests.1.shufle: is not known here (did you mean 'shuffle'?)"),
    ],
)
def test_what_a_case_says_wrongly_is_told(case: dict[str, Any], says: str) -> None:
    good = changed()["tests"][0]
    events = [{"at": "1s", "times": 3, "every": "2s"}]
    assert any(says in problem for problem in problems(changed(tests=[good, {"name": "b", "events": events, **case}])))


def shuffled(**more: Any) -> Any:
    test = {"name": "one", "events": BURST, "expect": [{"count": 3}], "shuffle": True, **more}
    return cases(parse_rule({**RULE, "tests": [test]}, KINDS))[0]


def test_the_orders_of_a_shuffled_case_are_the_same_in_every_run_and_differ() -> None:
    case = shuffled()
    orders = [[arrival.event["event_id"] for arrival in order.events] for order in case.orders(60_000)]
    assert orders == [[arrival.event["event_id"] for arrival in order.events] for order in shuffled().orders(60_000)]
    assert len(orders) == ORDERS + 1
    assert orders[0] == [f"test-1-{number}" for number in range(1, 6)]
    assert len(set(map(tuple, orders))) > 4
    assert all(sorted(order) == orders[0] for order in orders)


def test_no_event_of_a_shuffled_case_comes_before_its_time_or_later_than_the_delay() -> None:
    for order in shuffled().orders(10_000):
        late = [order.start + arrival.at - arrival.event["event_time"] for arrival in order.events]
        assert all(0 <= ms <= 10_000 for ms in late)
        assert [arrival.at for arrival in order.events] == sorted(arrival.at for arrival in order.events)


def test_a_case_that_is_not_shuffled_has_one_order() -> None:
    assert len(list(shuffled(shuffle=False).orders(60_000))) == 1


def test_a_shuffled_case_must_hold_in_every_order(tmp_path: Path) -> None:
    by_key = {"name": "any order", "events": BURST, "shuffle": True, "expect": [{"actor": "ada"}, {"count": 5}]}
    by_time = {**by_key, "name": "the third event", "expect": [OPENED, RAISED]}
    _, holds, breaks = run(tmp_path, FIRES, by_key, by_time, allowed_lateness="1m")
    assert holds == ()
    assert breaks
    assert breaks[0].startswith("in order ")


HEARTBEAT = {
    "title": "{host} is silent", "description": "", "source": "metric", "where": {"name": "heartbeat"},
    "group_by": ["host"], "severity": "high", "cooldown": "0s", "metadata": {},
    "detect": {"absence": {"within": "5m"}},
}  # fmt: skip
BEAT = [{"at": "0s", "host": "h1", "name": "heartbeat"}, {"at": "1m", "host": "h2", "name": "heartbeat"}]


@pytest.mark.parametrize("group_by", [["host"], ["name", "host"], ["name"]], ids=["local", "wider", "hop"])
def test_time_passes_as_far_as_the_case_says(tmp_path: Path, group_by: list[str]) -> None:
    silent = [{"host": "h1", "at": "5m"}, {"host": "h2", "at": "6m"}] if "host" in group_by else [{"at": "6m"}]
    results = run(
        tmp_path,
        {"name": "both", "events": BEAT, "until": "7m", "expect": silent},
        {"name": "the first", "events": BEAT, "until": "5m30s", "expect": silent[:-1]},
        {"name": "no further than the last event", "events": BEAT, "expect": []},
        **{**HEARTBEAT, "group_by": group_by},
    )
    assert results == [(), (), ()]


def test_an_entry_may_come_over_another_source_that_the_rule_reads() -> None:
    rule = parse_rule(changed(tests=[{"name": "a", "events": [{"source": "trade"}], "expect": [{"count": 1}]}]), KINDS)
    (arrival,) = cases(rule)[0].events
    assert (arrival.source, arrival.event["source"]) == ("audit", "trade")  # it reads audit alone: a field like others


def test_cases_are_in_our_own_form_whatever_producers_write(tmp_path: Path) -> None:
    def refuse(_: bytes) -> dict[str, Any]:
        raise ValueError("no CloudTrail record")

    (tmp_path / "rule.yaml").write_text(yaml.safe_dump({**RULE, "tests": [FIRES]}))
    sources = {"audit": Source("audit", "audit.events", ("tenant", "actor"), mapping=refuse)}
    (result,) = run_tests(load_rules([tmp_path], KINDS), sources)
    assert result.passed


def test_a_case_says_what_named_lists_hold(tmp_path: Path) -> None:
    lists = {"bad-ips": ["192.0.2.0/24"]}
    listed = {"name": "listed", "events": BURST, "lists": lists, "expect": [OPENED, RAISED]}
    unlisted = {"name": "without", "events": BURST, "expect": []}
    other = {"name": "another", "events": BURST, "lists": {"bad-ips": ["198.51.100.7"]}, "expect": []}
    where = {"source_ip": {"in_list": "bad-ips"}}
    assert run(tmp_path, listed, unlisted, other, where=where) == [(), (), ()]
    (covered,) = coverage(load_rules([tmp_path], KINDS), SOURCES)
    assert covered.missing == (), "in one case it holds, in another not"
    (tmp_path / "rule.yaml").unlink()
    (tmp_path / "rule.yaml").write_text(yaml.safe_dump({**RULE, "where": where, "tests": [listed]}))
    ruleset = load_rules([tmp_path], KINDS)
    assert explain(ruleset.rules[0], ruleset, SOURCES).lists == ("bad-ips",)
