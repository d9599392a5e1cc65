"""Rules over alerts in a replay: alerts of several rules and domains make an alert, and that one another."""

from __future__ import annotations

from typing import Any

from streams.model import Record
from streams.replay.runner import PartitionLog, replay
from tests.detecting import AUDIT, BASE, control, event, rule


def over(identity: str, where: dict[str, Any], detect: dict[str, Any]) -> dict[str, Any]:
    return rule(identity, detect, title="{actor}: {count} alerts", source="alerts", where={"action": "opened", **where},
                group_by=[{"actor": "key.actor"}])  # fmt: skip


RULES = (
    rule("audit.logins", {"count": {"at_least": 3, "within": "1m"}}),
    rule("audit.root", {"match": {}}, where={"action": "sudo"}),
    over("both", {"rule": {"starts_with": "audit."}}, {"distinct": {"field": "rule", "at_least": 2, "within": "10m"}}),
    over("again", {"rule": "both"}, {"match": {}}),
)


def test_alerts_of_two_rules_about_one_actor_make_a_third_and_that_a_fourth() -> None:
    payloads = [
        *(event(n * 1_000, n, actor="ada") for n in range(3)),
        event(5_000, 5, actor="bob", action="sudo"),
        event(9_000, 9, actor="ada", action="sudo"),
        event(900_000, 90, actor="zoe", action="other"),
    ]
    log: list[Record] = [(n, payload, BASE + 900_000) for n, payload in enumerate(payloads)]
    result = replay([PartitionLog(AUDIT, 0, [log])], control(*RULES).ruleset)
    found = [(alert.rule, alert.key["actor"], alert.event_time - BASE) for alert in result.alerts]
    assert sorted(found) == [
        ("again", "ada", 9_000), ("audit.logins", "ada", 2_000), ("audit.root", "ada", 9_000),
        ("audit.root", "bob", 5_000), ("both", "ada", 9_000),
    ]  # fmt: skip
    (both,) = [alert for alert in result.alerts if alert.rule == "both"]
    assert both.title == "ada: 2 alerts"
    assert result.findings == len(result.alerts)
