"""Webhook: an HTTP POST with a Standard Webhooks signature (https://www.standardwebhooks.com).

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
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from connectors.answers import cause, is_literal, read_bounded, retry_after_ms
from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.redact import is_reference
from connectors.settings import Block
from connectors.ssrf import Forbidden, guarded_connector, is_public
from connectors.times import for_people, rfc3339
from streams.model import content_hash

_OURS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-length", "host"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``url`` and the values of ``headers`` may be references; ``secrets`` always are, the newest first."""

    url: str
    secrets: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    allow_private: bool = False


def read_config(block: Block) -> WebhookConfig:
    url = block.text("url")
    if url and not is_reference(url):
        _check_url(url, lambda problem: block.problem("url", problem))
    headers = block.texts("headers")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            block.problem(f"headers.{name[:60]}", "is not a header that can be set here")
        elif not is_reference(value) and not _is_header_value(value):
            block.problem(f"headers.{name}", "must be one line of printable ASCII")
    return WebhookConfig(
        url=url, secrets=block.secrets("secret"), headers=headers, allow_private=block.flag("allow_private", False)
    )


def _check_url(text: str, problem: Callable[[str], None]) -> URL | None:
    try:
        url = URL(text)
        if url.scheme in ("http", "https") and url.host and url.port:
            return url
    except ValueError:
        pass
    problem("must be an http:// or https:// URL")
    return None


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


def webhook_body(item: Item) -> bytes:
    """``{type, timestamp, data}``; equal over all attempts."""
    note = item.notification
    reason, at = (note.reason.value, note.at) if note else ("version", item.alert.updated_at)
    data = for_people(msgspec.to_builtins(item.alert))
    return msgspec.json.encode({"type": f"alert.{reason}", "timestamp": rfc3339(at), "data": data})


class Webhook:
    """POSTs each notification. Follows no redirect: whoever wrote the URL did not choose that address."""

    def __init__(self, config: WebhookConfig, context: SinkContext) -> None:
        self._config, self._context = config, context
        self._session: aiohttp.ClientSession | None = None
        self._url = URL()
        self._keys: list[bytes] = []
        self._headers: dict[str, str] = {}

    async def open(self) -> None:
        secrets = self._context.secrets
        text = self._config.url
        if is_reference(text):
            text = secrets.resolve(text)

        def refuse(problem: str) -> None:
            raise SinkBroken(f"the webhook's url {problem}")

        url = _check_url(text, refuse)
        assert url is not None
        if url.password:
            secrets.hide(url.password)
        if url.path_qs.strip("/"):
            secrets.hide(url.raw_path_qs)  # many receivers keep their token there
        self._url = url
        self._keys = [signing_key(secrets.resolve(reference)) for reference in self._config.secrets]
        self._headers = {"user-agent": "tocsin", **self._resolved_headers()}
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(self._config.allow_private, self._context.resolver),
            timeout=aiohttp.ClientTimeout(total=self._context.timeout_ms / 1000),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the answer is only quoted from; nobody gets to make us unpack it
        )

    def _resolved_headers(self) -> dict[str, str]:
        headers = {}
        for name, value in self._config.headers.items():
            text = self._context.secrets.resolve(value) if is_reference(value) else value
            if not _is_header_value(text):
                raise SinkBroken(f"the value of header {name} must be one line of printable ASCII")
            headers[name] = text
        return headers

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def preview(self, item: Item) -> Any:
        """The body that would be sent."""
        return msgspec.json.decode(webhook_body(item))

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        return [await self._send(item) for item in batch]

    async def _send(self, item: Item) -> Result:
        if self._session is None:
            raise SinkBroken("the webhook is not open")
        host = self._url.host or ""
        if not self._config.allow_private and is_literal(host) and not is_public(host):
            return Retry(str(Forbidden(host, host)))
        body, identity = webhook_body(item), webhook_id(item.key)
        timestamp = time.time_ns() // 1_000_000_000
        headers = {
            **self._headers,
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(timestamp),
        }
        if self._keys:
            headers["webhook-signature"] = " ".join(signature(key, identity, timestamp, body) for key in self._keys)
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                said = (await read_bounded(answer))[:200].decode("utf-8", "replace").strip()
        except TimeoutError:
            return Retry(f"no answer within {self._context.timeout_ms} ms")
        except (aiohttp.ClientError, OSError) as error:
            return Retry(cause(error))
        return classify(
            answer.status, answer.headers.get("Retry-After"), answer.headers.get("Location"), said, timestamp
        )


def classify(status: int, retry_after: str | None, location: str | None, said: str, now: int) -> Result:
    """What an answer means. ``now`` is in seconds, for a Retry-After that is a date."""
    if 200 <= status < 300:
        return Delivered(f"HTTP {status}")
    quoted = f": {said}" if said else ""
    if 300 <= status < 400:
        to = URL(location).host if location else None
        return Rejected(f"HTTP {status}: redirects are not followed" + (f" (to {to})" if to else ""))
    if status in (429, 503) and (after := retry_after_ms(retry_after, now)) is not None:
        return Retry(f"HTTP {status}{quoted}", after_ms=after, everyone=True)
    if status in (408, 425, 429) or status >= 500:
        return Retry(f"HTTP {status}{quoted}")
    return Rejected(f"HTTP {status}{quoted}")
