"""Alerts held against labels: every verdict by itself, and a blind and a noisy rule through the whole engine."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from streams.config import event_sources, load_config
from streams.detect.entries import kept_id
from streams.detect.registry import KINDS
from streams.model import Alert, Evidence, Severity, Status
from streams.replay.scoring.figures import document, false_alerts, weak, why_weak
from streams.replay.scoring.quality import page
from streams.replay.scoring.regimes import DAY, HOUR, Regime, run, scaled
from streams.replay.scoring.score import Verdict, about, added, quantile, score
from streams.rules.load import load_rules
from streams.rules.rule import RuleSet
from streams.simulate.areas import Area
from streams.simulate.scene import Attack, Label, Nature, Scenario

START = 1_709_164_800_000


def label(rule: str, nature: Nature = Nature.ATTACK, *, name: str = "x", at: int = 0, ids: str = "abc") -> Label:
    return Label(
        attack=name, scenario=f"{name} of {rule}", rule=rule, source="audit", tenant="acme", key={"actor": name},
        first_event_time=at, event_ids=tuple(f"{name}-{one}" for one in ids), nature=nature,
        completes=f"{name}-b" if nature is Nature.ATTACK else "", completed_at=at + 10,
    )  # fmt: skip


def alert(rule: str, *ids: str, key: str = "x", at: int = 10, source: str = "audit", name: str = "") -> Alert:
    evidence = tuple(Evidence(position=f"audit.events/0/{n}", event_id=one, event_time=at) for n, one in enumerate(ids))
    return Alert(
        id=name or f"{rule}/{'/'.join(ids)}", version=1, tenant="acme", rule=rule, rule_version="", ruleset="",
        severity=Severity.HIGH, severity_word="high", type="security", title=f"{rule} of {key}", source=source,
        status=Status.ACTIVE, key={"actor": key}, values={}, count=1, event_time=at, last_event_time=at, created_at=at,
        updated_at=at, first=evidence, last=evidence,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (alert("r", "x-a", "x-b"), Verdict.TRUE),
        (alert("r", "x-b", key="y"), Verdict.WRONG_KEY),
        (alert("r", "near-a", key="near"), Verdict.NEAR_MISS),
        (alert("r", "like-a", key="like"), Verdict.LOOK_ALIKE),
        (alert("r", "somebody"), Verdict.BACKGROUND),
        (alert("r"), Verdict.BACKGROUND),
        (alert("r", "other-a", key="other"), Verdict.BY_CATCH),
        (alert("r", "somebody", "x-c"), Verdict.TRUE),  # some of it lies in the attack
    ],
)
def test_an_alert_is_judged_by_where_its_evidence_stands(said: Alert, verdict: Verdict) -> None:
    known = [
        label("r"),
        label("r", Nature.NEAR_MISS, name="near"),
        label("r", Nature.LOOK_ALIKE, name="like"),
        label("other", name="other"),
    ]
    one = score([said], known, ["r", "other"])["r"]
    assert {name: n for name, n in one.verdicts.items() if n} == {verdict: 1}
    assert (one.attacks, one.near_misses, one.look_alikes, one.alerts) == (1, 1, 1, 1)
    assert one.found == (verdict is Verdict.TRUE)
    assert one.false == (verdict not in (Verdict.TRUE, Verdict.BY_CATCH))


def test_another_tenant_is_another_key() -> None:
    other = label("r")
    one = score(
        [alert("r", "x-b")], [Label(**{n: getattr(other, n) for n in other.__slots__} | {"tenant": "b"})], ["r"]
    )
    assert one["r"].verdicts[Verdict.WRONG_KEY] == 1


def test_of_a_large_window_evidence_is_known_by_what_state_keeps_of_its_id() -> None:
    one = score([alert("r", kept_id("x-b", 0))], [label("r")], ["r"])["r"]
    assert (one.found, one.waits_events) == (1, [0])


def test_time_to_detect_is_that_of_the_first_alert_and_repeats_are_true_too() -> None:
    told = [alert("r", "x-c", at=70), alert("r", "x-a", "x-c", at=25)]
    one = score(told, [label("r")], ["r"])["r"]
    assert (one.attacks, one.found, one.true) == (1, 1, 2)
    assert (one.waits_ms, one.waits_events, one.since_first_ms) == ([15], [1], [25])


def test_an_alert_over_alerts_is_about_what_those_are_about() -> None:
    below = alert("r", "x-b", name="first")
    above = alert("over", "first:3", source="alerts", name="second")
    known = [label("r"), label("over", name="other")]
    scores = score([below, above], known, ["r", "over"])
    assert scores["over"].caught == {"x of r": 1}
    assert about([below, above], known) == {"x": {"r", "over"}}


def test_rules_that_were_not_loaded_are_nobodys_fault() -> None:
    scores = score([alert("r", "x-b")], [label("r"), label("gone", name="y")], ["r"])
    assert scores.keys() == {"r"}


def test_figures_of_runs_add_up() -> None:
    parts = [score([alert("r", "x-b")], [label("r")], ["r"]), score([], [label("r", name="z")], ["r", "s"])]
    one = added(parts)["r"]
    assert (one.attacks, one.found, one.recall, one.precision, one.missed) == (2, 1, 0.5, 1.0, ["z of r"])
    assert added(parts)["s"].recall is None


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7], 0.95, 7), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.95, 95), ([5, 1], 0, 1)],
)
def test_quantiles(values: list[int], share: float, expected: int | None) -> None:
    assert quantile(values, share) == expected


# --- through the engine


class Rounds:
    """Somebody of ten people knocks."""

    source, share = "audit", 100

    def background(self, rng: Random, at: int) -> dict[str, Any]:
        return {"tenant": "acme", "type": "door", "action": "knock", "actor": f"p-{rng.randrange(10)}"}


def _knocks(times: int, action: str = "kick") -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        event = {"tenant": "acme", "type": "door", "action": action, "actor": f"k-{who}"}
        return Attack(
            "acme", {"actor": f"k-{who}"}, [(n * 1000, event) for n in range(times)], 2 if times > 2 else None
        )

    return plan


AREA = Area(
    "doors",
    "audit",
    (Rounds,),
    (
        Scenario("kicks", "audit.kicks", 10_000, _knocks(4)),
        Scenario("two-kicks", "audit.kicks", 10_000, _knocks(2), Nature.NEAR_MISS),
        Scenario("knocks", "audit.kicks", 10_000, _knocks(4, "knock"), Nature.LOOK_ALIKE),
        Scenario("a-month", "audit.kicks", 30 * DAY, _knocks(4)),
    ),
)
REGIME = Regime("small", 1, START, DAY, 1_000, 6 * HOUR, HOUR)


def rules(folder: Path, **where: Any) -> RuleSet:
    document = {
        "id": "audit.kicks", "title": "{actor} kicks", "source": "audit", "where": {"type": "door", **where},
        "group_by": ["actor"], "detect": {"count": {"at_least": 3, "within": "1m"}}, "severity": "high",
        "cooldown": "5m", "type": "security",
        "tests": [{"name": "x", "events": [{"actor": "a", "action": "kick", "type": "door", "times": 3}], "expect": [{"at": "0s"}]}],
    }  # fmt: skip
    (folder / "kicks.yaml").write_text(yaml.safe_dump(document))
    return load_rules([folder / "kicks.yaml"], KINDS)


@pytest.fixture(autouse=True)
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.simulate.cast.areas", lambda: (AREA,))


SOURCES = event_sources(load_config(None, {}))


def figures(ruleset: RuleSet) -> dict[str, Any]:
    return document([run(REGIME, ruleset, SOURCES, scenarios=["audit.kicks"])])


def test_a_sound_rule_has_nothing_against_it_but_what_did_not_fit(tmp_path: Path) -> None:
    found = figures(rules(tmp_path, action="kick"))
    (one,) = found["rules"]
    assert one["attacks"] == one["found"] == one["true"] >= 3
    assert one["near_misses"] == one["look_alikes"] == one["attacks"]
    assert (one["recall"], one["precision"], one["per_million"], one["wait_ms"]["p95"]) == (1, 1, 0, 0)
    assert found["left_out"] == ["audit.kicks: a-month"]
    assert found["ran"][0]["background_events"] == 1_000
    assert weak(found["rules"]) == []
    assert document([run(REGIME, rules(tmp_path, action="kick"), SOURCES, scenarios=["audit.kicks"])]) == found


def test_of_a_blind_rule_the_figures_say_so(tmp_path: Path) -> None:
    (one,) = figures(rules(tmp_path, action="kick", blind=True))["rules"]
    assert one["attacks"] >= 3
    assert (one["found"], one["recall"], one["precision"], one["missed"][0]) == (0, 0, None, "kicks")
    assert why_weak(one) == f"missed {one['attacks']} of {one['attacks']} (kicks)"


def test_of_a_noisy_rule_the_figures_say_so(tmp_path: Path) -> None:
    noisy = rules(tmp_path)  # knocks as well, which the background is full of
    many = document([run(scaled(REGIME, 20), noisy, SOURCES, scenarios=["audit.kicks"])])
    (one,) = many["rules"]
    assert one["recall"] == 1
    assert one["false"]["look_alike"] == one["look_alikes"]
    assert one["false"]["background"] > 0
    assert one["per_million"] == pytest.approx(one["false"]["background"] * 1e6 / 20_000, abs=0.01)
    assert one["precision"] == pytest.approx(one["true"] / (one["true"] + false_alerts(one)), abs=1e-4)
    assert "false on the background" in why_weak(one)
    text = page(many, {})
    assert f"- `audit.kicks`: {why_weak(one)}" in text
    assert "Not measured: the data were not there" in text
