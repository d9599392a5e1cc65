"""What notifiers do alike: what each can be told, its words, its connection, and that nothing is sent twice.

A connector adds what is its vendor's own: the secrets it opens with, the body, and what an answer means. It takes as
much of this as fits: ``Notifier`` words and delivers, ``Posting`` speaks HTTP, ``Remembering`` sends once,
``Threaded`` keeps one message per alert up to date and answers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypedDict, TypeVar

import msgspec

from connectors.base import Delivered, Item, Rejected, Result, SinkBroken
from connectors.context import SinkContext
from connectors.message import Message, message_of
from connectors.posting import Poster
from connectors.remembered import Earlier, Remembered
from connectors.settings import Block
from connectors.wording import Texts, Wording, read_texts


class NotifierConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``label`` stands before "Alert" in titles; ``texts`` are the user's own words."""

    label: str = ""
    texts: Texts = Texts()
    allow_private: bool = False


class Common(TypedDict):
    """The fields of ``NotifierConfig``."""

    label: str
    texts: Texts
    allow_private: bool


def read_common(block: Block) -> Common:
    """What every notifier can be told."""
    return Common(
        label=block.text("label", ""), texts=read_texts(block), allow_private=block.flag("allow_private", False)
    )


C = TypeVar("C", bound=NotifierConfig)


class Notifier(Generic[C]):
    """Words each item, and delivers one after the other."""

    @staticmethod
    def escape(text: str) -> str:
        """For what templates print: in the vendor's markup, nothing that an event brought begins anything."""
        return text

    def __init__(self, config: C, context: SinkContext) -> None:
        self._config, self._context = config, replace(context, secrets=context.secrets.for_one())
        self._wording = Wording(config.texts, self.escape)

    def message(self, item: Item) -> Message:
        return message_of(item, self._config.label)

    def preview(self, item: Item) -> Any:
        """What would be sent for a first message; needs no ``open``."""
        raise NotImplementedError

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        """Raises SinkBroken where one is refused and a secret has been replaced since ``open``: that may be why."""
        results = [await self._one(item) for item in batch]
        if any(isinstance(one, Rejected) for one in results) and self._context.secrets.replaced():
            raise SinkBroken("refused, and its secret has been replaced meanwhile: it is opened anew with that")
        return results

    async def _one(self, item: Item) -> Result:
        raise NotImplementedError


class Posting(Notifier[C]):
    """Speaks HTTP."""

    needs_tls = True  #: a public receiver is called by https alone

    def __init__(self, config: C, context: SinkContext) -> None:
        super().__init__(config, context)
        self._poster = Poster(self._context, config.allow_private, self.needs_tls)

    async def open(self) -> None:
        await self._poster.open()

    async def close(self) -> None:
        await self._poster.close()


class Remembering(Posting[C]):
    """Sends each notification once, for vendors that take no idempotency key."""

    def __init__(self, config: C, context: SinkContext) -> None:
        super().__init__(config, context)
        self._remembered = Remembered(context)

    async def open(self) -> None:
        self._remembered.open()
        await super().open()

    async def close(self) -> None:
        self._remembered.close()
        await super().close()

    async def _one(self, item: Item) -> Result:
        if (reference := self._remembered.sent(item.key)) is not None:
            return Delivered(reference)
        result = await self._send(item)
        if isinstance(result, Delivered):
            self._remembered.keep(item.key, result.reference)
        return result

    async def _send(self, item: Item) -> Result:
        raise NotImplementedError


class Threaded(Remembering[C]):
    """One message per alert (or group): the first is kept up to date, each later one answers it.

    The update comes first: it may be repeated. Where the message is gone, a new one begins.
    """

    async def _one(self, item: Item) -> Result:
        if (reference := self._remembered.sent(item.key)) is not None:
            return Delivered(reference)
        message = self.message(item)
        earlier = self._remembered.earlier(message.subject)
        if earlier is not None:
            updated = await self._update(item, message, earlier)
            if updated is None:
                self._remembered.forget(message.subject)
                earlier = None
            elif not isinstance(updated, Earlier):
                return updated
        posted = await self._post(item, message, earlier)
        if not isinstance(posted, Earlier):
            return posted
        reference = self._reference(posted)
        self._remembered.keep(item.key, reference, message.subject, earlier or posted)
        return Delivered(reference)

    async def _update(self, item: Item, message: Message, earlier: Earlier) -> Earlier | Result | None:
        """Bring the message that stands there up to date; None: it is there no more."""
        raise NotImplementedError

    async def _post(self, item: Item, message: Message, earlier: Earlier | None) -> Earlier | Result:
        """A first message, or an answer to ``earlier``."""
        raise NotImplementedError

    def _reference(self, posted: Earlier) -> str:
        return f"{posted.place}/{posted.reference}"
