"""Apprise: push services and everything else that has no connector of its own (ntfy, Pushover, Gotify, Matrix, …).

The service's address, in Apprise's form, is a secret: by reference only. Apprise says yes or no; why, it tells from
the answer's status where it spoke HTTP. It runs in a thread behind a fence (``fenced``).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from typing import Any

from connectors.answers import retry_after_ms
from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.clip import fit, size
from connectors.context import SinkContext
from connectors.message import Message
from connectors.notifiers.fenced import Fence, Threads, TooManyStuck, install
from connectors.notifiers.notifier import Notifier, NotifierConfig, read_common
from connectors.remembered import Remembered
from connectors.settings import Block
from streams.model import Severity

_TITLE, _BODY = 200, 3500  #: beyond, several services make a file of it
_FACTS = 30
_KINDS = {
    Severity.CRITICAL: "failure",
    Severity.HIGH: "failure",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
    Severity.INFO: "info",
}


class AppriseConfig(NotifierConfig, frozen=True, kw_only=True):
    """``url``: a reference to the service's address."""

    url: str


def read_config(block: Block) -> AppriseConfig:
    return AppriseConfig(url=block.secret("url"), **read_common(block))


class Apprise(Notifier[AppriseConfig]):
    """One service."""

    def __init__(self, config: AppriseConfig, context: SinkContext) -> None:
        super().__init__(config, context)
        self._remembered = Remembered(context)
        self._threads = Threads(f"apprise-{context.name}")
        self._url = ""
        self._limits = (_TITLE, _BODY)

    async def open(self) -> None:
        try:
            import apprise  # noqa: F401 - whether it is there
        except ImportError:
            raise SinkBroken("Apprise is not installed", "pip install 'tocsin[apprise]'") from None
        install()
        logging.getLogger("apprise").propagate = False  # it names addresses, and they are secrets
        self._url = self._context.secrets.resolve(self._config.url).strip()
        for part in re.split(r"[/@:?&=,]+", self._url.partition("://")[2]):
            if len(part) >= 8 and "." not in part:
                self._context.secrets.hide(part)
        service = self._service()
        self._limits = (min(_TITLE, service.title_maxlen), min(_BODY, service.body_maxlen))
        self._remembered.open()

    def _service(self) -> Any:
        """A new one a call: they are not made for several threads. Raises SinkBroken."""
        import apprise

        service = apprise.Apprise.instantiate(self._url)
        if service is None:
            raise SinkBroken(f"what {self._config.url} holds is no address that Apprise knows")
        service.socket_connect_timeout = service.socket_read_timeout = self._context.timeout_ms / 1000
        service.redirects = False
        service.request_rate_per_sec = 0  # the sink has a rate, and this one sleeps
        return service

    async def close(self) -> None:
        self._remembered.close()

    def preview(self, item: Item) -> dict[str, Any]:
        """Title, text and kind; where the service takes less, it is cut when it is sent."""
        message = self.message(item)
        title, body = self._text(item, message)
        kind = "success" if message.closed else _KINDS[message.severity]
        return {"title": title, "body": body, "notify_type": kind}

    async def _one(self, item: Item) -> Result:
        if (reference := self._remembered.sent(item.key)) is not None:
            return Delivered(reference)
        if not self._url:
            raise SinkBroken("the sink is not open")
        seconds = self._context.timeout_ms / 1000
        fence = Fence(self._config.allow_private, time.monotonic() + seconds)
        told = self.preview(item)

        def send() -> bool:
            return bool(self._service().notify(**told))

        def keep(sent: bool) -> None:
            if sent:  # also where nobody waits for it any more: it was sent
                self._remembered.keep(item.key, reference_of(fence))

        try:
            async with asyncio.timeout(seconds):
                sent = await self._threads.call(send, fence, keep)
        except TimeoutError:
            return Retry(f"no answer within {self._context.timeout_ms} ms")
        except TooManyStuck:
            return Retry("too many earlier calls have not come back")
        except SinkBroken:
            raise
        except Exception as error:  # any plugin's, of which there are more than a hundred
            return Retry(f"Apprise: {type(error).__name__}: {error}")
        return Delivered(reference_of(fence)) if sent else failed(fence)

    def _text(self, item: Item, message: Message) -> tuple[str, str]:
        words = self._wording.words(item, message)
        longest_title, longest = self._limits
        title = words.title if words.title is not None else f"{message.title} — {message.headline}"
        shown = words.title is None and longest_title > 0  # the headline, in the title
        body = words.body if words.body is not None else _built_in(message, message.details if shown else message.text)
        if words.failed:
            body = f"{words.failed}\n{body}"
        tail = f"\n{message.look}"
        if longest_title <= 0:
            title, body = "", f"{title}\n{body}"
        if _measure(tail) * 2 > longest:
            tail = ""
        return (
            fit(title, longest_title, measure=_measure) if title else "",
            fit(body, longest - _measure(tail), measure=_measure) + tail,
        )


def _built_in(message: Message, text: str) -> str:
    facts = "\n".join(f"{fact.name}: {fact.value}" for fact in message.facts[:_FACTS])
    more = f"\n… and {len(message.facts) - _FACTS} more" if len(message.facts) > _FACTS else ""
    return f"{text}\n\n{facts}{more}".lstrip("\n")


def _measure(text: str) -> int:
    """In bytes, and never less than half of what it is in JSON: services differ in what they count."""
    return max(size(text), len(json.dumps(text)) // 2)


def reference_of(fence: Fence) -> str:
    return f"HTTP {fence.status}" if fence.status else "sent"


def failed(fence: Fence) -> Result:
    """Why Apprise said no, as far as the last answer tells."""
    if fence.refused is not None:
        return Retry(str(fence.refused))
    status = fence.status
    told = f"Apprise: HTTP {status}" if status else "Apprise could not send it"
    if status in (429, 503) and (after := retry_after_ms(fence.retry_after, int(time.time()))) is not None:
        return Retry(told, after_ms=after, everyone=True)
    if status == 401:
        raise SinkBroken(told, "look at the secrets in the service's address")
    if 300 <= status < 500 and status not in (408, 425, 429):
        return Rejected(told)
    return Retry(told)
