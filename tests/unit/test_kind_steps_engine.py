"""Sequences and groups through the whole engine: several sources, keys of other names, an end that time decides."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.registry import KINDS
from streams.model import Source
from streams.replay.rules.cases import test_rules as run_tests
from streams.rules.load import ruleset_from_documents

SOURCES = {name: Source(name, f"{name}.events", ("tenant",)) for name in ("audit", "trade", "chain")}
CASHED_OUT = {
    "sequence": {
        "within": "1h",
        "steps": [
            {"name": "login", "where": {"action": "login", "new_device": True}},
            {"name": "order", "source": "trade", "by": ["account"], "where": {"side": "sell"}, "runs": 2},
            {"name": "transfer", "source": "chain", "by": ["sender.id"], "where": {"value": {"gte": "1000"}}},
        ],
        "until": {"where": {"action": "confirm"}},
    }
}
UNANSWERED = {
    "sequence": {
        "within": "10m",
        "steps": [
            {"name": "page", "where": {"action": "page"}},
            {"name": "ack", "where": {"action": "ack"}, "absent": True, "within": "5m"},
        ],
    }
}
UNAPPROVED = {
    "group": {
        "within": "1h",
        "members": [
            {"name": "deployed", "where": {"action": "deploy"}, "at_most": 2},
            {"name": "approved", "source": "trade", "by": ["account"], "where": {"action": "approve"}, "absent": True},
        ],
        "wait": "10m",
    }
}

LOGIN = {"at": "0s", "source": "audit", "actor": "ada", "action": "login", "new_device": True}
ORDERS = {"at": "5m", "source": "trade", "account": "ada", "side": "sell", "times": 2, "every": "1m"}
AMOUNT = "115792089237316195423570985008687907853269984665640564039457584007913129639935"
TRANSFER = {"at": "20m", "source": "chain", "sender": {"id": "ada"}, "value": AMOUNT}


@pytest.mark.parametrize(
    ("detect", "events", "expect"),
    [
        (CASHED_OUT, [LOGIN, ORDERS, TRANSFER], [{"at": "20m", "actor": "ada", "count": 4}]),
        (CASHED_OUT, [LOGIN, TRANSFER, {**ORDERS, "at": "30m"}], []),
        (CASHED_OUT, [LOGIN, {**ORDERS, "times": 1}, TRANSFER], []),
        (CASHED_OUT, [LOGIN, ORDERS, {**TRANSFER, "sender": {"id": "bob"}}], []),
        (CASHED_OUT, [LOGIN, ORDERS, {**TRANSFER, "sender": "ada"}], []),
        (CASHED_OUT, [LOGIN, ORDERS, {**TRANSFER, "value": None}], []),
        (CASHED_OUT, [LOGIN, ORDERS, {**LOGIN, "at": "10m", "action": "confirm"}, TRANSFER], []),
        (UNANSWERED, [{"at": "0s", "actor": "ada", "action": "page"}], [{"at": "5m", "actor": "ada"}]),
        (
            UNANSWERED,
            [{"at": "0s", "actor": "ada", "action": "page"}, {"at": "4m", "actor": "ada", "action": "ack"}],
            [],
        ),
        (
            UNANSWERED,
            [{"at": "0s", "actor": "ada", "action": "page"}, {"at": "4m", "actor": "bob", "action": "ack"}],
            [{"at": "5m", "actor": "ada"}],
        ),
        (UNAPPROVED, [{"at": "0s", "actor": "ada", "action": "deploy"}], [{"at": "10m", "actor": "ada"}]),
        (
            UNAPPROVED,
            [
                {"at": "0s", "actor": "ada", "action": "deploy"},
                {"at": "9m", "source": "trade", "account": "ada", "action": "approve"},
            ],
            [],
        ),
        (UNAPPROVED, [{"at": "0s", "actor": "ada", "action": "deploy", "times": 3, "every": "1m"}], []),
    ],
)
def test_a_rule_over_the_engine(
    detect: dict[str, Any], events: list[dict[str, Any]], expect: list[dict[str, Any]]
) -> None:
    fires = {"name": "other", "events": [LOGIN], "expect": [{"at": "0s"}]}
    document = {
        "id": "a.rule", "title": "{steps}{members}: {count}", "source": "audit", "group_by": ["actor"], "detect": detect,
        "severity": "high", "type": "security",
        "tests": [{"name": "this", "events": events, "expect": expect, "until": "3h"}, fires],
    }  # fmt: skip
    results = list(run_tests(ruleset_from_documents([document], KINDS), SOURCES))
    assert results[0].problems == ()
