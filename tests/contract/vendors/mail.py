"""A real mail server (aiosmtpd) with TLS, a certificate made on the spot, log in, and refusals on demand."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.contract.vendors.server import keys_in

USER, PASSWORD = "tocsin@example.com", "p@ss:w/rd-hush"


def certificate(folder: Path, host: str = "127.0.0.1") -> Path:
    """A self-signed one for ``host``, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "mail.pem"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@dataclass
class Mail:
    """``refuse``: address -> what RCPT is answered, once popped from a list or always. ``data``: answers to DATA."""

    folder: Path
    security: str = "starttls"  #: tls, starttls or none
    refuse: dict[str, str | list[str]] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    stall: float = 0.0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[list[str]] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        login = "" if self.security == "none" else "tocsin%40example.com:p%40ss%3Aw%2Frd-hush@"
        end = "?tls=none" if self.security == "none" else ""
        return f"smtp{'s' * (self.security == 'tls')}://{login}127.0.0.1:{self.port}{end}"

    async def __aenter__(self) -> Self:
        self.ca = certificate(self.folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.ca)

        def connection() -> SMTP:
            if self.security == "none":
                return SMTP(self, hostname="mail.test", data_size_limit=4_000_000)
            return SMTP(
                self, hostname="mail.test", data_size_limit=4_000_000, authenticator=self._login, auth_required=True,
                tls_context=tls if self.security == "starttls" else None,
                require_starttls=self.security == "starttls", auth_require_tls=self.security == "starttls",
            )  # fmt: skip

        loop = asyncio.get_running_loop()
        encrypted = tls if self.security == "tls" else None
        self._server = await loop.create_server(connection, "127.0.0.1", 0, ssl=encrypted)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def _login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=right)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.refuse.get(address, "")
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else ""
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.stall:
            await asyncio.sleep(self.stall)
        if self.data and (answer := self.data.pop(0)):
            return answer
        raw = envelope.original_content or b""
        self._check(raw)
        mail = message_from_bytes(raw, policy=default)
        assert isinstance(mail, EmailMessage)
        self.broken_rules += live_html(parts(mail)[1])
        self.mails.append(mail)
        self.envelopes.append(list(envelope.rcpt_tos))
        return f"250 OK queued as {len(self.mails):04d}"

    def _check(self, raw: bytes) -> None:
        head, _, _ = raw.partition(b"\r\n\r\n")
        names = [line.split(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
        allowed = {b"subject", b"from", b"to", b"date", b"message-id", b"in-reply-to", b"references", b"mime-version",
                   b"auto-submitted", b"x-auto-response-suppress", b"importance", b"x-priority", b"content-type"}  # fmt: skip
        if len(set(names)) != len(names) or not set(names) <= allowed:
            self.broken_rules.append(f"headers of somebody else's: {names}")
        if re.search(rb"(?<!\r)\n|\r(?!\n)", raw) or any(len(line) > 998 for line in raw.split(b"\r\n")):
            self.broken_rules.append("a line that is not one, or longer than 998")
        if not raw.isascii():
            self.broken_rules.append("not seven bits, and nobody asked for eight")

    def arrived(self) -> list[str]:
        return [key for mail in self.mails for key in keys_in(parts(mail)[0])]


class _Seen(HTMLParser):
    """What in a page is not ours: elements that we never write, scripts by attribute, links that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on") or (name in ("href", "src") and not re.match(r"https?://", value or "")):
                self.found.append(f"{tag} {name}={value}")
        if tag not in _ELEMENTS:
            self.found.append(f"<{tag}>")


_ELEMENTS = frozenset(
    {"html", "head", "meta", "style", "body", "div", "h2", "p", "b", "i", "ul", "li", "table", "tr", "th", "td", "a",
     "code", "br", "span"}
)  # fmt: skip


def live_html(page: str) -> list[str]:
    """What would be live in a mail program that nobody here writes."""
    seen = _Seen()
    seen.feed(page)
    return seen.found


def parts(mail: EmailMessage) -> tuple[str, str]:
    """Text and HTML."""
    text, markup = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert markup is not None
    return text.get_content().replace("\r\n", "\n"), markup.get_content().replace("\r\n", "\n")
