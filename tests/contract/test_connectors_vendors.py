"""What is each vendor's own: Slack's threads, PagerDuty's incidents, Telegram's edits, and blocks that are wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Delivered, Rejected, Retry, SinkBroken
from connectors.posting import encoded
from connectors.registry import SinkErrors, parse_sinks
from streams.model import Reason, Severity, Status
from tests.contract.test_connectors_chat import make, send, told
from tests.contract.vendors.pagerduty import PagerDuty
from tests.contract.vendors.server import saying, saying_json
from tests.contract.vendors.slack import SlackBot
from tests.contract.vendors.telegram import Telegram

# Slack


@pytest.mark.parametrize(
    ("severity", "colour"),
    [("low", "#36a64f"), ("medium", "#ffa500"), ("high", "#ff6600"), ("critical", "#ff0000")],
)
def test_slack_shows_the_colours_and_fields_that_teams_know(severity: str, colour: str, tmp_path: Path) -> None:
    item = told(severity=Severity(severity), deal_id="D-7", violation_type="spread", metadata={"venue": "X"})
    _, vendor = send("slack-webhook", tmp_path, item, label="Arbitrage")
    attachment = vendor.bodies[0]["attachments"][0]
    assert attachment["color"] == colour
    assert attachment["title"] == f"Arbitrage Alert: {severity.upper()}"
    fields = [(field["title"], field["value"]) for field in attachment["fields"]]
    assert fields[:4] == [
        ("Deal ID", "D-7"), ("Violation Type", "spread"), ("Timestamp", "2024-01-01T00:00:00.000Z"), ("venue", "X"),
    ]  # fmt: skip


def test_slack_keeps_one_message_up_to_date_over_a_restart_and_talks_in_its_thread(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with SlackBot() as vendor:
            closed = told(Reason.RESOLVED, version=3, status=Status.RESOLVED)
            for item in (told(), told(Reason.ESCALATED, version=2, escalation_level=1), closed):
                sink, _ = make(vendor, "slack", tmp_path)
                await sink.open()
                assert isinstance((await sink.deliver([item]))[0], Delivered)
                await sink.close()
            assert vendor.broken_rules == []
            assert vendor.methods == ["chat.postMessage", *["chat.update", "chat.postMessage"] * 2]
            (first, top), (_, escalated), (_, resolved) = vendor.messages.items()
            assert "RESOLVED" in top["attachments"][0]["title"]
            assert len(top["attachments"]) == 1  # nothing is left to press
            assert (escalated["thread_ts"], escalated.get("reply_broadcast")) == (first, True)
            assert (resolved["thread_ts"], resolved.get("reply_broadcast")) == (first, None)

    asyncio.run(scenario())


def test_slack_begins_anew_where_its_message_was_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with SlackBot() as vendor:
            sink, _ = make(vendor, "slack", tmp_path)
            await sink.open()
            await sink.deliver([told()])
            vendor.messages.clear()
            assert isinstance((await sink.deliver([told(version=2)]))[0], Delivered)
            await sink.close()
            assert "thread_ts" not in vendor.bodies[-1]

    asyncio.run(scenario())


def test_slack_buttons_name_alert_and_tenant(tmp_path: Path) -> None:
    _, vendor = send("slack", tmp_path)
    elements = vendor.bodies[0]["attachments"][1]["blocks"][0]["elements"]
    assert [one["action_id"] for one in elements] == ["tocsin_acknowledge", "tocsin_resolve"]
    assert json.loads(elements[0]["value"]) == {"alert": f"{1:032x}", "tenant": "acme"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [("channel_not_found", Rejected), ("is_archived", Rejected), ("internal_error", Retry), ("ratelimited", Retry)],
)
def test_slack_errors_come_with_a_200(error: str, expected: type, tmp_path: Path) -> None:
    (result,), _ = send("slack", tmp_path, behave=saying_json(200, {"ok": False, "error": error}))
    assert isinstance(result, expected)
    assert error in result.reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("which", "status", "document"),
    [
        ("slack", 200, {"ok": False, "error": "invalid_auth"}),
        ("slack", 200, {"ok": False, "error": "token_revoked"}),
        ("telegram", 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}),
    ],
)
def test_a_refused_token_is_the_sinks_failure_and_no_alerts(
    which: str, status: int, document: Any, tmp_path: Path
) -> None:
    with pytest.raises(SinkBroken):
        send(which, tmp_path, behave=saying_json(status, document))


# PagerDuty


def test_pagerduty_has_one_incident_over_the_life_of_an_alert(tmp_path: Path) -> None:
    life = [
        told(), told(Reason.ESCALATED, version=2), told(Reason.UPDATED, version=3, status=Status.ACKNOWLEDGED),
        told(Reason.RESOLVED, version=4, status=Status.RESOLVED),
    ]  # fmt: skip
    _, vendor = send("pagerduty", tmp_path, *life)
    assert isinstance(vendor, PagerDuty)
    assert [body["event_action"] for body in vendor.bodies] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert vendor.incidents == {f"{1:032x}": "resolved"}


@pytest.mark.parametrize(
    ("severity", "theirs"),
    [("low", "info"), ("medium", "warning"), ("high", "error"), ("critical", "critical"), ("info", "info")],
)
def test_pagerduty_severities_and_details(severity: str, theirs: str, tmp_path: Path) -> None:
    item = told(
        severity=Severity(severity), deal_id="D-7", runbook="https://wiki.example.com/r", metadata={"More": "x"}
    )
    _, vendor = send("pagerduty", tmp_path, item)
    (event,) = vendor.bodies
    details = event["payload"]["custom_details"]
    assert event["payload"]["severity"] == theirs
    assert event["links"] == [{"href": "https://wiki.example.com/r", "text": "Runbook"}]
    assert (details["Deal ID"], details["More"]) == ("D-7", "x")  # an event's name and ours stand beside each other
    assert len(encoded(event)) < 512 * 1024


def test_pagerduty_takes_ids_of_any_length(tmp_path: Path) -> None:
    (result,), vendor = send("pagerduty", tmp_path, told(id="z" * 5000))
    assert isinstance(result, Delivered), result
    assert len(vendor.bodies[0]["dedup_key"]) <= 255


# Telegram, Teams, Discord


def test_telegram_edits_its_first_message_and_answers_it(tmp_path: Path) -> None:
    _, vendor = send("telegram", tmp_path, told(), told(Reason.ESCALATED, version=2, escalation_level=1))
    assert isinstance(vendor, Telegram)
    assert vendor.methods == ["sendMessage", "editMessageText", "sendMessage"]
    assert "ESCALATED" in vendor.messages[1]["text"]
    assert vendor.bodies[1]["reply_parameters"]["message_id"] == 1


def test_telegram_says_where_a_chat_moved_to(tmp_path: Path) -> None:
    document = {
        "ok": False,
        "error_code": 400,
        "description": "group upgraded",
        "parameters": {"migrate_to_chat_id": -9},
    }
    (result,), _ = send("telegram", tmp_path, behave=saying_json(400, document))
    assert isinstance(result, Rejected)
    assert '"-9"' in result.reason


@pytest.mark.parametrize(("code", "expected"), [("429", Retry), ("503", Retry), ("413", Rejected)])
def test_teams_tells_of_a_failure_in_a_200(code: str, expected: type, tmp_path: Path) -> None:
    text = f"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {code}"
    (result,), _ = send("teams", tmp_path, behave=saying(200, text))
    assert isinstance(result, expected)


def test_discord_mentions_nobody(tmp_path: Path) -> None:
    _, vendor = send("discord", tmp_path, told(title="@everyone <@&1> [x](http://evil.example)"))
    text = vendor.bodies[0]["embeds"][0]["description"]
    assert "\\@everyone \\<\\@&1\\> \\[x\\]\\(http\\://evil.example\\)" in text


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"type": "slack"}, "url"), ({"type": "slack", "url": "env:A", "token": "env:B"}, "url"),
        ({"type": "slack", "token": "env:B"}, "channel"), ({"type": "slack", "url": "https://hooks.slack.com/x"}, "url"),
        ({"type": "pagerduty", "key": "0123456789"}, "key"), ({"type": "telegram", "token": "env:T", "chat": "a b"}, "chat"),
        ({"type": "discord", "url": "env:U", "nope": 1}, "nope"), ({"type": "teams", "url": 7}, "url"),
    ],
)  # fmt: skip
def test_a_wrong_block_is_told_by_its_path(block: dict[str, Any], path: str) -> None:
    with pytest.raises(SinkErrors) as caught:
        parse_sinks([{"name": "x"} | block])
    assert f"sinks[0].{path}" in dict(caught.value.problems)


def test_a_vendor_is_not_called_without_tls(tmp_path: Path) -> None:
    with pytest.raises(SinkBroken, match="TLS"):
        send("pagerduty", tmp_path, allow_private=False)


def test_a_broken_template_is_a_problem_of_the_configuration(tmp_path: object) -> None:
    file = f"{tmp_path}/t.j2"
    with open(file, "w") as out:
        out.write("ok\n{{ alert.nope }}")
    hook = {"type": "slack", "url": "env:URL"}
    with pytest.raises(SinkErrors) as caught:
        parse_sinks(
            [
                {"name": "a", "template": "\n\n{{ nope }}", **hook},
                {"name": "b", "template": {"title": f"file:{file}", "nope": "x"}, **hook},
                {"name": "c", "template": "file:/nowhere/x.j2", **hook},
            ]
        )
    problems = dict(caught.value.problems)
    assert "line 3: there is no nope" in problems["sinks[0].template"]
    assert f"{file}, line 2: alert has no nope" in problems["sinks[1].template.title"]
    assert "sinks[1].template.nope" in problems
    assert "cannot read /nowhere/x.j2" in problems["sinks[2].template"]
