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


_STYLE = """\
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #1e1f22 !important; } .card { background: #2b2d31 !important; color: #e6e6e6 !important; }
  .name { color: #a8adb4 !important; } .row td { border-color: #43464c !important; } a { color: #7db4ff !important; }
}
"""
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:14px;line-height:1.45"
_CARD = (
    "max-width:680px;margin:0 auto;padding:16px 20px;background:#ffffff;color:#1c1d1f;"
    "overflow-wrap:anywhere;word-break:break-word"  # long names and values stay inside
)


def _html(message: Message, words: Words) -> str:
    """Styles stand at the elements, as mail programs want them; those in the head are for the dark alone."""
    failed = f"<p><i>{as_html(words.failed)}</i></p>" if words.failed else ""
    if words.body is not None:
        if len(words.body) <= _MOST:
            body = f'<div style="white-space:pre-wrap">{words.body}</div>'
        else:  # cut HTML may be torn HTML: shown without it instead
            body = f'<div style="white-space:pre-wrap">{fit(_plain(words.body), _MOST, as_html)}</div>'
    else:
        body = _built_in(message)
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">\n'
        f"<style>{_STYLE}</style></head>\n"
        '<body class="page" style="margin:0;padding:16px;background:#f2f3f5">\n'
        f'<div class="card" style="{_CARD};border-top:6px solid {message.colour};{_FONT}">\n'
        f"{failed}{body}\n"
        f'<p class="name" style="color:#5c6066;margin:16px 0 0"><code>{as_html(message.look)}</code></p>\n'
        "</div></body></html>\n"
    )


def _built_in(message: Message) -> str:
    rows = [_row(fact.name, _value(fact.value)) for fact in message.facts]
    if len(rows) > _FACTS:
        rows[_FACTS:] = [_row("", f"… and {len(rows) - _FACTS} more")]
    members = "".join(f"<li>{as_html(member.removeprefix('• '))}</li>" for member in message.members)
    if message.unlisted:
        members += f"<li>… and {message.unlisted} more</li>"
    parts = [
        f'<p class="name" style="color:#5c6066;margin:0"><b>{as_html(message.title)}</b></p>',
        f'<h2 style="font-size:18px;margin:4px 0 12px">{fit(message.headline, 2000, as_html)}</h2>',
        f"<p>{as_html(message.sentence)}</p>" if message.sentence else "",
        f'<p style="white-space:pre-wrap">{as_html(message.description)}</p>' if message.description else "",
        f"<ul>{members}</ul>" if members else "",
        '<table class="row" cellpadding=0 cellspacing=0 '
        f'style="border-collapse:collapse;table-layout:fixed;width:100%;{_FONT}">\n'
        f"{chr(10).join(rows)}\n</table>",
    ]
    return "\n".join(filter(None, parts))


def _row(name: str, value: str) -> str:
    cell = "border-top:1px solid #e3e5e8;padding:6px 0;vertical-align:top"
    return (
        f'<tr><td class="name" style="{cell};padding-right:16px;width:28%;color:#5c6066">{as_html(name)}</td>'
        f'<td style="{cell}">{value}</td></tr>'
    )


def _value(text: str) -> str:
    """A web address is a link: one that is shown whole, and leads where it says."""
    return f'<a href="{as_html(text)}">{as_html(text)}</a>' if _URL.fullmatch(text) else as_html(text)
