"""One notification as a mail: a text and an HTML part, in one thread with all others about the same alert.

``Message-ID`` comes from the notification's id, so a mail that is sent twice is the same mail. All of one alert (of one
group) refer to one id that is made of its own, and that no mail has: mail programs put them together by it.
"""

from __future__ import annotations

import html
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from connectors.base import Item
from connectors.clip import as_html, fit
from connectors.message import Message
from connectors.wording import Words
from streams.model import Severity, content_hash

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}", re.ASCII)
_SUBJECT, _TEXT, _FACTS, _MOST = 200, 20_000, 60, 60_000
_URL = re.compile(r"https?://[^\s<>\"]{1,400}")


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def message_id(key: str, domain: str) -> str:
    """The same for the same notification, whatever signs its id has."""
    return f"<{content_hash('message-id', key)}@{domain}>"


def thread_id(subject: str, domain: str) -> str:
    """What all mails about one alert or group refer to."""
    return f"<{content_hash('thread', subject)}@{domain}>"


def mail_of(item: Item, message: Message, words: Words, sender: Address, to: tuple[str, ...]) -> EmailMessage:
    """The whole mail; nothing of it can begin a header of its own."""
    domain = domain_of(sender.addr_spec)
    title = _plain(words.title) if words.title is not None else f"{message.title} — {message.headline}"
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = fit(" ".join(title.split()), _SUBJECT) or "Alert"
    mail["From"] = sender
    mail["To"] = tuple(Address(addr_spec=one) for one in to)
    mail["Date"] = _date(item)
    mail["Message-ID"] = message_id(item.key, domain)
    mail["In-Reply-To"] = mail["References"] = thread_id(message.subject, domain)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if message.severity is Severity.CRITICAL and not message.closed:
        mail["Importance"], mail["X-Priority"] = "high", "1"
    mail.set_content(_text(message, words), cte="base64")
    mail.add_alternative(_html(message, words), subtype="html", cte="base64")
    return mail


def _date(item: Item) -> str:
    """When the notification was made; where no calendar holds that, now."""
    at = item.notification.at if item.notification else item.alert.updated_at
    try:
        return formatdate(at / 1000)
    except (OverflowError, ValueError, OSError):
        return formatdate()


def _text(message: Message, words: Words) -> str:
    lines = [words.failed] if words.failed else []
    if words.body is not None:
        lines += [fit(_plain(words.body), _MOST)]
    else:
        lines += [message.title, "", fit(message.text, _TEXT), ""]
        lines += [f"{fact.name}: {fact.value}" for fact in message.facts[:_FACTS]]
        if len(message.facts) > _FACTS:
            lines.append(f"… and {len(message.facts) - _FACTS} more")
    return "\n".join([*lines, "", message.look, ""])


def _plain(markup: str) -> str:
    """The user's own markup taken out; what an event brought is escaped in it, and stands as it was."""
    broken = re.sub(r"(?i)<(br|/p|/div|/li|/tr|/h\d)\b[^>]*>", "\n", markup)
    return html.unescape(re.sub(r"<[^>]*>", "", broken))


def _html(message: Message, words: Words) -> str:
    failed = f"<p><i>{as_html(words.failed)}</i></p>" if words.failed else ""
    if words.body is not None:
        if len(words.body) <= _MOST:
            body = f'<div style="white-space:pre-wrap">{words.body}</div>'
        else:  # cut HTML may be torn HTML: shown without it instead
            body = f'<div style="white-space:pre-wrap">{fit(_plain(words.body), _MOST, as_html)}</div>'
    else:
        body = _built_in(message)
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>\n'
        '<body style="font-family:sans-serif;font-size:14px">\n'
        f"{failed}{body}\n<p><code>{as_html(message.look)}</code></p>\n</body></html>\n"
    )


def _built_in(message: Message) -> str:
    rows = [f"<tr><th align=left>{as_html(one.name)}</th><td>{_value(one.value)}</td></tr>" for one in message.facts]
    if len(rows) > _FACTS:
        rows[_FACTS:] = [f"<tr><th></th><td>… and {len(rows) - _FACTS} more</td></tr>"]
    members = "".join(f"<li>{as_html(member.removeprefix('• '))}</li>" for member in message.members)
    if message.unlisted:
        members += f"<li>… and {message.unlisted} more</li>"
    parts = [
        f'<h2 style="border-left:6px solid {message.colour};padding-left:8px">{as_html(message.title)}</h2>',
        f"<p><b>{fit(message.headline, 2000, as_html)}</b></p>",
        f"<p>{as_html(message.sentence)}</p>" if message.sentence else "",
        f'<p style="white-space:pre-wrap">{as_html(message.description)}</p>' if message.description else "",
        f"<ul>{members}</ul>" if members else "",
        f"<table cellpadding=4>\n{chr(10).join(rows)}\n</table>",
    ]
    return "\n".join(filter(None, parts))


def _value(text: str) -> str:
    """A web address is a link: one that is shown whole, and leads where it says."""
    return f'<a href="{as_html(text)}">{as_html(text)}</a>' if _URL.fullmatch(text) else as_html(text)
