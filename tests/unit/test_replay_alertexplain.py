"""What is said of an alert: which rung, which events and where they stand, and why nobody was told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.base import Origin, as_record
from connectors.storage.archive_ranges import Ranges
from connectors.storage.archive_retention import DEFAULT
from connectors.storage.archive_rows import row_of
from connectors.storage.archive_store import Folder
from streams.detect.registry import KINDS
from streams.errors import TocsinError
from streams.model import Alert, Control, Evidence, Severity, Status, Suppression
from streams.replay.lookback.archived import Archives
from streams.replay.lookback.explain import Held, Rerun, events_of, place_of, rule_of, why_not_told, why_severity
from streams.rules.load import ruleset_from_documents
from streams.runtime.control import POLICY, ControlLog
from tests.detecting import BASE, rule

COUNT = {"count": {"at_least": 5, "within": "10m"}}
LADDER = {"medium": 5, "high": 20, "critical": 100}


def alert(**more: Any) -> Alert:
    events = tuple(
        Evidence(
            position=f"audit.events/0/{n}", event_id=f"e{n}", event_time=BASE + n, event={"n": n} if n == 9 else None
        )
        for n in (3, 5, 9)
    )
    return Alert(**{
        "id": "a1", "version": 1, "tenant": "acme", "rule": "a", "rule_version": "v", "ruleset": "s",
        "severity": Severity.HIGH, "severity_word": "high", "type": "security", "title": "t", "source": "audit",
        "status": Status.ACTIVE, "key": {"actor": "ada"}, "values": {"observed": 5, "within": 600_000}, "count": 1,
        "event_time": BASE, "last_event_time": BASE, "created_at": BASE, "updated_at": BASE, "first": events,
        "last": events[-1:], **more,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("severity", "observed", "words"),
    [
        (LADDER, 5, "medium: 5 ≥ 5; high would need ≥ 20"),
        (LADDER, 23, "high: 23 ≥ 20; critical would need ≥ 100"),
        (LADDER, 100, "critical: 100 ≥ 100"),
        ("high", 7, "the rule says high, whatever the value"),
        ("high", None, "the rule says high, whatever the value"),
    ],
)
def test_the_severity_is_told_by_the_rung_and_what_the_next_would_need(
    severity: Any, observed: Any, words: str
) -> None:
    (one,) = ruleset_from_documents([rule("a", COUNT, severity=severity)], KINDS).rules
    assert why_severity(one.severity, observed) == words


@pytest.mark.parametrize(
    ("low", "stands"), [(0, ["topic"] * 3), (4, ["gone", "topic", "topic"]), (50, ["gone", "gone", "alert"])]
)
def test_each_event_is_said_to_stand_on_the_topic_or_on_the_alert_or_to_be_gone(low: int, stands: list[str]) -> None:
    there = Held({("audit.events", 0): low}, ControlLog(), {})
    events = events_of(alert(), Rerun(), there, Archives({}))
    assert [event["on"] for event in events] == stands
    assert [event["completing"] for event in events] == [False, False, True]
    assert events[-1]["event"] == {"n": 9}


def test_what_is_gone_from_the_topic_is_shown_as_the_archive_has_it(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    events = [as_record(f'{{"n":{n}}}'.encode(), Origin("audit.events", 0, n), BASE, None) for n in range(2, 6)]
    Ranges(store, "audit.events", 0, "jsonl").write([row_of(event, DEFAULT) for event in events])
    said = events_of(alert(), Rerun(), Held({("audit.events", 0): 5}, ControlLog(), {}), Archives({"cold": store}))
    assert [(one["on"], one["event"]) for one in said] == [("archive", {"n": 3}), ("topic", None), ("topic", {"n": 9})]


def test_what_an_archive_does_not_have_is_named_once(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    for begin in (10, 14):  # 12 and 13 never came
        events = [as_record(b"{}", Origin("audit.events", 0, n), BASE, None) for n in (begin, begin + 1)]
        ranges = Ranges(store, "audit.events", 0, "jsonl")
        ranges.write([row_of(event, DEFAULT) for event in events])
    archives = Archives({"cold": store})
    for _ in range(2):
        batches = archives.batches("audit.events", 0, 8, 20)
        assert [record[0] for batch in batches for record in batch.records] == [10, 11, 14, 15]
    lost = "and no archive holds them: what they did is missing"
    assert archives.problems == [
        f"retention took audit.events/0/8 to 9, {lost}",
        f"retention took audit.events/0/16 to 19, {lost}",
    ]


def test_a_damaged_archive_is_named_with_what_tells_more(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    event = as_record(b"{}", Origin("audit.events", 0, 0), BASE, None)
    manifest = Ranges(store, "audit.events", 0, "jsonl").write([row_of(event, DEFAULT)])
    assert manifest is not None
    store.replace(manifest.files[0].name, b"something else")
    with pytest.raises(TocsinError, match="the archive cold is damaged") as raised:
        Archives({"cold": store}).record("audit.events", 0, 0)
    assert "tocsin archive verify --sink cold" in raised.value.hint


@pytest.mark.parametrize(
    ("position", "place"),
    [("audit.events/3/42", ("audit.events", 3, 42)), ("file:abc:7", None), ("case/x/y", None), ("", None)],
)
def test_a_place_on_a_topic_is_told_from_others(position: str, place: tuple[str, int, int] | None) -> None:
    assert place_of(position) == place


SILENCED = Suppression(stage="silence", by="s-1", since=BASE)


@pytest.mark.parametrize(
    ("more", "policy", "begins"),
    [
        ({"suppressed": (SILENCED,), "hidden": 2}, True, ["silence: by s-1", "hidden: 2 notifications"]),
        ({"notification_failed": ("pager",)}, True, ["failed: pager"]),
        ({}, False, ["no policy"]),
        ({}, True, ["no route"]),
        ({"told": ("pager",)}, True, []),  # somebody was told, though the record has expired
    ],
)
def test_every_reason_for_not_being_told_has_its_name(more: dict[str, Any], policy: bool, begins: list[str]) -> None:
    log = ControlLog()
    if policy:
        log.history.append(Control(1, log.current.ruleset, {POLICY: {}}))
    said = why_not_told(alert(**more), [], Held({}, log, {}))
    assert [text[: len(start)] for text, start in zip(said, begins, strict=True)] == begins


def test_the_rule_is_that_of_the_alerts_own_rule_set_where_it_is_known() -> None:
    sets = [ruleset_from_documents([rule("a", COUNT, title=title)], KINDS) for title in ("one", "two", "three")]
    history = [Control(n, one) for n, one in enumerate(sets)]
    version = sets[0].rules[0].version
    for ruleset, title in ((sets[1].version, "two"), ("forgotten", "three")):
        found = rule_of(alert(rule_version=version, ruleset=ruleset), history)
        assert found is not None
        assert found[1].title == title
    assert rule_of(alert(rule_version="other"), history) is None
