"""What is raised by hand is a record like any other."""

from __future__ import annotations

import msgspec
import pytest

import schemas
from streams.alerts.intake import read
from streams.cli.alerts_raise import by_hand, is_of, slug
from streams.model import Alert, Finding
from tests.unit.alert_steps import START, World


def raised(title: str = "Payments are down", word: str = "EMERGENCY", **key: str) -> Finding:
    return by_hand(
        f"manual.{slug(title)}",
        title,
        word,
        "acme",
        "grace",
        START,
        key=key,
        source="manual",
        type_="system",
        runbook="r",
    )


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Payments are down!", "payments-are-down"),
        ("  --A  b/C--  ", "a-b-c"),
        ("x" * 100, "x" * 60),
        ("Überfall", "berfall"),
    ],
)
def test_a_rule_is_named_after_the_title(title: str, name: str) -> None:
    assert slug(title) == name


def test_titles_without_letters_name_different_rules() -> None:
    assert slug("支付") != slug("停机") != ""


def test_it_is_a_valid_record_that_the_stage_reads() -> None:
    raw = msgspec.json.encode(raised(region="eu"))
    assert schemas.validate("finding", msgspec.json.decode(raw)) == []
    assert isinstance(read(raw), Finding)


def test_the_same_counts_up_while_it_is_open_and_another_key_opens_another() -> None:
    world = World({"receivers": [{"name": "chat"}], "remind_severities": []})
    first, second, other = raised(region="eu"), raised(region="eu"), raised(region="us")
    world.give(first, second, other, minute=0)
    alerts = [versions[-1] for versions in world.versions.values()]
    assert sorted(alert.count for alert in alerts) == [1, 2]
    alert: Alert = world.alert(first.alert_id)
    assert (alert.severity, alert.severity_word, alert.runbook) == ("critical", "EMERGENCY", "r")
    assert is_of(alert, first)
    assert is_of(alert, second)
    assert not is_of(alert, other)
