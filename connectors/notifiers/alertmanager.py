"""Alertmanager, API v2: each open alert is sent again before it would be forgotten, and ended by its ``endsAt``.

An Alertmanager keeps alerts in memory and lets go of those that nobody sends again. So whatever is open here is sent
every ``resend`` with an end ``hold`` from then, and what was closed is sent for a while too, with the end it had: an
Alertmanager that was away, restarted, or one of several, learns it then. The alert's labels are its identity, so
sending twice is sending once.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.notifiers.labelled import alert_of
from connectors.notifiers.notifier import NotifierConfig, Posting, read_common
from connectors.notifiers.standing import Standing, Stands
from connectors.posting import Answer, read_base, unexpected
from connectors.settings import Block
from connectors.times import rfc3339

_AT_ONCE = 200  #: alerts in one POST
_CLOSED_FOR_MS = 15 * 60_000  #: what is over is told so long, as Prometheus does
_LONGEST_MS = 30 * 86_400_000  #: an alert that nobody was told of for so long is let go
_PATH = "/api/v2/alerts"


class AlertmanagerConfig(NotifierConfig, frozen=True, kw_only=True):
    """``urls``: all members of a cluster: they do not tell each other of alerts. ``token``: a reference, for Bearer."""

    urls: tuple[str, ...]
    token: str = ""
    resend_ms: int = 60_000
    hold_ms: int = 6 * 3_600_000


def read_config(block: Block) -> AlertmanagerConfig:
    one, more = read_base(block, "url", ""), block.words("urls")
    urls = tuple(read_base(Block(f"{block.path}.urls[{n}]", {"url": url}, block.problems), "url", "")
                 for n, url in enumerate(more))  # fmt: skip
    if bool(one) == bool(urls):
        block.problem("url", "is missing: give url, or urls of all members of a cluster, and not both")
    resend = block.duration("resend", 60_000, 100, 3_600_000)
    hold = block.duration("hold", 6 * 3_600_000, 1_000, 7 * 86_400_000)
    if hold < 3 * resend:
        block.problem("hold", "must be at least three times resend: or one lost round ends alerts that are open")
    return AlertmanagerConfig(
        urls=urls or (one,),
        token=block.secret("token", ""),
        resend_ms=resend,
        hold_ms=hold,
        **read_common(block),
    )


class Alertmanager(Posting[AlertmanagerConfig]):
    """One Alertmanager, or all of a cluster."""

    def __init__(self, config: AlertmanagerConfig, context: SinkContext) -> None:
        super().__init__(config, context)
        self._standing = Standing(context)
        self._headers: dict[str, str] = {}
        self._rounds: asyncio.Task[None] | None = None
        self._sent: dict[str, int] = {}  #: subject -> when it was last sent
        self._owned: set[tuple[str, int]] = set()

    async def open(self) -> None:
        if self._config.token:
            self._headers = {"authorization": f"Bearer {self._context.secrets.resolve(self._config.token)}"}
        self._standing.open()
        await super().open()
        self._rounds = asyncio.create_task(self._go_on_telling())

    async def close(self) -> None:
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.wait({self._rounds}, timeout=1)
        self._standing.close()
        await super().close()

    def preview(self, item: Item) -> list[dict[str, Any]]:
        """The body of the POST."""
        message = self.message(item)
        alert = alert_of(item, message, self._wording.words(item, message), _now())
        return [self._ending(alert, _ended(item, alert, message.closed), _now())]

    async def _one(self, item: Item) -> Result:
        now = _now()
        message = self.message(item)
        alert = alert_of(item, message, self._wording.words(item, message), now)
        stands = Stands(item.origin.topic, item.origin.partition, alert, now, _ended(item, alert, message.closed))
        body = [self._ending(alert, stands.ended_at, now)]
        earlier = self._standing.get(message.subject)
        if earlier is not None and earlier.alert["labels"] != alert["labels"]:
            body.append(self._ending(earlier.alert, now, now))  # under its old labels it is another alert there
        results = await self._post(body)
        result = next((one for one in results if isinstance(one, Delivered)), None)
        if result is not None:
            self._standing.put(message.subject, stands)
            self._sent[message.subject] = now
            self._owned.add((stands.topic, stands.partition))
            return result
        return next((one for one in results if isinstance(one, Retry)), results[0])

    async def _go_on_telling(self) -> None:
        """What stands from before a restart at once: it may have been away as long as we were."""
        while True:
            now = _now()
            self._clear(now)
            due = [
                (subject, one) for subject, one in self._standing.items()
                if now - self._sent.get(subject, 0) >= self._config.resend_ms and self._ours(one)
            ]  # fmt: skip
            for start in range(0, len(due), _AT_ONCE):
                await self._tell_again(due[start : start + _AT_ONCE])
            await asyncio.sleep(min(1.0, self._config.resend_ms / 2000))

    async def _tell_again(self, part: list[tuple[str, Stands]]) -> None:
        """Once more for those that changed while it was under way: the last that is told of them must be the newest."""
        while part:
            now = _now()
            self._sent |= dict.fromkeys((subject for subject, _ in part), now)
            try:
                await self._post([self._ending(one.alert, one.ended_at, now) for _, one in part])
            except SinkBroken:
                return  # the next delivery fails by it too, and says so
            part = [
                (subject, changed) for subject, one in part
                if (changed := self._standing.get(subject)) is not None and changed is not one
            ]  # fmt: skip

    def _ours(self, one: Stands) -> bool:
        owns = self._context.owns(one.topic, one.partition)
        if owns:
            self._owned.add((one.topic, one.partition))
        return owns

    def _clear(self, now: int) -> None:
        """Let go of what is over and told, of what nobody speaks of, and of what is another worker's now."""
        for subject, one in self._standing.items():
            moved = (one.topic, one.partition) in self._owned and not self._context.owns(one.topic, one.partition)
            over = one.ended_at is not None and now - one.told_at > _CLOSED_FOR_MS
            if moved or over or now - one.told_at > _LONGEST_MS:
                self._standing.drop(subject)
                self._sent.pop(subject, None)
        self._owned = {name for name in self._owned if self._context.owns(*name)}

    def _ending(self, alert: dict[str, Any], ended_at: int | None, now: int) -> dict[str, Any]:
        return {**alert, "endsAt": rfc3339(now + self._config.hold_ms if ended_at is None else ended_at)}

    async def _post(self, body: list[dict[str, Any]]) -> list[Result]:
        """What each answered that did so within a second of the first that took it; the others hear it next round."""
        calls = [asyncio.create_task(self._send(url, body)) for url in self._config.urls]
        try:
            for answered in asyncio.as_completed(calls):
                if isinstance(await answered, Delivered):
                    await asyncio.wait(calls, timeout=1.0)
                    break
            answers = [call.result() for call in calls if call.done()]
            results = [one for one in answers if not isinstance(one, SinkBroken)]
            broken = next((one for one in answers if isinstance(one, SinkBroken)), None)
            if broken is not None and not any(isinstance(one, Delivered) for one in results):
                raise broken
            return results
        finally:
            for call in calls:
                call.cancel()

    async def _send(self, url: str, body: list[dict[str, Any]]) -> Result | SinkBroken:
        """One member that lets us in no more is no reason not to tell the others."""
        try:
            answer = await self._poster.send(f"{url}{_PATH}", body, self._headers)
            return answer if isinstance(answer, Retry) else said(answer)
        except SinkBroken as broken:
            return broken


def _now() -> int:
    return time.time_ns() // 1_000_000


def _ended(item: Item, alert: dict[str, Any], closed: bool) -> int | None:
    """When it was over: not in the future, where it would still be open, and not before it began."""
    if not closed:
        return None
    now, at = _now(), item.alert.resolved_at
    ended = now if at is None or not 0 < at < now else at
    return ended if str(rfc3339(ended)) >= alert["startsAt"] else now


def said(answer: Answer) -> Result:
    """200 with nothing in it; anything else there is somebody else's page."""
    if answer.status == 200 and answer.body.strip() in (b"", b'{"status":"success"}'):
        return Delivered("HTTP 200")
    if answer.status == 401:
        raise SinkBroken(f"HTTP 401: {answer.said}", "look at the token")
    if answer.status == 429:
        return Retry(f"HTTP 429: {answer.said}", after_ms=answer.after_ms, everyone=True)
    found = unexpected(answer)
    return Rejected(f"Alertmanager: {found.reason}") if isinstance(found, Rejected) else found
