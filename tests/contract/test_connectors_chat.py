"""Chat and paging against servers that hold to each vendor's rules, and misbehave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Delivered, Item, Origin, Rejected, Result, Retry, Sink, SinkBroken
from connectors.context import SinkContext
from connectors.posting import encoded
from connectors.redact import Secrets
from connectors.registry import SinkErrors, parse_sinks
from connectors.testing import drip, flood, half_close, hang, sample_notification
from streams.model import Reason, Resolution, Severity, Status
from streams.model.notification import Group, Member
from tests.contract.sinks import CHAT, HOSTILE, chat, secret_of
from tests.contract.vendors.pagerduty import PagerDuty
from tests.contract.vendors.server import Vendor, saying, saying_json
from tests.contract.vendors.slack import SlackBot, SlackWebhook
from tests.contract.vendors.telegram import Telegram

ALL: dict[str, tuple[str, type[Vendor]]] = {
    **{name: (name, vendor) for name, vendor in CHAT.items()},
    "slack-webhook": ("slack", SlackWebhook),
}
every = pytest.mark.parametrize("which", sorted(ALL))


def told(reason: Reason = Reason.NEW, number: int = 1, version: int = 1, **changes: Any) -> Item:
    """A notification for ``reason``; fields of the notification among ``changes`` go there, others to the alert."""
    own = {k: changes.pop(k) for k in ("why", "group", "escalation_level", "to") if k in changes}
    note = msgspec.structs.replace(sample_notification(number, version=version, **changes), reason=reason, **own)
    return Item(note.id, note.alert, Origin("notifications", 0, number), msgspec.json.encode(note), note)


def make(vendor: Vendor, which: str, tmp_path: Path, timeout_ms: int = 1500, **more: Any) -> tuple[Sink, Secrets]:
    (config,) = parse_sinks([chat(vendor, ALL[which][0]) | more])
    secrets = Secrets({"SECRET": secret_of(vendor)})
    return config.make(SinkContext("chat", tmp_path, secrets, timeout_ms)), secrets


def send(
    which: str, tmp_path: Path, *items: Item, behave: Any = None, timeout_ms: int = 1500, **more: Any
) -> tuple[list[Result], Vendor]:
    async def scenario() -> tuple[list[Result], Vendor]:
        async with ALL[which][1](behave=behave) as vendor:
            sink, _ = make(vendor, which, tmp_path, timeout_ms, **more)
            await sink.open()
            try:
                results = [(await asyncio.wait_for(sink.deliver([item]), 8))[0] for item in items or [told()]]
            finally:
                await sink.close()
            return results, vendor

    return asyncio.run(scenario())


@every
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_taken_and_says_why(which: str, reason: Reason, tmp_path: Path) -> None:
    group = Group(
        id="g" * 32, key={"host": "db1"}, total=3,
        alerts=tuple(Member(id=f"{n:032x}", title=f"member {n}", severity="high", status="active", reason="new")
                     for n in (1, 2)),
    ) if reason in (Reason.GREW, Reason.DIGEST) else None  # fmt: skip
    closed = {"status": Status.RESOLVED, "resolved_by": "ada", "resolution": Resolution(notes="patched")}
    item = told(
        reason, group=group, escalation_level=2 if reason is Reason.ESCALATED else 0, why="for a reason",
        breached=("acknowledge",), phase="mitigated", **(closed if reason is Reason.RESOLVED else {}),
    )  # fmt: skip
    (result,), vendor = send(which, tmp_path, item)
    assert isinstance(result, Delivered), result
    assert vendor.broken_rules == []
    shown = json.dumps(vendor.bodies, ensure_ascii=False)
    says = {
        Reason.NEW: "New: for a reason", Reason.GREW: "grown to 3 alerts", Reason.SEVERITY_RAISED: "Raised to high",
        Reason.REOPENED: "It is back", Reason.REPEATED: "Still not acknowledged", Reason.ESCALATED: "to level 2",
        Reason.BREACHED: "Too late to acknowledge", Reason.FALLBACK: "another receiver could not be reached",
        Reason.UPDATED: "Handling: mitigated", Reason.RESOLVED: "Resolved by ada: patched",
        Reason.DIGEST: "A summary of 3 alerts", Reason.REMINDER: "Reminder", Reason.TEST: "This is a test",
    }  # fmt: skip
    assert says[reason] in shown
    assert ("ESCALATED: " in shown) is (reason is Reason.ESCALATED)
    if group:
        assert "member 1" in shown
        assert "member 2" in shown


@every
@pytest.mark.parametrize("status", [400, 403, 410, 413])
def test_what_the_vendor_refuses_is_rejected_at_once(which: str, status: int, tmp_path: Path) -> None:
    (result,), vendor = send(which, tmp_path, behave=saying(status))
    assert isinstance(result, Rejected), result
    assert vendor.requests == 1


@every
@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_what_may_pass_is_tried_again(which: str, status: int, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=saying(status))
    assert isinstance(result, Retry), result


@every
def test_a_429_holds_the_whole_sink_as_long_as_it_says(which: str, tmp_path: Path) -> None:
    document = {"ok": False, "error": "ratelimited", "error_code": 429, "retry_after": 7, "description": "Too Many",
                "parameters": {"retry_after": 7}}  # fmt: skip
    (result,), _ = send(which, tmp_path, behave=saying_json(429, document, Retry_After="7"))
    assert isinstance(result, Retry), result
    assert (result.after_ms, result.everyone) == (7000, True)


@every
@pytest.mark.parametrize("does", [hang, drip, half_close], ids=["hang", "slow loris", "half close"])
def test_a_vendor_that_never_answers_is_tried_again(which: str, does: Any, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=does, timeout_ms=400)
    assert isinstance(result, Retry), result


@pytest.mark.parametrize("which", sorted(set(ALL) - {"teams"}))  # Teams documents no body of its success
@pytest.mark.parametrize("text", ["<html>Sign in to the proxy</html>", "{}", "[" * 50_000, "null"])
def test_a_200_that_is_not_the_vendors_is_no_delivery(which: str, text: str, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=saying(200, text))
    assert isinstance(result, Retry), result


@every
def test_an_answer_without_an_end_is_cut_off(which: str, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=flood, timeout_ms=4000)
    assert isinstance(result, (Delivered, Retry))


@every
def test_what_was_sent_is_not_sent_again_after_a_restart(which: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ALL[which][1]() as vendor:
            for _ in range(2):
                sink, _ = make(vendor, which, tmp_path)
                await sink.open()
                assert isinstance((await sink.deliver([told()]))[0], Delivered)
                await sink.close()
            assert vendor.arrived() == ["n1-1"]

    asyncio.run(scenario())


@every
def test_secrets_stand_in_no_preview_and_no_error(which: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ALL[which][1]() as vendor:
            sink, secrets = make(vendor, which, tmp_path)
            assert vendor.secret not in json.dumps(sink.preview(told()))  # type: ignore[attr-defined]
            await sink.open()
            await sink.close()
            assert vendor.secret not in secrets.redact(f"cannot reach {secret_of(vendor)}")

    asyncio.run(scenario())


@every
def test_a_template_words_it_and_one_that_fails_falls_back_visibly(which: str, tmp_path: Path) -> None:
    (good,), vendor = send(which, tmp_path / "a", template={"body": "own words: {{ alert.title }}"})
    assert isinstance(good, Delivered)
    assert "own words: 20 failed logins" in json.dumps(vendor.bodies)
    (fallen,), vendor = send(which, tmp_path / "b", template="{{ alert.metadata.absent }}")
    assert isinstance(fallen, Delivered)
    assert "template failed" in json.dumps(vendor.bodies)
    assert "20 failed logins" in json.dumps(vendor.bodies)


@every
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_through_a_users_template_breaks_no_rule(which: str, text: str, tmp_path: Path) -> None:
    template = {"title": "{{ alert.title }}", "body": "{{ alert.title }}\n{{ alert.description }}"}
    (result,), vendor = send(which, tmp_path, told(title=text, description=text), template=template)
    assert isinstance(result, Delivered), result
    assert vendor.broken_rules == []


def test_a_hundred_facts_and_members_fit_every_vendor_with_the_rest_counted(tmp_path: Path) -> None:
    members = tuple(
        Member(id=f"{n:032x}", title="🔥<&*" * 80, severity="critical", status="active", reason="new")
        for n in range(100)
    )
    item = told(
        group=Group(id="g" * 32, key={"a": "b"}, alerts=members, total=4321),
        metadata={f"name {n} *_<": "🔥&<" * 300 for n in range(100)},
    )
    for which in ALL:
        (result,), vendor = send(which, tmp_path / which, item)
        assert isinstance(result, Delivered), (which, result)
        assert vendor.broken_rules == []
        shown = json.dumps(vendor.bodies, ensure_ascii=False).replace("\\", "")
        assert "… [cut]" in shown or "4301" in shown, which


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
