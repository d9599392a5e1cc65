"""Chat and paging against servers that hold to each vendor's rules, and misbehave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Delivered, Item, Origin, Rejected, Result, Retry, Sink
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import parse_sinks
from connectors.testing import drip, flood, half_close, hang, sample_notification
from streams.model import Reason, Resolution, Status
from streams.model.notification import Group, Member
from tests.contract.sinks import CHAT, HOSTILE, chat, secret_of
from tests.contract.vendors.server import Vendor, saying, saying_json
from tests.contract.vendors.slack import SlackWebhook

ALL: dict[str, tuple[str, type[Vendor]]] = {
    **{name: (name, vendor) for name, vendor in CHAT.items()},
    "slack-webhook": ("slack", SlackWebhook),
}
every = pytest.mark.parametrize("which", sorted(ALL))
variant = pytest.mark.parametrize("which", ["slack-webhook"])  # the others are held to it in test_connectors


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


@variant
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


@pytest.mark.parametrize("which", sorted(set(ALL) - {"teams", "apprise"}))  # these go by the status
@pytest.mark.parametrize("text", ["<html>Sign in to the proxy</html>", "{}", "[" * 50_000, "null"])
def test_a_200_that_is_not_the_vendors_is_no_delivery(which: str, text: str, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=saying(200, text))
    assert isinstance(result, Retry), result


@every
def test_an_answer_without_an_end_is_cut_off(which: str, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=flood, timeout_ms=4000)
    assert isinstance(result, (Delivered, Retry))


@variant
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


@variant
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
def test_hostile_text_through_a_users_template_breaks_no_rule(which: str, tmp_path: Path) -> None:
    template = {"title": "{{ alert.title }}", "body": "{{ alert.title }}\n{{ alert.description }}"}
    items = [told(number=number, title=text, description=text) for number, text in enumerate(HOSTILE, 1)]
    results, vendor = send(which, tmp_path, *items, template=template)
    for text, result in zip(HOSTILE, results, strict=True):
        assert isinstance(result, Delivered), (text[:80], result)
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
        assert "… [cut]" in shown or "4301" in shown or "... [cut]" in shown, which
