"""Rules over alerts: none may come to see its own."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.registry import KINDS
from streams.rules.load import ruleset_from_documents
from streams.rules.problems import RuleErrors
from tests.detecting import rule


def over_alerts(identity: str, where: dict[str, Any], **more: Any) -> dict[str, Any]:
    return rule(identity, {"match": {}}, source="alerts", where=where, group_by=["tenant"], scope="global", **more)


PLAIN = rule("audit.plain", {"match": {}})


@pytest.mark.parametrize(
    ("rules", "way"),
    [
        ([over_alerts("a", {"action": "opened"})], "a <- a"),
        ([over_alerts("a", {"severity": "critical", "any": [{"rule": "x"}, {"status": "active"}]})], "a <- a"),
        ([over_alerts("a", {"rule": "b"}), over_alerts("b", {"rule": {"starts_with": "a"}})], "a <- b <- a"),
        ([over_alerts("a", {"not": {"rule": "b"}}), PLAIN], "a <- a"),
        ([over_alerts("a", {"type": "security"})], "a <- a"),
    ],
)  # fmt: skip
def test_a_circle_is_named(rules: list[dict[str, Any]], way: str) -> None:
    with pytest.raises(RuleErrors, match="may see its own alerts") as caught:
        ruleset_from_documents(rules, KINDS)
    assert f"({way})" in str(caught.value)


@pytest.mark.parametrize(
    "rules",
    [
        [over_alerts("a", {"rule": {"starts_with": "audit."}}), PLAIN],
        [over_alerts("a", {"rule": "audit.plain"}), over_alerts("b", {"rule": "a"}), PLAIN],
        [over_alerts("a", {"not": {"rule": {"in": ["a", "b"]}}}), over_alerts("b", {"rule": "a"})],
        [over_alerts("a", {"source": "audit", "action": "opened"})],
        [over_alerts("a", {"type": "performance"})],
        [over_alerts("a", {"all": [{"action": "opened"}, {"rule": {"in": ["x"]}}]})],
    ],
)  # fmt: skip
def test_what_looks_at_others_only_is_no_circle(rules: list[dict[str, Any]]) -> None:
    assert len(ruleset_from_documents(rules, KINDS).rules) == len(rules)
