"""Secrets come by reference and never leave in an error, a log line or a ``deliveries`` record."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus, unquote, urlsplit

from connectors.base import SinkBroken

_HIDDEN = "***"
_SHORTEST = 4  # a shorter "secret" would hide half of every message
_MAX_SECRET_FILE = 64 * 1024
#: What looks like a secret even where we do not know its value.
_PATTERNS = (
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@]+@"), r"\1***@"),
    (
        re.compile(
            r"(?i)([?&;](?:[\w.-]*(?:token|secret|key|signature|sig|password|passwd|pwd|auth|code))=)[^&\s#'\"]+"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 ***"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), "whsec_***"),
    (re.compile(r"(?i)\b(hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/)\S+"), r"\1***"),
)


def is_reference(text: str) -> bool:
    """Whether ``text`` has the form ``env:NAME`` or ``file:PATH``."""
    return bool(re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", text))


class Secrets:
    """Resolves references, and remembers every value it gave out so that ``redact`` can take it out again."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: set[str] = set()
        self._given: dict[str, str] = {}

    def for_one(self) -> Secrets:
        """The same for one sink: it hides what all hide, and knows what it gave out itself."""
        own = Secrets(self._environ)
        own._known = self._known
        return own

    def replaced(self) -> bool:
        """Whether something that was given out here reads otherwise by now, as a mounted secret does after rotation."""
        return any(self._now(reference) not in ("", value) for reference, value in self._given.items())

    def _now(self, reference: str) -> str:
        try:
            return self._read(reference)
        except SinkBroken:
            return ""  # being replaced just now, perhaps

    def resolve(self, reference: str) -> str:
        """The value behind ``env:NAME`` or ``file:PATH`` (without a final newline). Raises SinkBroken, value unseen."""
        value = self._read(reference)
        self.hide(value)
        self._given[reference] = value
        return value

    def address(self, text: str) -> str:
        """A server's URL, given as it is or by reference; its password is hidden. Raises SinkBroken, the URL unseen."""
        url = (self.resolve(text) if is_reference(text) else text).strip()
        self._hide_password(url)
        try:
            parts = urlsplit(url)
            if "," not in parts.netloc:  # several hosts, as PostgreSQL takes them
                _ = parts.port
        except ValueError:
            raise SinkBroken(
                "the sink's url is none", "signs of a password such as / # ? @ are written %2F %23 %3F %40 in it"
            ) from None
        return url

    def _hide_password(self, url: str) -> None:
        """Also its parts: where a sign is not escaped, libraries take a part for a port or a path, and quote it."""
        password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
        named = parse_qs(url.partition("?")[2]).get("password", ())
        for part in (password, unquote(password), *re.split(r"[/?#:@\[\]]", password), *named):
            self.hide(part)

    def _read(self, reference: str) -> str:
        kind, _, name = reference.partition(":")
        if kind == "env":
            value = self._environ.get(name, "").rstrip("\r\n")  # as `kubectl create secret` takes it from a file
            if not value:
                raise SinkBroken(
                    f"environment variable {name} is not set", "set it, or correct the reference in the sink"
                )
        elif kind == "file":
            try:
                data = Path(name).read_bytes()[:_MAX_SECRET_FILE]
                value = data.decode().rstrip("\r\n")
            except (OSError, ValueError) as error:
                raise SinkBroken(f"cannot read the secret file {name}: {type(error).__name__}") from None
            if not value:
                raise SinkBroken(f"the secret file {name} is empty")
        else:
            raise SinkBroken("a secret is given by reference: env:NAME or file:PATH")
        return value

    def hide(self, value: str) -> None:
        """Keep ``value``, and the forms it takes in URLs and headers, out of every redacted text."""
        if len(value) < _SHORTEST:
            return
        raw = value.encode("utf-8", "surrogatepass")
        forms = {value, quote(raw, safe=""), quote_plus(raw), base64.b64encode(raw).decode(), repr(value)[1:-1]}
        self._known |= (
            forms | {value.removeprefix("whsec_")} if len(value.removeprefix("whsec_")) >= _SHORTEST else forms
        )

    def redact(self, text: str, limit: int = 500) -> str:
        """``text`` without secrets and control characters, at most ``limit`` characters."""
        if not text:
            return ""
        text = text[: limit * 20]
        for known in sorted(self._known, key=len, reverse=True):
            text = text.replace(known, _HIDDEN)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        text = "".join(ch if ch.isprintable() else " " for ch in text)
        return text if len(text) <= limit else text[: limit - 1] + "…"
