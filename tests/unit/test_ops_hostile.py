"""The rules of the ops pack over whatever a collector may send: none of them fails, and none believes what is no number."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from streams.config.settings import PACKS
from streams.detect.registry import KINDS
from streams.rules.load import load_rules
from streams.rules.rule import Rule, RuleSet
from tests.scenes import START, replayed

RULES = tuple(rule for rule in load_rules([PACKS / "ops"], KINDS).rules if rule.source == "metric")
NO_NUMBERS = (
    None, True, False, "", "NaN", "Infinity", "-inf", "high", "1e999", "0x1F", "१२", [97], {"value": 97}, "9" * 500,
)  # fmt: skip
ABSURD = (-1, -1e308, "-99999999999999999999999999", 1e308, 10**30, "1" + "0" * 77, 5e-324, "0." + "0" * 300 + "1")
LABELS: tuple[Any, ...] = (
    None,
    [],
    "mount=/",
    {"mount": None},
    {"mount": ["/"], "endpoint": 7},
    {"mount": {"of": "it"}},
    {},
)


def names(rule: Rule) -> list[str]:
    """What the rule is about: the values that its ``where`` asks of ``name``, else of ``type``."""
    text = str(rule.where.document())
    return [word for word in text.replace("'", '"').split('"') if "_" in word or "." in word or word in ("up", "rps")]


def sent(values: tuple[Any, ...], rng: Random) -> list[dict[str, Any]]:
    events = []
    for rule in RULES:
        for name in names(rule):
            for n, value in enumerate(values):
                event = {
                    "event_id": f"{rule.id}/{name}/{n}", "tenant": "acme", "type": rng.choice(("metric", name)),
                    "event_time": START + rng.randrange(3_600_000), "name": name, "value": value, "status": value,
                    "labels": rng.choice(LABELS), "algorithm": value,
                }  # fmt: skip
                events.append(event | rng.choice(({"host": "a"}, {"host": "a", "service": "s"}, {"service": "s"}, {})))
    rng.shuffle(events)
    return events


def test_every_rule_is_about_something_that_is_sent() -> None:
    assert [rule.id for rule in RULES if not names(rule)] in ([], ["ops.metric-anomaly"])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_no_number_is_never_measured(seed: int) -> None:
    matching = {"ops.system-error", "ops.container-restarting", "ops.heartbeat-lost"}  # about events, not numbers
    told = replayed(sent(NO_NUMBERS, Random(seed)), "metric", RuleSet(RULES))
    assert {alert.rule for alert in told} <= matching


@pytest.mark.parametrize("seed", range(3))
def test_absurd_numbers_out_of_order_break_nothing(seed: int) -> None:
    told = replayed(sent(ABSURD + NO_NUMBERS, Random(seed)), "metric", RuleSet(RULES))
    assert "tocsin.analysis-failed" not in {alert.rule for alert in told}
    percentages = {"ops.cpu", "ops.memory", "ops.disk", "ops.error-rate", "ops.packet-loss", "ops.db-connections"}
    assert not percentages & {alert.rule for alert in told}, "no share is 10**30 percent, or less than nothing"
