"""E-mail over SMTP, to a list of addresses or to whoever is on call.

SMTP takes no idempotency key. Each recipient that a relay has accepted is remembered, so a mail is tried again only for
those that were put off; what a crash sends twice has the same ``Message-ID``.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from email.headerregistry import Address
from typing import Any

import aiosmtplib

from connectors.base import Delivered, Item, Result, Retry, SinkBroken
from connectors.clip import as_html, one_line
from connectors.context import SinkContext
from connectors.notifiers.mail import ADDRESS, domain_of, mail_of
from connectors.notifiers.notifier import Notifier, NotifierConfig, read_common
from connectors.notifiers.recipients import Ledger, Recipients, read_recipients, together
from connectors.notifiers.smtp import Relay, connected, failure, judged, parse_relay, tls_context
from connectors.remembered import Remembered
from connectors.settings import Block

_SENDER = "tocsin@localhost"
_RELAY = "say which relay sends it: smtps://user:password@mail.example.com, or smtp://mail.example.com with STARTTLS"


class EmailConfig(NotifierConfig, frozen=True, kw_only=True):
    """``url``: a reference to the relay's address. ``ca``: a file with further certificate authorities."""

    url: str
    recipients: Recipients
    sender: str = ""  #: an address, or ``Name <address>``; empty: the relay's user, where that is an address
    ca: str = ""


def read_config(block: Block) -> EmailConfig:
    url = block.secret("url")
    sender = block.text("from", "")
    if sender and _address(sender) is None:
        block.problem("from", "must be an address, or Name <address>")
    return EmailConfig(
        url=url,
        recipients=read_recipients(block, ADDRESS, "an e-mail address"),
        sender=sender,
        ca=block.text("ca", ""),
        **read_common(block),
    )


def _address(text: str) -> Address | None:
    """``ops@example.com`` or ``Ops <ops@example.com>``."""
    named = re.fullmatch(r"\s*([^<>\r\n]{0,100}?)\s*<([^<>\s]+)>\s*", text)
    name, address = (named[1].strip('"'), named[2]) if named else ("", text.strip())
    return Address(display_name=name, addr_spec=address) if ADDRESS.fullmatch(address) else None


class Email(Notifier[EmailConfig]):
    """One relay and one list of recipients. A connection is made for each mail and ended after it."""

    escape = staticmethod(as_html)

    def __init__(self, config: EmailConfig, context: SinkContext) -> None:
        super().__init__(config, context)
        self._remembered = Remembered(context)
        self._ledger = Ledger(self._remembered)
        self._relay: Relay | None = None
        self._tls: ssl.SSLContext | None = None
        self._to = () if config.recipients.reference else config.recipients.to
        self._sender = _address(config.sender) or Address(addr_spec=_SENDER)

    async def open(self) -> None:
        secrets, config = self._context.secrets, self._config
        try:
            self._relay = parse_relay(secrets.resolve(config.url))
        except ValueError as problem:
            raise SinkBroken(f"what {config.url} holds {problem}", _RELAY) from None
        except SinkBroken as error:
            raise SinkBroken(f"no mail without a relay: {error.message}", _RELAY) from None
        if self._relay.password:
            secrets.hide(self._relay.password)
        if not config.sender and (own := _address(self._relay.user)) is not None:
            self._sender = own
        self._to = config.recipients.resolved(secrets, ADDRESS, "e-mail addresses")
        self._tls = tls_context(config.ca)
        self._remembered.open()

    async def close(self) -> None:
        self._remembered.close()

    def preview(self, item: Item) -> dict[str, Any]:
        """The mail as it is read: headers, text and HTML. A list behind a reference is not resolved."""
        to = self._config.recipients.of(item, self._to)
        mail = self._mail(item, to)
        text, markup = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert markup is not None
        headers = {name: str(value) for name, value in mail.items() if not name.startswith(("MIME", "Content"))}
        if not to and self._config.recipients.reference:
            headers["To"] = self._config.recipients.reference
        return {"headers": headers, "text": text.get_content(), "html": markup.get_content()}

    async def _one(self, item: Item) -> Result:
        to = self._config.recipients.of(item, self._to)
        if not to:
            return self._config.recipients.nobody(item)
        results: dict[str, Result] = {}
        for address in to:
            if (reference := self._ledger.told(item, address)) is not None:
                results[address] = Delivered(reference)
        left = tuple(address for address in to if address not in results)
        if left:
            results |= await self._send(item, to, left)
        return together(results)

    async def _send(self, item: Item, to: tuple[str, ...], left: tuple[str, ...]) -> dict[str, Result]:
        if self._relay is None or self._tls is None:
            raise SinkBroken("the sink is not open")
        mail = self._mail(item, to)
        try:
            async with (
                asyncio.timeout(self._context.timeout_ms / 1000),
                connected(
                    self._relay, self._tls, self._context, self._config.allow_private,
                    domain_of(self._sender.addr_spec),
                ) as client,
            ):  # fmt: skip
                refused, said = await client.sendmail(self._sender.addr_spec, left, mail.as_bytes())
                reference = one_line(said, 120) or str(mail["Message-ID"])
                for address in left:  # at once: what follows may fail, and changes nothing for them
                    if address not in refused:
                        self._ledger.keep(item, address, reference)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return {one.recipient: judged(one.code, one.message) for one in error.recipients}
        except TimeoutError:
            return dict.fromkeys(left, Retry(f"the relay is not done within {self._context.timeout_ms} ms"))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return dict.fromkeys(left, failure(error))
        return {
            address: judged(refused[address].code, refused[address].message) if address in refused
            else Delivered(reference)
            for address in left
        }  # fmt: skip

    def _mail(self, item: Item, to: tuple[str, ...]) -> Any:
        message = self.message(item)
        return mail_of(item, message, self._wording.words(item, message), self._sender, to)
