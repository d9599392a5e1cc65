"""The topics as data say what the design says."""

from __future__ import annotations

import pytest

from schemas import topic_specs
from schemas.topics import parse_topics
from streams.runtime.names import Names

SPECS = {spec.name: spec for spec in topic_specs()}
DAY = 86_400_000


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("control", "retention.ms", "-1"),
        ("alerts", "retention.ms", str(365 * DAY)),
        ("alert-input", "retention.ms", str(7 * DAY)),
        ("notifications", "retention.ms", str(30 * DAY)),
        ("dead-letter", "max.message.bytes", "1048588"),  # the broker's default
        ("audit.events", "message.timestamp.after.max.ms", "300000"),
        ("tocsin-alert-changelog", "cleanup.policy", "compact"),
        ("tocsin-detect-audit.events-changelog", "segment.bytes", str(64 * 2**20)),
        ("tocsin-detect-rekeyed-changelog", "segment.ms", "600000"),
    ],
)
def test_a_setting_is_what_the_design_says(name: str, setting: str, value: str) -> None:
    assert SPECS[name].config[setting] == value
    assert setting in SPECS[name].checked


def test_every_state_has_a_changelog_with_the_partitions_of_its_source() -> None:
    names = Names(app="other")
    specs = {spec.name: spec for spec in topic_specs("other")}
    tables = {
        f"detect-{s}": s for s in ("audit.events", "trade.events", "chain.events", "metric.events", "rekeyed", "alerts")
    }
    for table, source in {**tables, "alert": "alert-input"}.items():
        assert specs[names.changelog(table)].same_as == source
    changelogs = [spec for spec in specs.values() if spec.of == "changelog"]
    assert len(changelogs) == 7
    assert all(spec.partitions is None for spec in changelogs)


def test_control_has_one_partition_and_compacts_nothing() -> None:
    assert SPECS["control"].partitions == 1
    assert SPECS["control"].config["cleanup.policy"] == "delete"  # history is kept for what-if


def test_retention_of_source_topics_is_the_users_own() -> None:
    assert SPECS["audit.events"].checked == {"message.timestamp.type", "message.timestamp.after.max.ms"}


def test_specs_are_values() -> None:
    with pytest.raises(TypeError):
        SPECS["alerts"].config["retention.ms"] = "1"  # type: ignore[index]
    assert topic_specs() is topic_specs()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topics: [{name: a, colour: red}]", "a: unknown colour"),
        ("topics: [{name: [a, a], of: log, key: k, holds: h, cleanup: delete}]", "a is there twice"),
        ("topics: [{name: a, of: log, key: k, holds: h, cleanup: delete, same_as: b}]", "same_as names b"),
        ("topics: [{name: a, of: log, key: k, holds: h, cleanup: delete, retention: long}]", "'long' is not an amount"),
        ("topics: [{name: a, of: log, key: k, holds: h, cleanup: delete, retention: 5 parsecs}]", "is not an amount"),
    ],
)
def test_a_slip_in_the_file_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_topics(text, "tocsin")
