"""SMS and phone calls through Twilio's API (or one of its shape): one message, or one call, a recipient.

It takes no idempotency key: which number was told is remembered, and a crash between the answer and that note tells
one twice. An accepted message may still fail on its way to the handset; Twilio's answer does not know that yet.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.notifiers.notifier import NotifierConfig, Remembering, read_common
from connectors.notifiers.recipients import Ledger, Recipients, read_recipients, together
from connectors.notifiers.spoken import LONGEST_SMS, ONE_SMS, sms_text, twiml
from connectors.posting import Answer, read_base, unexpected
from connectors.settings import Block

API = "https://api.twilio.com"
NUMBER = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_A_NUMBER = "a number such as +15550100"
#: https://www.twilio.com/docs/api/errors. What is not here is judged by its HTTP status.
_BROKEN = frozenset({20003, 20005, 20006, 20404, 30002, 21606, 21603, 21212, 21210})  # log in, account, our own number
_LATER = frozenset({20429, 20500, 20503, 21611, 30001, 30008, 30022, 63018})  # too many, queue full, unknown error
_NEVER = frozenset(
    {21211, 21214, 21215, 21217, 21408, 21421, 21610, 21612, 21614, 21617, 21635, 30003, 30004, 30005, 30006, 30007}
)  # no such number, no permission for the region, unsubscribed, no mobile, too long, unreachable, blocked, filtered


class TwilioConfig(NotifierConfig, frozen=True, kw_only=True):
    """``account``: its SID. ``token``: a reference. ``longest``: of an SMS; 160 is what is sent as one."""

    account: str
    token: str
    sender: str
    recipients: Recipients
    api: str = API
    longest: int = LONGEST_SMS
    voice: str = ""
    language: str = "en-US"


def read_sms(block: Block) -> TwilioConfig:
    return _read(block, r"\+[1-9]\d{6,14}|\d{3,8}|MG[0-9a-fA-F]{32}|[A-Za-z0-9 ]{1,11}", phone=False)


def read_phone(block: Block) -> TwilioConfig:
    return _read(block, NUMBER.pattern, phone=True)


def _read(block: Block, sender: str, phone: bool) -> TwilioConfig:
    account, own = block.text("account"), block.text("from")
    if account and not re.fullmatch(r"AC[0-9a-fA-F]{32}", account):
        block.problem("account", "must be an account's SID: AC and 32 hexadecimal digits")
    if own and not re.fullmatch(sender, own, re.ASCII):
        block.problem("from", f"must be {_A_NUMBER}" + ("" if phone else ", or the SID of a messaging service"))
    longest, voice, language = LONGEST_SMS, "", "en-US"
    if phone:
        voice, language = block.text("voice", ""), block.text("language", "en-US")
        if not re.fullmatch(r"[A-Za-z0-9.-]{0,60}", voice) or not re.fullmatch(
            r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*", language
        ):
            block.problem("voice", "must be a voice such as Polly.Joanna, with a language such as en-US")
    else:
        longest = block.integer("longest", LONGEST_SMS, ONE_SMS, LONGEST_SMS)
    return TwilioConfig(
        account=account,
        token=block.secret("token"),
        sender=own,
        recipients=read_recipients(block, NUMBER, _A_NUMBER),
        api=read_base(block, "api", API),
        longest=longest,
        voice=voice,
        language=language,
        **read_common(block),
    )


class _Twilio(Remembering[TwilioConfig]):
    """What both do alike: log in, find the numbers, tell each once."""

    resource = ""

    def __init__(self, config: TwilioConfig, context: SinkContext) -> None:
        super().__init__(config, context)
        self._ledger = Ledger(self._remembered)
        self._to = () if config.recipients.reference else config.recipients.to
        self._headers: dict[str, str] = {}

    async def open(self) -> None:
        secrets = self._context.secrets
        token = secrets.resolve(self._config.token)
        login = base64.b64encode(f"{self._config.account}:{token}".encode()).decode()
        secrets.hide(login)
        self._headers = {"authorization": f"Basic {login}"}
        self._to = self._config.recipients.resolved(secrets, NUMBER, "numbers")
        await super().open()

    def preview(self, item: Item) -> dict[str, Any]:
        """The form as it is sent to the first, and to whom."""
        to = self._config.recipients.of(item, self._to)
        return {"To": list(to) or self._config.recipients.reference, **self._form(item)}

    async def _one(self, item: Item) -> Result:
        to = self._config.recipients.of(item, self._to)
        if not to:
            return self._config.recipients.nobody(item)
        results: dict[str, Result] = {}
        form = self._form(item)
        url = f"{self._config.api}/2010-04-01/Accounts/{self._config.account}/{self.resource}.json"
        for number in to:
            if (reference := self._ledger.told(item, number)) is not None:
                results[number] = Delivered(reference)
                continue
            answer = await self._poster.send_form(url, {"To": number, **form}, self._headers)
            result = answer if isinstance(answer, Retry) else said(answer)
            if isinstance(result, Delivered):
                self._ledger.keep(item, number, result.reference)
            results[number] = result
            if isinstance(result, Retry) and result.everyone:
                break  # the others are told when it may go on
        return together(results)

    def _form(self, item: Item) -> dict[str, str]:
        raise NotImplementedError


class Sms(_Twilio):
    """Text messages."""

    resource = "Messages"

    def _form(self, item: Item) -> dict[str, str]:
        message = self.message(item)
        body = sms_text(message, self._wording.words(item, message), self._config.longest)
        own = self._config.sender
        return {"MessagingServiceSid" if own.startswith("MG") and len(own) == 34 else "From": own, "Body": body}


class Phone(_Twilio):
    """Calls that say it twice."""

    resource = "Calls"

    def _form(self, item: Item) -> dict[str, str]:
        message = self.message(item)
        said_aloud = twiml(
            message, self._wording.words(item, message), item.alert.id, self._config.voice, self._config.language
        )
        return {"From": self._config.sender, "Twiml": said_aloud}


def said(answer: Answer) -> Result:
    """201 and the SID, unless an error's code stands in it. Raises SinkBroken: the account or our number is wrong."""
    document = answer.document
    failed = answer.status >= 400
    code = document.get("code" if failed else "error_code")
    number = code if isinstance(code, int) and not isinstance(code, bool) else 0
    why = str(document.get("message" if failed else "error_message") or answer.said)[:200]
    told = f"Twilio {number or answer.status}: {why}"
    if answer.status == 429 or number == 20429:
        return Retry(told, after_ms=answer.after_ms, everyone=True)
    if number in _BROKEN or answer.status == 401:
        raise SinkBroken(told, "look at the account, its token and the number it sends from")
    if number in _LATER:
        return Retry(told)
    if number in _NEVER:
        return Rejected(told)
    if answer.status == 201 and isinstance(sid := document.get("sid"), str) and sid:
        return Rejected(told) if number else Delivered(sid)
    found = unexpected(answer)
    return Rejected(told) if isinstance(found, Rejected) and number else found
