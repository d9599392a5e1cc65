"""The webhook against a receiver that insists on Standard Webhooks, and misbehaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from connectors.answers import retry_after_ms
from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.notifiers.webhook import signature, signing_key, webhook_id
from connectors.redact import Secrets
from connectors.registry import SinkErrors, parse_sinks
from connectors.testing import SECRET, Receiver, answering, drip, flood, half_close, hang, notifier_item
from streams.model import Group, Member, Reason
from tests.contract.sinks import HOSTILE, hook, open_once
from tests.contract.test_connectors_chat import told


def send(
    receiver_does: Any, tmp_path: Path, item: Item | None = None, timeout_ms: int = 1500, **more: Any
) -> tuple[Result, Receiver]:
    async def scenario() -> tuple[Result, Receiver]:
        async with Receiver() as receiver:
            receiver.behave = receiver_does
            (config,) = parse_sinks([hook(receiver.url) | more])
            sink = config.make(SinkContext("w", tmp_path, Secrets({"HOOK": SECRET, "TOKEN": "hush-hush"}), timeout_ms))
            await sink.open()
            try:
                (result,) = await asyncio.wait_for(sink.deliver([item or notifier_item()]), 5)
            finally:
                await sink.close()
            return result, receiver

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, Delivered),
        (202, {}, Delivered),
        (204, {}, Delivered),
        (400, {}, Rejected),
        (401, {}, Rejected),
        (404, {}, Rejected),
        (410, {}, Rejected),
        (413, {}, Rejected),
        (408, {}, Retry),
        (425, {}, Retry),
        (429, {}, Retry),
        (500, {}, Retry),
        (502, {}, Retry),
        (503, {}, Retry),
        (599, {}, Retry),
        (301, {"Location": "http://169.254.169.254/latest/meta-data"}, Rejected),
        (307, {"Location": "http://127.0.0.1:1/"}, Rejected),
    ],
)
def test_webhook_classifies_a_status(status: int, headers: dict[str, str], expected: type, tmp_path: Path) -> None:
    result, receiver = send(answering(status, **headers), tmp_path)
    assert isinstance(result, expected), result
    assert len(receiver.requests) == 1  # no redirect was followed
    assert receiver.broken_rules == []


@pytest.mark.parametrize(
    ("status", "value", "after"), [(429, "7", 7000), (503, "0", 0), (429, "soon", None), (429, "-1", None)]
)
def test_webhook_honours_retry_after(status: int, value: str, after: int | None, tmp_path: Path) -> None:
    result, _ = send(answering(status, Retry_After=value), tmp_path)
    assert isinstance(result, Retry)
    assert result.after_ms == after
    assert result.everyone is (after is not None)


@pytest.mark.parametrize("value", ["Sat, 01 Jan 2000 00:00:30 GMT", "30"])
def test_retry_after_may_be_a_date(value: str) -> None:
    assert retry_after_ms(value, 946_684_800) == 30_000


@pytest.mark.parametrize(
    "value", ["Sat, 99 Jan", "1e9", "٣", "9" * 99, "", None, "Sat, 01 Jan 99999 00:00:00 GMT", "nan"]
)
def test_an_unreadable_retry_after_is_none(value: str | None) -> None:
    assert retry_after_ms(value, 0) is None


def test_a_retry_after_is_at_most_a_day() -> None:
    assert retry_after_ms("999999999", 0) == 86_400_000


@pytest.mark.parametrize("does", [hang, drip, half_close], ids=["hang", "slow loris", "half close"])
def test_webhook_retries_what_never_answers(does: Any, tmp_path: Path) -> None:
    result, _ = send(does, tmp_path, timeout_ms=400)
    assert isinstance(result, Retry)


def test_webhook_reads_a_bounded_answer(tmp_path: Path) -> None:
    result, _ = send(flood, tmp_path, timeout_ms=4000)
    assert isinstance(result, Delivered)


def test_webhook_sends_the_same_id_and_body_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Receiver() as receiver:
            receiver.behave = answering(500)
            (config,) = parse_sinks([hook(receiver.url)])
            for _ in range(2):  # a restart in between
                sink = config.make(SinkContext("w", tmp_path, Secrets({"HOOK": SECRET})))
                await sink.open()
                await sink.deliver([notifier_item()])
                await sink.close()
                receiver.behave = None
            assert receiver.broken_rules == []  # it checks that an id keeps its body
            assert [r["webhook-id"] for r in receiver.requests] == ["n1-1", "n1-1"]
            body = receiver.accepted["n1-1"]
            assert body["type"] == "alert.new"
            assert body["timestamp"] == "2024-01-01T00:00:02.000Z"
            assert body["data"]["event_time"] == "2024-01-01T00:00:00.000Z"
            assert body["data"]["first"][0]["event_time"] == "2024-01-01T00:00:00.000Z"
            assert body["data"]["values"]["within"] == 600_000

    asyncio.run(scenario())


def test_webhook_signs_as_the_standard_says() -> None:
    # The example of the specification's reference libraries.
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_webhook_signs_with_every_secret_while_one_is_replaced(tmp_path: Path) -> None:
    new = "whsec_" + "QUJD" * 8
    result, receiver = send(None, tmp_path, secret=["file:" + str(_write(tmp_path / "new", new)), "env:HOOK"])
    assert isinstance(result, Delivered)
    assert receiver.requests[0]["webhook-signature"].count("v1,") == 2


def _write(path: Path, text: str) -> Path:
    path.write_text(text + "\n")
    return path


@pytest.mark.parametrize("key", ["a.b", "x\r\ny", "ключ", "", "z" * 500])
def test_a_strange_key_still_makes_one_stable_id(key: str) -> None:
    assert webhook_id(key) == webhook_id(key)
    assert webhook_id(key).isalnum()


def test_webhook_sends_headers_by_reference_and_hides_them(tmp_path: Path) -> None:
    async def echo(request: web.Request, _: int) -> web.Response:
        return web.Response(status=400, text=f"you sent {request.headers['authorization']} to {request.path_qs}")

    async def scenario() -> str:
        async with Receiver() as receiver:
            receiver.behave = echo
            url = receiver.url + "/T00/B00/xoxb?token=abcdef123"
            (config,) = parse_sinks([hook(url) | {"headers": {"authorization": "env:TOKEN"}}])
            secrets = Secrets({"HOOK": SECRET, "TOKEN": "hush-hush"})
            sink = config.make(SinkContext("w", tmp_path, secrets))
            await sink.open()
            (result,) = await sink.deliver([notifier_item()])
            await sink.close()
            assert isinstance(result, Rejected)
            assert "hush-hush" in result.reason  # the receiver did quote it
            return secrets.redact(result.reason)

    shown = asyncio.run(scenario())
    assert "hush-hush" not in shown
    assert "abcdef123" not in shown
    assert "B00" not in shown


@pytest.mark.parametrize("secret", ["whsec_", "whsec_short", "plain text!", "whsec_" + "é" * 20, "whsec_QUJD"])
def test_a_secret_that_cannot_sign_breaks_the_sink_without_being_shown(secret: str, tmp_path: Path) -> None:
    async def scenario() -> str:
        (config,) = parse_sinks(
            [{"name": "w", "type": "webhook", "url": "https://example.com/x", "secret": "env:HOOK"}]
        )
        with pytest.raises(SinkBroken) as caught:
            await config.make(SinkContext("w", tmp_path, Secrets({"HOOK": secret}))).open()
        return str(caught.value)

    message = asyncio.run(scenario())
    assert "base64" in message
    assert secret.removeprefix("whsec_") not in message or len(secret) == 6


def test_a_missing_secret_breaks_the_sink(tmp_path: Path) -> None:
    (config,) = parse_sinks([{"name": "w", "type": "webhook", "url": "https://example.com/", "secret": "env:NOPE"}])
    with pytest.raises(SinkBroken, match="NOPE is not set"):
        asyncio.run(open_once(config.make(SinkContext("w", tmp_path, Secrets({})))))


def test_webhook_to_a_closed_port_is_tried_again(tmp_path: Path) -> None:
    (config,) = parse_sinks([{"name": "w", "type": "webhook", "url": "http://127.0.0.1:9/", "allow_private": True}])

    async def scenario() -> Result:
        sink = config.make(SinkContext("w", tmp_path))
        await sink.open()
        (result,) = await sink.deliver([notifier_item()])
        await sink.close()
        return result

    result = asyncio.run(scenario())
    assert isinstance(result, Retry)


def test_webhook_tells_why_it_was_sent_to_whom_and_of_which_group(tmp_path: Path) -> None:
    members = (Member(id="b" * 32, title="another", severity="low", status="active", reason="new"),)
    group = Group(id="g" * 32, key={"host": "db1"}, alerts=members, total=7)
    item = told(Reason.ESCALATED, why="nobody answered", to=("ada",), escalation_level=2, group=group)
    _, receiver = send(None, tmp_path, item)
    assert receiver.accepted["n1-1"]["notification"] == {
        "id": "n1-1", "receiver": "ops", "reason": "escalated", "why": "nobody answered", "to": ["ada"],
        "escalation_level": 2, "group": msgspec.json.decode(msgspec.json.encode(group)),
    }  # fmt: skip


def test_webhook_says_the_same_when_it_is_driven_again(tmp_path: Path) -> None:
    item = notifier_item()
    assert item.notification is not None
    again = replace(item, notification=msgspec.structs.replace(item.notification, redriven="r-1"))
    first, second = (send(None, tmp_path, one)[1].accepted for one in (item, again))
    assert first == second


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_webhook_speaks_the_method_that_the_receiver_wants(method: str, tmp_path: Path) -> None:
    result, receiver = send(None, tmp_path, method=method)
    assert isinstance(result, Delivered)
    assert receiver.methods == [method]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_webhook_template_makes_json_whatever_an_event_brought(text: str, tmp_path: Path) -> None:
    template = '{"type": "x", "timestamp": 1, "data": {"said": "{{ alert.title }}", "key": {{ alert.key | tojson }}}}'
    result, receiver = send(None, tmp_path, notifier_item(title=text, key={text: text}), template=template)
    assert isinstance(result, Delivered), result
    assert receiver.broken_rules == []  # it is signed as any other
    (body,) = receiver.accepted.values()
    if len(text) > 65_536:
        assert "more than 65536 characters" in body["template_failed"]
    else:
        assert set(body["data"]) == {"said", "key"}


def test_webhook_template_says_what_it_was_given(tmp_path: Path) -> None:
    template = '{"type": "{{ reason }}", "timestamp": {{ alert.count }}, "data": {{ alert.key | tojson }}}'
    _, receiver = send(None, tmp_path, notifier_item(key={"user": 'a "quoted" ☃\n'}), template=template)
    assert receiver.accepted["n1-1"] == {"type": "new", "timestamp": 1, "data": {"user": 'a "quoted" ☃\n'}}


@pytest.mark.parametrize("template", ["no JSON: {{ alert.title }}", "{{ alert.metadata.absent }}"])
def test_webhook_template_that_makes_no_json_is_told_in_the_usual_body(template: str, tmp_path: Path) -> None:
    result, receiver = send(None, tmp_path, template=template)
    assert isinstance(result, Delivered)
    assert "template failed" in receiver.accepted["n1-1"]["template_failed"]
    assert receiver.accepted["n1-1"]["data"]["title"] == "20 failed logins for ada"


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"method": "GET"}, "method"), ({"template": {"title": "x"}}, "template.title"), ({"url": "ftp://x"}, "url"),
        ({"headers": {"webhook-id": "x"}}, "headers.webhook-id"), ({"headers": {"a": "b\r\nc: d"}}, "headers.a"),
        ({"secret": "whsec_plain"}, "secret"),
    ],
)  # fmt: skip
def test_a_wrong_block_is_told_by_its_path(block: dict[str, Any], path: str) -> None:
    with pytest.raises(SinkErrors) as caught:
        parse_sinks([{"name": "w", "type": "webhook", "url": "https://example.com/"} | block])
    assert f"sinks[0].{path}" in dict(caught.value.problems)
