"""What a receiver of a critical alert reads, vendor by vendor: the previews, without network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Item, Origin
from connectors.context import SinkContext
from connectors.message import message_of
from connectors.registry import CONNECTORS, parse_sinks
from connectors.testing import sample_notification
from streams.model import Reason, Severity, Status
from tests.contract.sinks import NEEDED

RUNBOOK = "https://wiki.example.com/runbooks/wash-trading"
CRITICAL: dict[str, Any] = {
    "severity": Severity.CRITICAL, "severity_word": "P0", "deal_id": "D-117", "violation_type": "wash_trading",
    "metadata": {"venue": "XOFF", "accounts": ["ACC-1", "ACC_2"]}, "runbook": RUNBOOK, "description": "Same owner.",
}  # fmt: skip


def told(reason: Reason = Reason.NEW, why: str = "", **changes: Any) -> Item:
    note = sample_notification(1, **(CRITICAL | changes))
    note = msgspec.structs.replace(note, reason=reason, why=why)
    return Item(note.id, note.alert, Origin("notifications", 0, 1), msgspec.json.encode(note), note)


def preview(type_: str, item: Item, **more: Any) -> Any:
    (config,) = parse_sinks([{"name": "x", "type": type_} | NEEDED.get(type_, {}) | more])
    sink: Any = config.make(SinkContext("x", Path("/nowhere")))
    return sink.preview(item)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "New: observed 20, threshold 5 within 10m."),
        ({"why": "a rule for everybody"}, "New: a rule for everybody."),
        ({"values": {}}, "New."),
        ({"reason": Reason.REMINDER}, "Reminder."),
    ],
)
def test_the_first_sentence_says_what_was_measured(changes: dict[str, Any], sentence: str) -> None:
    assert message_of(told(**changes)).sentence == sentence


def test_facts_read_as_people_write_them() -> None:
    facts = {fact.name: fact.value for fact in message_of(told()).facts}
    assert list(facts)[:5] == ["Deal ID", "Violation Type", "Timestamp", "venue", "accounts"]
    assert facts["accounts"] == "ACC-1, ACC_2"
    assert facts["Severity"] == "critical (P0)"  # the word that came with the alert, where it is another
    assert "Severity" not in {fact.name for fact in message_of(told(severity_word="CRITICAL")).facts}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, None),
        ({"status": Status.ACKNOWLEDGED, "acknowledged_by": "slack:ada"}, "acknowledged by slack:ada"),
        ({"status": Status.RESOLVED, "resolved_by": "bob"}, "resolved by bob"),
        ({"status": Status.DISMISSED}, "dismissed"),
        ({"status": Status.SNOOZED, "snoozed_until": 1_704_070_800_000}, "snoozed until 2024-01-01T01:00:00.000Z"),
    ],
)
def test_a_message_that_is_brought_up_to_date_says_who_has_it(changes: dict[str, Any], status: str | None) -> None:
    facts = {fact.name: fact.value for fact in message_of(told(Reason.UPDATED, **changes)).facts}
    assert facts.get("Status") == status


@pytest.mark.parametrize(
    ("runbook", "link"),
    [
        (RUNBOOK, RUNBOOK), ("runbooks/a.md", ""), ("javascript:alert(1)", ""), (f"{RUNBOOK} @everyone", ""),
        ("https://x.example/a](https://evil.example)", ""), ("https://x.example/`*<b>", ""), (f"{RUNBOOK}{'a' * 500}", ""),
    ],
)  # fmt: skip
def test_only_a_web_address_that_no_markup_can_take_for_more_is_a_link(runbook: str, link: str) -> None:
    message = message_of(told(runbook=runbook))
    assert message.link == link
    assert [fact.link for fact in message.facts if fact.name == "Runbook"] == [bool(link)]


def test_the_runbook_can_be_followed_wherever_the_vendor_has_links() -> None:
    item = told()
    attachment = preview("slack", item)["attachments"][0]
    assert (attachment["title_link"], attachment["ts"]) == (RUNBOOK, item.notification.at // 1000)  # type: ignore[union-attr]
    assert preview("pagerduty", item)["links"] == [{"href": RUNBOOK, "text": "Runbook"}]
    card = preview("teams", item)["attachments"][0]["content"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Runbook", "url": RUNBOOK}]
    assert "Runbook" not in json.dumps(card["body"])  # it is the button
    assert {"name": "Runbook", "value": RUNBOOK, "inline": False} in preview("discord", item)["embeds"][0]["fields"]
    assert f'<a href="{RUNBOOK}">{RUNBOOK}</a>' in preview("email", item)["html"]
    assert preview("alertmanager", item)[0]["generatorURL"] == RUNBOOK
    assert f"Runbook: {RUNBOOK}" in preview("apprise", item)["body"]


def test_what_is_over_is_green_everywhere() -> None:
    over = told(Reason.RESOLVED, status=Status.RESOLVED)
    assert preview("slack", over)["attachments"][0]["color"] == "#36a64f"
    assert preview("discord", over)["embeds"][0]["color"] == 0x36A64F
    assert preview("teams", over)["attachments"][0]["content"]["body"][0]["color"] == "good"
    assert "border-top:6px solid #36a64f" in preview("email", over)["html"]


def test_pagerduty_and_slack_tell_the_same_facts() -> None:
    fields = {one["title"]: one["value"] for one in preview("slack", told())["attachments"][0]["fields"]}
    details = preview("pagerduty", told())["payload"]["custom_details"]
    assert {"Deal ID", "Violation Type", "Timestamp", "venue", "accounts"} <= set(fields)
    assert fields.items() <= details.items()


def test_the_headline_stands_once_where_the_title_has_it() -> None:
    for shown in (preview("apprise", told()), preview("alertmanager", told())[0]["annotations"]):
        assert json.dumps(shown).count("20 failed logins for ada") == 1


def test_a_phone_says_what_was_measured_and_one_sms_too() -> None:
    assert "observed 20, threshold 5 within 10m" in preview("phone", told())["Twiml"]
    body = preview("sms", told(title="20 failed logins"), longest=160)["Body"]
    assert len(body) <= 160
    assert "observed 20" in body


@pytest.mark.parametrize("type_", [name for name, one in CONNECTORS.items() if one.kind == "notifier"])
def test_every_notifier_says_severity_headline_and_where_to_look(type_: str) -> None:
    shown = json.dumps(preview(type_, told()), ensure_ascii=False)
    assert "critical" in shown.lower()
    assert "20 failed logins for ada" in shown
    assert ("tocsin alerts show" in shown) or type_ in ("webhook", "phone")  # those have the id alone
