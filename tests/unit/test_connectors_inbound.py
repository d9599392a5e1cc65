"""Slack's buttons and PagerDuty's webhooks: who is believed, and which command each makes."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.inbound import pagerduty, slack
from connectors.inbound.signed import Refused
from streams.model import Action

NOW = 1_531_420_618


def test_slacks_own_example_is_believed() -> None:
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
        b"foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F"
        b"hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015."
        b"47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert slack.verify("8f742231b10e8888abcd99yyyzzz85a5", str(NOW), signature, body, NOW) is None


def signed(secret: str, stamp: str, body: bytes) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("secret", "stamp", "signature", "body", "refused"),
    [
        ("s", str(NOW - 300), "right", b"x", None),
        ("s", str(NOW + 300), "right", b"x", None),
        ("s", str(NOW - 301), "right", b"x", Refused.STALE),
        ("s", str(NOW + 301), "right", b"x", Refused.STALE),
        ("s", "soon", "right", b"x", Refused.STALE),
        ("s", "١٢٣", "right", b"x", Refused.STALE),
        ("s", str(NOW), "right", b"changed", Refused.WRONG),
        ("s", str(NOW), "v0=é", b"x", Refused.WRONG),
        ("s", str(NOW), "", b"x", Refused.NO_SIGNATURE),
        ("s", None, "right", b"x", Refused.NO_SIGNATURE),
        ("", str(NOW), "right", b"x", Refused.NO_SECRET),
    ],
)
def test_who_slack_is(secret: str, stamp: str | None, signature: str, body: bytes, refused: Refused | None) -> None:
    given = signed("s", stamp or "", b"x") if signature == "right" else signature
    assert slack.verify(secret, stamp, given, body, NOW) is refused


def press(action: str = "tocsin_acknowledge", value: Any = None, **more: Any) -> bytes:
    value = json.dumps({"alert": "a1", "tenant": "acme"}) if value is None else value
    document = {
        "type": "block_actions", "user": {"id": "U1", "username": "ada"},
        "actions": [{"action_id": action, "value": value, "action_ts": "1.2"}],
    }  # fmt: skip
    return urlencode({"payload": json.dumps(document | more)}).encode()


@pytest.mark.parametrize(
    ("name", "action"), [("tocsin_acknowledge", Action.ACKNOWLEDGE), ("tocsin_resolve", Action.RESOLVE)]
)
def test_a_press_is_one_command_however_often_it_comes(name: str, action: Action) -> None:
    (first,), (again,) = slack.commands(press(name), 1), slack.commands(press(name), 2)
    assert (first.action, first.alert_id, first.tenant, first.by) == (action, "a1", "acme", "slack:ada")
    assert first.id == again.id


def test_two_buttons_are_two_commands() -> None:
    (one,), (two,) = slack.commands(press(), 1), slack.commands(press("tocsin_resolve"), 1)
    assert one.id != two.id


@pytest.mark.parametrize("body", [press("somebody_elses"), press(type="view_submission")])
def test_what_is_not_our_button_asks_for_nothing(body: bytes) -> None:
    assert slack.commands(body, 1) == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"payload=", b"payload=%5B%5D%5D", b"\xff", b"payload=" + b"[" * 100_000, press(value="{}"),
        press(value="[]"), press(value='{"alert": 1, "tenant": "x"}'), press(value='{"alert": "", "tenant": "x"}'),
        press(user=None), press(actions=None), b"x" * 300_000,
    ],
    ids=lambda body: f"{body[:20]!r}",
)  # fmt: skip
def test_nonsense_from_slack_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        slack.commands(body, 1)


def v1(secret: str, body: bytes) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("secrets", "header", "refused"),
    [
        (("s",), v1("s", b"x"), None),
        (("new", "s"), v1("s", b"x"), None),
        (("s",), f"{v1('old', b'x')},{v1('s', b'x')}", None),  # while PagerDuty replaces one
        (("s",), f"v2=whatever, {v1('s', b'x')}", None),
        (("s",), v1("s", b"y"), Refused.WRONG),
        (("s",), "v1=é", Refused.WRONG),
        (("s",), v1("s", b"x").removeprefix("v1="), Refused.NO_SIGNATURE),
        (("s",), None, Refused.NO_SIGNATURE),
        ((), v1("", b"x"), Refused.NO_SECRET),
        (("",), v1("", b"x"), Refused.NO_SECRET),
    ],
)
def test_who_pagerduty_is(secrets: tuple[str, ...], header: str | None, refused: Refused | None) -> None:
    assert pagerduty.verify(secrets, header, b"x") is refused


def event(kind: str, data: dict[str, Any] | None = None, **more: Any) -> bytes:
    data = {"id": "PGR0VU2", "type": "incident", "incident_key": "a1"} if data is None else data
    agent = {"id": "PLH1HKV", "type": "user_reference", "summary": "Ada"}
    return json.dumps({"event": {"id": "01E", "event_type": kind, "agent": agent, "data": data} | more}).encode()


@pytest.mark.parametrize(
    ("occurred_at", "count"),
    [
        ("2024-01-04T00:00:00Z", 1), ("2024-01-01T00:00:00.000Z", 1), ("2023-12-31T23:59:59Z", 0),
        ("2023-12-31T23:59:59", 0), ("2024-01-01T00:30:00+01:00", 0), ("0001-01-01T00:00:00Z", 0), ("soon", 1),
        (None, 1), (7, 1),
    ],
)  # fmt: skip
def test_what_was_signed_days_ago_asks_for_nothing(occurred_at: object, count: int) -> None:
    """A request that somebody kept: its signature is right for ever, and the alert may have forgotten its id."""
    now_ms = 1_704_326_400_000  # 2024-01-04
    assert len(pagerduty.commands(event("incident.resolved", occurred_at=occurred_at), known, now_ms)) == count


def known(name: str) -> tuple[str, str] | None:
    return {"a1": ("a1", "acme"), "PGR0VU2": ("a1", "acme")}.get(name)


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("incident.acknowledged", Action.ACKNOWLEDGE), ("incident.unacknowledged", Action.UNACKNOWLEDGE),
        ("incident.resolved", Action.RESOLVE), ("incident.reopened", Action.REOPEN),
    ],
)  # fmt: skip
def test_an_event_is_one_command_however_often_it_comes(kind: str, action: Action) -> None:
    (first,), (again,) = pagerduty.commands(event(kind), known, 1), pagerduty.commands(event(kind), known, 2)
    assert (first.action, first.alert_id, first.tenant, first.by) == (action, "a1", "acme", "pagerduty:Ada")
    assert first.id == again.id


def test_a_note_becomes_a_comment_by_the_incidents_own_id() -> None:
    data = {"type": "incident_note", "content": "looking", "incident": {"id": "PGR0VU2"}}
    (command,) = pagerduty.commands(event("incident.annotated", data), known, 1)
    assert (command.action, command.note) == (Action.COMMENT, "looking")


@pytest.mark.parametrize(
    "body",
    [
        event("incident.triggered"),
        event("pagey.ping", {"message": "hi", "type": "ping"}),
        event("incident.resolved", {"incident_key": "somebody else's"}),
        event("incident.resolved", agent={"type": "events_api_v2_inbound_integration_reference"}),  # we did that
        event("incident.annotated", {"content": " ", "incident": {"id": "PGR0VU2"}}),
    ],
)
def test_events_that_ask_for_nothing(body: bytes) -> None:
    assert pagerduty.commands(body, known, 1) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"event": 1}', event("x", id=7), event("x", data=1)],
    ids=lambda body: f"{body[:20]!r}",
)  # fmt: skip
def test_nonsense_from_pagerduty_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        pagerduty.commands(body, known, 1)
