"""Every connector, opened on something real, for the contract tests."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from connectors.base import Item, Kind, Sink
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import CONNECTORS, parse_sinks
from connectors.testing import SECRET, Receiver, notifier_item, storage_item
from tests.contract.stores import STORES
from tests.contract.vendors.alertmanager import Alertmanager
from tests.contract.vendors.discord import Discord
from tests.contract.vendors.mail import Mail
from tests.contract.vendors.ntfy import Ntfy
from tests.contract.vendors.pagerduty import PagerDuty
from tests.contract.vendors.server import Vendor
from tests.contract.vendors.slack import SlackBot
from tests.contract.vendors.teams import Teams
from tests.contract.vendors.telegram import Telegram
from tests.contract.vendors.twilio import ACCOUNT, OURS, THEIRS, TwilioPhone, TwilioSms

HOSTILE = [
    "'; DROP TABLE alerts; --",
    "line\r\nwebhook-id: forged\r\n\r\n",
    "\x1b[2J\x1b]0;owned\x07",
    "nul\0byte",
    "\u202eright to left\u2066",
    "🔥" * 1000,
    "x" * 500_000,
    "%s %n {0} {actor} ${IFS} `id`",
    "</script><script>alert(1)</script>",
]


def hook(url: str) -> dict[str, Any]:
    """A signed webhook to a local receiver."""
    return {"name": "w", "type": "webhook", "url": url, "secret": "env:HOOK", "allow_private": True}


#: The vendors' servers, by the type of the sink. The Slack of the contract is its bot.
CHAT: dict[str, type[Vendor]] = {
    "slack": SlackBot, "pagerduty": PagerDuty, "teams": Teams, "discord": Discord, "telegram": Telegram,
    "alertmanager": Alertmanager, "apprise": Ntfy, "sms": TwilioSms, "phone": TwilioPhone,
}  # fmt: skip


def chat(vendor: Vendor, type_: str) -> dict[str, Any]:
    """The sink's block for a local vendor; its secret is in the variable SECRET."""
    base: dict[str, Any] = {"name": type_, "type": type_, "allow_private": True}
    if isinstance(vendor, SlackBot):
        return base | {"token": "env:SECRET", "channel": "#alerts", "api": vendor.url}
    if isinstance(vendor, PagerDuty):
        return base | {"key": "env:SECRET", "url": f"{vendor.url}/v2/enqueue"}
    if isinstance(vendor, Telegram):
        return base | {"token": "env:SECRET", "chat": "-1001", "api": vendor.url}
    if isinstance(vendor, Alertmanager):
        return base | {"url": vendor.url, "token": "env:SECRET"}
    if isinstance(vendor, (TwilioSms, TwilioPhone)):
        account = {"account": ACCOUNT, "token": "env:SECRET", "from": OURS}
        return base | account | {"to": THEIRS, "api": vendor.url}
    return base | {"url": "env:SECRET"}


def mail(server: Mail, **more: Any) -> dict[str, Any]:
    """The sink's block for a local mail server; its relay is in the variable SMTP_URL."""
    base = {"name": "email", "type": "email", "url": "env:SMTP_URL", "ca": str(server.ca), "allow_private": True}
    return base | {"to": "ops@example.com"} | more


def secret_of(vendor: Vendor) -> str:
    """A token, a key, or an address with its secret path."""
    return vendor.url + vendor.secret if vendor.secret.startswith("/") else vendor.secret


class Place:
    """Where a connector under test delivers to, and how to see what arrived (keys, each as often as it is visible)."""

    sink: Sink
    arrived: Callable[[], list[str]]


@asynccontextmanager
async def place(type_: str, tmp_path: Path, **more: Any) -> AsyncIterator[Place]:
    found = Place()
    timeout = more.pop("timeout_ms", 2000)
    context = SinkContext(type_, tmp_path, Secrets({"HOOK": SECRET}), timeout)
    if type_ == "webhook":
        async with Receiver() as receiver:
            (config,) = parse_sinks([hook(receiver.url) | more])
            found.sink, found.arrived = config.make(context), lambda: list(receiver.accepted)
            await found.sink.open()
            yield found
            await found.sink.close()
            assert receiver.broken_rules == []
    elif type_ in STORES:
        async with STORES[type_](tmp_path, **more) as store:
            found.sink, found.arrived = store.sink, store.arrived
            yield found
    elif type_ in CHAT:
        async with CHAT[type_]() as vendor:
            (config,) = parse_sinks([chat(vendor, type_) | more])
            secrets = Secrets({"SECRET": secret_of(vendor)})
            found.sink = config.make(SinkContext(type_, tmp_path, secrets, timeout))
            found.arrived = vendor.arrived
            await found.sink.open()
            yield found
            await found.sink.close()
            assert vendor.broken_rules == []
    elif type_ == "email":
        async with Mail(tmp_path / "mail") as server:
            (config,) = parse_sinks([mail(server, **more)])
            found.sink = config.make(SinkContext(type_, tmp_path, Secrets({"SMTP_URL": server.url}), timeout))
            found.arrived = server.arrived
            await found.sink.open()
            yield found
            await found.sink.close()
            assert server.broken_rules == []
    elif type_ == "sqlite":
        (config,) = parse_sinks([{"name": "s", "type": "sqlite", "path": "a.db"} | more])

        def rows() -> list[str]:
            with sqlite3.connect(tmp_path / "a.db") as db:
                return [f"{a}:{v}" for a, v in db.execute("SELECT id, version FROM alert_versions")]

        found.sink, found.arrived = config.make(context), rows
        await found.sink.open()
        yield found
        await found.sink.close()
    else:
        with (tmp_path / "console").open("w+b", buffering=0) as file:
            (config,) = parse_sinks([{"name": "c", "type": "console", "descriptor": file.fileno()} | more])

            def shown() -> list[str]:
                text = (tmp_path / "console").read_text("utf-8")
                return list(dict.fromkeys(f"n{int(id_, 16)}-1" for id_ in _ids(text)))

            found.sink, found.arrived = config.make(context), shown
            await found.sink.open()
            yield found
            await found.sink.close()


def _ids(text: str) -> list[str]:
    return [line.rsplit(" ", 1)[1] for line in text.splitlines() if "tocsin alerts show" in line]


def item_for(type_: str, number: int = 1, **changes: Any) -> Item:
    make = storage_item if CONNECTORS[type_].kind is Kind.STORAGE else notifier_item
    return make(number, **changes)


async def open_once(sink: Sink) -> None:
    try:
        await sink.open()
    finally:
        await sink.close()


#: What a sink of each type cannot do without.
NEEDED: dict[str, dict[str, Any]] = {
    "webhook": {"url": "https://example.com/"},
    "slack": {"url": "env:URL"},
    "pagerduty": {"key": "env:KEY"},
    "teams": {"url": "env:URL"},
    "discord": {"url": "env:URL"},
    "telegram": {"token": "env:TOKEN", "chat": "-1001"},
    "email": {"url": "env:URL", "to": "ops@example.com"},
    "apprise": {"url": "env:URL"},
    "alertmanager": {"url": "https://alerts.example.com"},
    "sms": {"account": ACCOUNT, "token": "env:TOKEN", "from": OURS, "to": THEIRS},
    "phone": {"account": ACCOUNT, "token": "env:TOKEN", "from": OURS, "to": THEIRS},
    "postgres": {"url": "env:URL"},
    "redis": {"url": "env:URL"},
}
