"""Webhook: an HTTP request with a Standard Webhooks signature (https://www.standardwebhooks.com).

The idempotency key travels as ``webhook-id`` and is the same over all retries and restarts: a receiver that keeps the
ids it has seen gets every notification once. Without that, a crash between send and commit may show one twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from typing import Any

import msgspec

from connectors.base import Item, Result, Retry, SinkBroken
from connectors.clip import as_json, clean
from connectors.context import SinkContext
from connectors.notifiers.notifier import NotifierConfig, Posting, read_common
from connectors.posting import read_url
from connectors.redact import is_reference
from connectors.settings import Block
from connectors.times import for_people, rfc3339
from streams.model import content_hash

_OURS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-length", "host"})
#: Not ``redriven``: no re-drive makes another body.
_TOLD = ("id", "receiver", "reason", "route", "why", "to", "escalation_level", "group")
_METHODS = ("POST", "PUT", "PATCH")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


class WebhookConfig(NotifierConfig, frozen=True, kw_only=True):
    """``url`` and the values of ``headers`` may be references; ``secrets`` always are, the newest first."""

    url: str
    secrets: tuple[str, ...] = ()
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    method: str = "POST"


def read_config(block: Block) -> WebhookConfig:
    url = block.text("url")
    if url and not is_reference(url) and read_url(url) is None:
        block.problem("url", "must be an http:// or https:// URL")
    headers = block.texts("headers")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            block.problem(f"headers.{name[:60]}", "is not a header that can be set here")
        elif not is_reference(value) and not _is_header_value(value):
            block.problem(f"headers.{name}", "must be one line of printable ASCII")
    common = read_common(block)
    if common["texts"].title:
        block.problem("template.title", "a webhook has no title: its template is the whole body, as JSON")
    method = block.choice("method", _METHODS, "POST")
    return WebhookConfig(url=url, secrets=block.secrets("secret"), headers=headers, method=method, **common)


def _is_header_value(value: str) -> bool:
    return bool(re.fullmatch(r"[\x20-\x7e\t]*", value))


def signing_key(secret: str) -> bytes:
    """The key of a Standard Webhooks secret: base64, with or without ``whsec_``. Raises SinkBroken."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < 16:
        raise SinkBroken("the webhook secret must be base64 of at least 16 bytes (24 to 64 are usual), after whsec_")
    return key


def signature(key: bytes, identity: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64>`` over ``{id}.{timestamp}.{body}``."""
    digest = hmac.new(key, b"%b.%d.%b" % (identity.encode(), timestamp, body), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def webhook_id(key: str) -> str:
    """The idempotency key as it can stand in a header (and, having no dot, before one in the signed content)."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", key) else content_hash("webhook-id", key)


def webhook_body(item: Item) -> dict[str, Any]:
    """``{type, timestamp, data, notification}``: the alert, and why one is told of it; equal over all attempts."""
    note = item.notification
    reason, at = (note.reason.value, note.at) if note else ("version", item.alert.updated_at)
    data = for_people(msgspec.to_builtins(item.alert))
    body: dict[str, Any] = {"type": f"alert.{reason}", "timestamp": rfc3339(at), "data": data}
    if note is not None:
        body["notification"] = {name: value for name in _TOLD if (value := getattr(note, name))}
    return body


class Webhook(Posting[WebhookConfig]):
    """Sends each notification. Follows no redirect: whoever wrote the URL did not choose that address."""

    escape = staticmethod(as_json)
    needs_tls = False

    def __init__(self, config: WebhookConfig, context: SinkContext) -> None:
        super().__init__(config, context)
        self._url = ""
        self._keys: list[bytes] = []
        self._headers: dict[str, str] = {}

    async def open(self) -> None:
        secrets = self._context.secrets
        text = self._config.url
        if is_reference(text):
            text = secrets.resolve(text).strip()
        url = read_url(text)
        if url is None:
            raise SinkBroken("the webhook's url must be an http:// or https:// URL")
        self._poster.hide(url)
        self._url = text
        self._keys = [signing_key(secrets.resolve(reference)) for reference in self._config.secrets]
        self._headers = {name: self._header(name, value) for name, value in self._config.headers.items()}
        await super().open()

    def _header(self, name: str, value: str) -> str:
        text = self._context.secrets.resolve(value) if is_reference(value) else value
        if not _is_header_value(text):
            raise SinkBroken(f"the value of header {name} must be one line of printable ASCII")
        return text

    def preview(self, item: Item) -> Any:
        """The body that would be sent."""
        return msgspec.json.decode(self._body(item))

    async def _one(self, item: Item) -> Result:
        body, identity = self._body(item), webhook_id(item.key)
        timestamp = time.time_ns() // 1_000_000_000
        headers = {
            **self._headers,
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(timestamp),
        }
        if self._keys:
            headers["webhook-signature"] = " ".join(signature(key, identity, timestamp, body) for key in self._keys)
        answer = await self._poster.send_bytes(self._url, body, headers, self._config.method)
        return answer if isinstance(answer, Retry) else answer.judged()

    def _body(self, item: Item) -> bytes:
        """The user's own JSON, or ours; ours too where the template makes none, with the reason in it."""
        words = self._wording.words(item, self.message(item)) if self._config.texts.body else None
        if words is None:
            return msgspec.json.encode(webhook_body(item))
        failed = words.failed
        if words.body is not None:
            try:
                msgspec.json.decode(words.body)
            except (ValueError, RecursionError) as error:
                failed = f"[the sink's template failed: it made no JSON: {clean(str(error), 200)}]"
            else:
                return words.body.encode("utf-8", "replace")
        return msgspec.json.encode(webhook_body(item) | {"template_failed": failed})
