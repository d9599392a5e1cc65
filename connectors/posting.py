"""One HTTP call to a vendor, guarded: no inside addresses, no redirects, bounded answers, secrets kept out of sight."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from connectors.answers import cause, classify, is_literal, read_bounded, retry_after_ms
from connectors.base import Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.settings import Block
from connectors.ssrf import Forbidden, guarded_connector, is_public

_SHORTEST_TOKEN = 12  # shorter parts of a path are words, and would hide half of a message


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, the first 64 KiB of it. ``at``: seconds since the epoch."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    at: int = 0

    @property
    def said(self) -> str:
        """The beginning, for an error."""
        return self.body[:200].decode("utf-8", "replace").strip()

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object it is; empty where it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def after_ms(self) -> int | None:
        """Its Retry-After."""
        return retry_after_ms(self.headers.get("Retry-After"), self.at)

    def judged(self) -> Result:
        """What the status alone means."""
        location = self.headers.get("Location")
        return classify(self.status, self.headers.get("Retry-After"), location, self.said, self.at)


def seconds_ms(value: object) -> int | None:
    """A wait that stands in JSON, in seconds, as Discord and Telegram write it; at most a day."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        return None
    return min(86_400_000, round(value * 1000))


def unexpected(answer: Answer) -> Result:
    """A success in which the vendor did not say what it says on success: something stands between us and it."""
    found = answer.judged()
    if isinstance(found, (Retry, Rejected)):
        return found
    return Retry(f"HTTP {answer.status} with an answer that is not the vendor's: {answer.said}")


def read_base(block: Block, name: str, default: str) -> str:
    """The address of a vendor's API, where it is not the usual one."""
    text = block.text(name, default)
    if text and read_url(text) is None:
        block.problem(name, "must be an http:// or https:// URL")
    return text.rstrip("/")


def read_url(text: str) -> URL | None:
    """An http or https address with a host; None for anything else."""
    try:
        url = URL(text)
        return url if url.scheme in ("http", "https") and url.host and url.port else None
    except ValueError:
        return None


class Poster:
    """POSTs JSON, or a form. ``open`` before ``send``; ``close`` may come without either.

    ``needs_tls``: a public receiver is called by https alone.
    """

    def __init__(self, context: SinkContext, allow_private: bool, needs_tls: bool = True) -> None:
        self._context, self._allow_private, self._needs_tls = context, allow_private, needs_tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(self._allow_private, self._context.resolver),
            timeout=aiohttp.ClientTimeout(total=self._context.timeout_ms / 1000),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "tocsin", "content-type": "application/json; charset=utf-8"},
            auto_decompress=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def secret_url(self, reference: str) -> str:
        """The URL behind a reference; its path is a secret too. Raises SinkBroken, URL unseen."""
        text = self._context.secrets.resolve(reference).strip()
        url = read_url(text)
        if url is None:
            raise SinkBroken(f"what {reference} holds must be an http:// or https:// URL")
        self.hide(url)
        return text

    def hide(self, url: URL) -> None:
        """Keep a password out of every redacted text, and the path: many receivers keep their token there.

        Also each part of it that is long enough for a token, as a receiver may quote that alone.
        """
        parts = [*url.parts, *url.query.values()]
        hidden = [url.password or "", url.raw_path_qs.strip("/") and url.raw_path_qs]
        for text in (*hidden, *(part for part in parts if len(part) >= _SHORTEST_TOKEN)):
            self._context.secrets.hide(text)

    async def send(
        self, url: str, body: Mapping[str, Any] | Sequence[Any], headers: Mapping[str, str] | None = None
    ) -> Answer | Retry:
        """What the vendor answered, whatever it was; Retry where there was no answer."""
        return await self.send_bytes(url, encoded(body), headers)

    async def send_form(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Answer | Retry:
        """As ``send``, with ``fields`` as a browser's form."""
        data = urlencode(fields, errors="replace").encode("ascii")
        return await self.send_bytes(url, data, {**headers, "content-type": "application/x-www-form-urlencoded"})

    async def send_bytes(
        self, url: str, data: bytes, headers: Mapping[str, str] | None, method: str = "POST"
    ) -> Answer | Retry:
        """As ``send``, with a body that is made already."""
        if self._session is None:
            raise SinkBroken("the sink is not open")
        target = URL(url)
        host = target.host or ""
        if self._needs_tls and target.scheme != "https" and not self._allow_private:
            raise SinkBroken(f"{host} is not called without TLS; use https://")
        if not self._allow_private and is_literal(host) and not is_public(host):
            return Retry(str(Forbidden(host, host)))
        try:
            async with self._session.request(
                method, target, data=data, headers=headers, allow_redirects=False
            ) as answer:
                read = await read_bounded(answer)
        except TimeoutError:
            return Retry(f"no answer within {self._context.timeout_ms} ms")
        except (aiohttp.ClientError, OSError) as error:
            return Retry(cause(error))
        return Answer(answer.status, read, answer.headers, int(time.time()))


def encoded(body: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """JSON as it is sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
