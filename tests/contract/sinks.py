"""Blocks of the configuration for local servers, and texts that no sink may stumble over, for the contract tests."""

from __future__ import annotations

from typing import Any

from connectors.base import Sink
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

INJECTED = [
    "'; DROP TABLE alerts; --",
    'x"}]; {"$where": 1} \\',
    "line\r\nwebhook-id: forged\r\nBcc: evil@example.com\r\n\r\n",
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a> <https://evil.example|x> &lt;b&gt;",
    "[click](https://evil.example) ![i](https://evil.example/i) **b** @everyone @here <!channel> <@U1> https://evil.example",
    "%s %n {0} {actor} ${IFS} `id` {{ 7*7 }} {% for x in y %}",
]
UNPRINTABLE = ["\x1b[2J\x1b]0;owned\x07", "nul\0byte", "\u202eright to left\u2066", "\ufeff\u200b\u2028\x85\x0b"]
UNICODE = ["Größe 東京 Ωμέγα שלום e\u0301", "👩\u200d👩\u200d👧 🇩🇪 🔥", "\U0001f525\U0010ffff", "ﷺ" * 40]
HUGE = ["x" * 500_000, "🔥" * 1000, "&<\"'*_\\`[" * 20_000, "line\n" * 20_000]
HOSTILE = [*INJECTED, *UNPRINTABLE, *UNICODE, *HUGE]


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
