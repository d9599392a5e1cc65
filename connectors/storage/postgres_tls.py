"""How PostgreSQL is spoken to: in the clear, or by TLS with what vouches for the server."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from connectors.base import SinkBroken
from connectors.redact import Secrets, is_reference

#: ``verify``: by a known authority, and for this host; ``verify-ca``: whatever host it is for.
MODES = ("verify", "verify-ca", "unverified", "off")
_OF_LIBPQ = {"disable": "off", "require": "unverified", "verify-ca": "verify-ca", "verify-full": "verify"}


class Tls(Protocol):
    """What a sink's block says of it. Files are paths, or references; empty: not said."""

    @property
    def tls(self) -> str: ...
    @property
    def ca(self) -> str: ...
    @property
    def certificate(self) -> str: ...
    @property
    def key(self) -> str: ...


def tls_of(config: Tls, url: str, secrets: Secrets) -> ssl.SSLContext | bool:
    """For asyncpg: a context, or False for the clear. What the block leaves out, the url says as libpq has it (sslmode,
    sslrootcert, sslcert, sslkey). Unsaid: verify, but in the clear to this machine. Raises SinkBroken.
    """
    parts = urlsplit(url)
    said = dict(parse_qsl(parts.query))
    host = parts.hostname or ""
    ca = config.ca or said.get("sslrootcert", "").removesuffix("system")
    mode = config.tls or _mode(said) or ("off" if _is_here(host) and not ca else "verify")
    if mode == "off":
        return False
    try:
        context = _context(ca, secrets)
        if mode != "verify":
            context.check_hostname = False
        if mode == "unverified":
            context.verify_mode = ssl.CERT_NONE
        if certificate := config.certificate or said.get("sslcert", ""):
            key = config.key or said.get("sslkey", "")
            context.load_cert_chain(certificate.removeprefix("file:"), key.removeprefix("file:") or None)
    except (OSError, ValueError) as error:  # of ssl too
        raise SinkBroken(
            f"cannot read the certificates: {error}", "correct the sink's ca, certificate or key"
        ) from None
    return context


def _mode(said: Mapping[str, str]) -> str:
    word = said.get("sslmode", "")
    if word and word not in _OF_LIBPQ:
        raise SinkBroken(
            f"sslmode={word} in the url leaves it to the server whether anybody can listen",
            f"write one of {', '.join(_OF_LIBPQ)}, or `tls: {MODES[0]}` in the sink",
        )
    return _OF_LIBPQ.get(word, "")


def _is_here(host: str) -> bool:
    return host in ("", "localhost", "127.0.0.1", "::1") or host.startswith("/")


def _context(ca: str, secrets: Secrets) -> ssl.SSLContext:
    """That trusts ``ca`` alone: a path, file:PATH, or env:NAME which holds the PEM itself; empty: the system's."""
    if ca.startswith("env:") and is_reference(ca):
        return ssl.create_default_context(cadata=secrets.resolve(ca))
    return ssl.create_default_context(cafile=ca.removeprefix("file:") or None)
