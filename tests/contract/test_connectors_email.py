"""E-mail against a real SMTP server: TLS, log in, threads, parts, refusals of one recipient and of all."""

from __future__ import annotations

import asyncio
import json
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Delivered, Item, Rejected, Result, Retry, Sink, SinkBroken
from connectors.context import SinkContext
from connectors.notifiers.smtp import parse_relay
from connectors.redact import Secrets
from connectors.registry import SinkErrors, parse_sinks
from streams.model import Reason, Status
from streams.model.notification import Group, Member
from tests.contract.sinks import HOSTILE, mail
from tests.contract.test_connectors_chat import told
from tests.contract.vendors.mail import PASSWORD, Mail, parts

OPS, ADA, BOB = "ops@example.com", "ada@example.com", "bob@example.com"


def make(server: Mail, tmp_path: Path, timeout_ms: int = 3000, **more: Any) -> tuple[Sink, Secrets]:
    secrets = Secrets({"SMTP_URL": server.url, "LIST": f"{ADA}, {BOB}", "WRONG": f"{ADA}, bob\r\nBcc: x@y"})
    (config,) = parse_sinks([mail(server, **more)])
    return config.make(SinkContext("email", tmp_path, secrets, timeout_ms)), secrets


def send(tmp_path: Path, *items: Item, server: dict[str, Any] | None = None, **more: Any) -> tuple[list[Result], Mail]:
    async def scenario() -> tuple[list[Result], Mail]:
        async with Mail(tmp_path / "server", **(server or {})) as running:
            sink, _ = make(running, tmp_path, **more)
            await sink.open()
            try:
                return [(await sink.deliver([item]))[0] for item in items or [told()]], running
            finally:
                await sink.close()

    return asyncio.run(scenario())


def only(server: Mail) -> EmailMessage:
    (found,) = server.mails
    return found


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_a_mail_arrives_however_the_relay_is_secured(security: str, tmp_path: Path) -> None:
    (result,), server = send(tmp_path, server={"security": security})
    assert isinstance(result, Delivered), result
    assert "queued as 0001" in result.reference
    found = only(server)
    text, markup = parts(found)
    assert found["Subject"] == "Security Alert: HIGH — 20 failed logins for ada"
    assert (found["To"], found["Auto-Submitted"]) == (OPS, "auto-generated")
    assert "Tenant: acme" in text
    assert re.search(r"<tr><td[^>]*>Tenant</td><td[^>]*>acme</td></tr>", markup)


def test_a_certificate_that_nobody_vouches_for_gets_neither_mail_nor_password(tmp_path: Path) -> None:
    async def scenario() -> None:
        for security in ("tls", "starttls"):
            async with Mail(tmp_path / "server", security=security) as server:
                (config,) = parse_sinks([{k: v for k, v in mail(server).items() if k != "ca"}])
                sink = config.make(SinkContext("email", tmp_path, Secrets({"SMTP_URL": server.url}), 3000))
                await sink.open()
                (result,) = await sink.deliver([told()])
                await sink.close()
                assert isinstance(result, Retry)
                assert "certificate" in result.reason.lower()
                assert server.mails == []

    asyncio.run(scenario())


def test_starttls_is_never_left_out_because_the_relay_does_not_offer_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Mail(tmp_path / "server", security="none") as server:
            sink, _ = make(server, tmp_path)
            sink._context.secrets._environ["SMTP_URL"] = f"smtp://127.0.0.1:{server.port}"  # type: ignore[index]
            await sink.open()
            (result,) = await sink.deliver([told()])
            assert isinstance(result, Retry), result
            assert "STARTTLS" in result.reason
            assert server.mails == []

    asyncio.run(scenario())


def test_a_wrong_password_is_the_sinks_failure_and_stands_in_no_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Mail(tmp_path / "server") as server:
            sink, secrets = make(server, tmp_path)
            secrets._environ["SMTP_URL"] = server.url.replace("hush", "loud")  # type: ignore[index]
            await sink.open()
            with pytest.raises(SinkBroken, match="535") as caught:
                await sink.deliver([told()])
            assert "loud" not in str(caught.value)
            assert PASSWORD.replace("hush", "loud") not in secrets.redact(f"no: {PASSWORD.replace('hush', 'loud')}")

    asyncio.run(scenario())


def test_all_mails_about_one_alert_are_one_thread_and_of_another_another(tmp_path: Path) -> None:
    life = [told(), told(Reason.ESCALATED, version=2), told(Reason.RESOLVED, version=3, status=Status.RESOLVED)]
    _, server = send(tmp_path, *life, told(number=2))
    threads = [found["References"] for found in server.mails]
    assert threads[0] == threads[1] == threads[2] != threads[3]
    assert [found["In-Reply-To"] for found in server.mails] == threads
    assert len({found["Message-ID"] for found in server.mails}) == 4


def test_the_same_notification_has_the_same_message_id_after_the_memory_is_lost(tmp_path: Path) -> None:
    first, second = (send(tmp_path / place)[1] for place in ("a", "b"))
    assert only(first)["Message-ID"] == only(second)["Message-ID"]


def test_a_restart_sends_nothing_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Mail(tmp_path / "server") as server:
            for _ in range(2):
                sink, _ = make(server, tmp_path)
                await sink.open()
                assert isinstance((await sink.deliver([told()]))[0], Delivered)
                await sink.close()
            assert server.arrived() == ["n1-1"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("450 mailbox busy", Retry), ("452 too many", Retry), ("550 no such user", Rejected), ("554 no", Rejected)],
)
def test_4xx_is_tried_again_and_5xx_never(answer: str, expected: type, tmp_path: Path) -> None:
    for server in ({"refuse": {OPS: answer}}, {"data": [answer]}):
        (result,), _ = send(tmp_path / answer[:3] / next(iter(server)), server=server)
        assert isinstance(result, expected), result
        assert answer[4:] in result.reason  # type: ignore[attr-defined]


def test_one_recipient_that_is_put_off_is_tried_again_alone(tmp_path: Path) -> None:
    server = {"refuse": {BOB: ["451 greylisted"]}}
    (first, second), found = send(tmp_path, told(), told(), server=server, to=[ADA, BOB])
    assert isinstance(first, Retry)
    assert "greylisted" in first.reason
    assert isinstance(second, Delivered)
    assert found.envelopes == [[ADA], [BOB]]


def test_one_recipient_that_does_not_exist_keeps_nobody_else_from_the_mail(tmp_path: Path) -> None:
    server = {"refuse": {BOB: "550 no such user"}}
    (result,), found = send(tmp_path, server=server, to=[ADA, BOB])
    assert isinstance(result, Delivered)
    assert f"refused: {BOB}: SMTP 550" in result.reference
    assert found.envelopes == [[ADA]]


@pytest.mark.parametrize(
    ("on_call", "expected"),
    [(("ada",), [ADA]), (("bob", "ada", "bob"), [BOB, ADA]), (("zoe",), [OPS]), ((), [OPS]), (("zoe", "bob"), [BOB])],
)
def test_who_is_on_call_gets_it_and_else_the_list(
    on_call: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    _, server = send(tmp_path, told(to=on_call), people={"ada": ADA, "bob": BOB})
    assert server.envelopes == [expected]


def test_without_an_address_for_anybody_it_is_rejected_with_what_to_do(tmp_path: Path) -> None:
    (result,), server = send(tmp_path, told(to=("zoe",)), to=[], people={"ada": ADA})
    assert isinstance(result, Rejected)
    assert "zoe: add them to people" in result.reason
    assert server.mails == []


def test_a_list_behind_a_variable_is_split_at_its_commas(tmp_path: Path) -> None:
    _, server = send(tmp_path, to="env:LIST")
    assert server.envelopes == [[ADA, BOB]]
    with pytest.raises(SinkBroken, match="entry 2"):
        send(tmp_path, to="env:WRONG")


def test_a_digest_lists_its_members_and_counts_the_rest(tmp_path: Path) -> None:
    members = tuple(
        Member(id=f"{n:032x}", title=f"<b>member {n}", severity="high", status="active", reason="new")
        for n in range(30)
    )
    group = Group(id="g" * 32, key={"host": "db1"}, alerts=members, total=45)
    _, server = send(tmp_path, told(Reason.DIGEST, group=group))
    text, markup = parts(only(server))
    assert only(server)["Subject"].startswith("DIGEST: ")
    assert "<b>member 19 (active)" in text
    assert "&lt;b&gt;member 19 (active)" in markup
    assert "… and 25 more" in text
    assert "… and 25 more" in markup


def test_nothing_an_event_brings_is_a_header_or_markup_in_own_words(tmp_path: Path) -> None:
    template = {"title": "{{ alert.title }}", "body": "<p>{{ alert.title }}</p>"}
    items = [told(number=number, title=text, key={text: text}) for number, text in enumerate(HOSTILE, 1)]
    results, server = send(tmp_path, *items, template=template)
    for text, result, found in zip(HOSTILE, results, server.mails, strict=True):
        assert isinstance(result, Delivered), (text[:80], result)
        assert len(found["Subject"]) <= 220
    assert server.broken_rules == []


def test_own_words_are_html_in_one_part_and_plain_in_the_other(tmp_path: Path) -> None:
    template = {"title": "{{ alert.title | upper }}", "body": "<p><b>own</b><br>{{ alert.title }}</p>"}
    _, server = send(tmp_path, told(title="a < b & c"), template=template)
    text, markup = parts(only(server))
    assert only(server)["Subject"] == "A < B & C"
    assert "own\na < b & c" in text
    assert "<b>own</b><br>a &lt; b &amp; c" in markup


def test_a_template_that_fails_is_told_and_the_usual_words_stand_there(tmp_path: Path) -> None:
    _, server = send(tmp_path, template="{{ alert.metadata.absent }}")
    for part in parts(only(server)):
        assert "template failed" in part
        assert "20 failed logins" in part


def test_a_relay_that_stalls_or_is_gone_is_tried_again(tmp_path: Path) -> None:
    (result,), _ = send(tmp_path, server={"stall": 5.0}, timeout_ms=400)
    assert isinstance(result, Retry)

    async def scenario() -> None:
        async with Mail(tmp_path / "server") as server:
            sink, _ = make(server, tmp_path / "b")
        await sink.open()
        (result,) = await sink.deliver([told()])
        assert isinstance(result, Retry)
        assert "refused" in result.reason.lower()

    asyncio.run(scenario())


def test_a_relay_inside_is_not_called_unless_that_is_allowed(tmp_path: Path) -> None:
    (result,), server = send(tmp_path, allow_private=False)
    assert isinstance(result, Retry)
    assert "allow_private" in result.reason
    assert server.mails == []


def test_a_preview_shows_the_mail_and_no_secret(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Mail(tmp_path / "server") as server:
            sink, _ = make(server, tmp_path, to="env:LIST", **{"from": "Watch <watch@example.com>"})
            shown = sink.preview(told())  # type: ignore[attr-defined]
            assert shown["headers"]["From"] == "Watch <watch@example.com>"
            assert shown["headers"]["To"] == "env:LIST"
            assert "20 failed logins" in shown["text"]
            assert PASSWORD not in json.dumps(shown)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, "starttls")),
        ("smtps://mail.example.com", ("mail.example.com", 465, "tls")),
        ("smtp://localhost?tls=none", ("localhost", 25, "none")),
        ("smtp://[::1]:2525?tls=none", ("::1", 2525, "none")),
        ("smtp://u:p@mail.example.com?tls=none", "in the clear"),
        ("smtp://u@mail.example.com", "without a password"),
        ("https://mail.example.com", "smtp://"),
        ("smtp://mail.example.com:notaport", "not a URL"),
        ("smtp://mail.example.com?tls=maybe", "tls=none"),
    ],
)
def test_a_relays_address_is_read_or_its_problem_told(text: str, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected) as caught:
            parse_relay(text)
        assert "u:p" not in str(caught.value)
    else:
        relay = parse_relay(text)
        assert (relay.host, relay.port, relay.security) == expected


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"url": "smtp://u:p@host"}, "url"), ({"to": "nobody"}, "to"), ({"to": ["a@b", 7]}, "to"), ({"to": []}, "to"),
        ({"people": {"ada": "x\r\nBcc: y@z"}}, "people.ada"), ({"from": "a@b\r\nBcc: c@d"}, "from"), ({"nope": 1}, "nope"),
    ],
)  # fmt: skip
def test_a_wrong_block_is_told_by_its_path(block: dict[str, Any], path: str) -> None:
    with pytest.raises(SinkErrors) as caught:
        parse_sinks([{"name": "x", "type": "email", "url": "env:URL", "to": OPS} | block])
    assert f"sinks[0].{path}" in dict(caught.value.problems)
