"""A notification in the few words of an SMS, and as it is spoken on the phone."""

from __future__ import annotations

import math
import re

from connectors.clip import CUT, as_html, clean, fit, length
from connectors.message import Message
from connectors.wording import Words

ONE_SMS, LONGEST_SMS = 160, 1600
_ONE_SMS_OF_UCS2 = 70
_TWIML = 4000
_MEMBERS = 3
#: GSM 03.38: what counts once, and (after an escape) twice. Anything else makes a message UCS-2.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWICE = frozenset("\f^{}\\[~]|€")
_PLAIN = str.maketrans({"—": "-", "–": "-", "•": "*", "·": "-", "…": "...", "\t": " ", "’": "'", "“": '"', "”": '"'})


def in_gsm(text: str) -> str:
    """Typographic signs as GSM has them: for one of them a phone would get 70 characters instead of 160."""
    return text.translate(_PLAIN)


def septets(text: str) -> int:
    """The part of one SMS that ``text`` fills, in 160ths: of GSM's alphabet each sign, else 70 UTF-16 units in all."""
    if all(ch in _BASIC or ch in _TWICE for ch in text):
        return len(text) + sum(ch in _TWICE for ch in text)
    return math.ceil(length(text) * ONE_SMS / _ONE_SMS_OF_UCS2)


def sms_text(message: Message, words: Words, longest: int) -> str:
    """At most ``longest``: 160 is measured as one SMS, more in characters as Twilio counts them.

    The command that shows more stands at the end whatever is cut, where there is room for it.
    """
    measure = septets if longest <= ONE_SMS else length
    title = words.title if words.title is not None else message.title
    body = words.body if words.body is not None else message.text
    failed = f"{words.failed}\n" if words.failed else ""
    whole = in_gsm(f"{failed}{title}\n{body}" if body else f"{failed}{title}")
    tail = in_gsm("\n" + message.look)
    if measure(whole + tail) <= longest:
        return whole + tail
    if measure(tail) * 2 > longest:
        tail = ""
    low, high = 0, min(len(whole), longest)
    while low < high:  # measured with its end: a single sign there may change what all the others cost
        middle = (low + high + 1) // 2
        if measure(whole[:middle] + in_gsm(CUT) + tail) <= longest:
            low = middle
        else:
            high = middle - 1
    return whole[:low] + in_gsm(CUT) + tail


def twiml(message: Message, words: Words, alert: str, voice: str, language: str) -> str:
    """``<Say>`` it, wait, and say it again: whoever picks up hears the beginning badly. At most 4000 characters."""
    title = words.title if words.title is not None else message.title
    told = [words.failed, title]
    if words.body is not None:
        told.append(words.body)
    else:
        told += [message.headline, message.sentence, *(one.removeprefix("• ") for one in message.members[:_MEMBERS])]
        more = message.unlisted + max(0, len(message.members) - _MEMBERS)
        told.append(f"And {more} more." if more else "")
    ending = " ".join(re.sub(r"[^0-9A-Za-z]", "", alert)[-4:])
    text = " ".join(
        " ".join(clean(part, 2000).split()) + ("" if part.endswith((".", "]")) else ".") for part in told if part
    )
    options = f' language="{as_html(language)}"' + (f' voice="{as_html(voice)}"' if voice else "")
    frame = '<Response>{0}<Pause length="1"/>{0}</Response>'
    tail = f" Alert ending in {ending}." if ending else ""
    left = (_TWIML - len(frame)) // 2 - len(f"<Say{options}></Say>{tail}")
    return frame.format(f"<Say{options}>{fit(text, left, as_html)}{tail}</Say>")
