"""One SMTP relay: its address, a guarded connection to it, and what its answers mean."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import aiosmtplib

from connectors.answers import is_literal
from connectors.base import Rejected, Result, Retry, SinkBroken
from connectors.clip import one_line
from connectors.context import SinkContext
from connectors.ssrf import Forbidden, GuardedResolver, is_public

_LOGIN = (530, 534, 535, 538)  #: log in; too weak; wrong; needs encryption: the sink's fault, no message's


@dataclass(frozen=True, slots=True)
class Relay:
    """``security``: tls (from the first byte), starttls (required), or none."""

    host: str
    port: int
    security: str
    user: str = ""
    password: str = field(default="", repr=False)


def parse_relay(text: str) -> Relay:
    """``smtps://user:password@host:465``, ``smtp://…:587`` with STARTTLS, ``smtp://host:25?tls=none`` in the clear.

    Raises ValueError, which does not repeat the address: it holds the password.
    """
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        raise ValueError("is not a URL with a host and a port") from None
    if url.scheme not in ("smtp", "smtps") or not url.hostname:
        raise ValueError("must be smtp://[user:password@]host[:port] or smtps://…")
    if url.query not in ("", "tls=none") or url.path.strip("/") or (url.query and url.scheme == "smtps"):
        raise ValueError("may end with ?tls=none (of smtp://), and has no path")
    security = "tls" if url.scheme == "smtps" else "none" if url.query else "starttls"
    relay = Relay(
        url.hostname, port or {"tls": 465, "starttls": 587, "none": 25}[security], security,
        unquote(url.username or ""), unquote(url.password or ""),
    )  # fmt: skip
    if bool(relay.user) != bool(relay.password):
        raise ValueError("has a user without a password, or a password without a user")
    if relay.password and security == "none":
        raise ValueError("would send the password in the clear; leave ?tls=none out")
    return relay


def tls_context(ca: str) -> ssl.SSLContext:
    """Verifies certificate and host name; ``ca``: a file with further authorities. Raises SinkBroken."""
    try:
        context = ssl.create_default_context()
        if ca:
            context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise SinkBroken(f"cannot read the authorities in {ca}: {type(error).__name__}") from None
    return context


@asynccontextmanager
async def connected(
    relay: Relay, tls: ssl.SSLContext, context: SinkContext, allow_private: bool, ours: str
) -> AsyncIterator[aiosmtplib.SMTP]:
    """Connected, encrypted and logged in. ``ours``: what we say in EHLO. Raises OSError and SMTPException."""
    sock = await _dial(relay, context, allow_private)
    client = aiosmtplib.SMTP(
        hostname=relay.host, sock=sock, timeout=context.timeout_ms / 1000, local_hostname=ours,
        use_tls=relay.security == "tls", start_tls=relay.security == "starttls", tls_context=tls,
    )  # fmt: skip
    try:
        await client.connect()
        if relay.user:
            await client.login(relay.user, relay.password)
        yield client
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await client.quit(timeout=1.0)  # it has the message: a slow goodbye changes nothing
    finally:
        client.close()  # and the transport with the socket, which is its own: closed by us, its number might be reused


async def _dial(relay: Relay, context: SinkContext, allow_private: bool) -> socket.socket:
    """A socket to the first address that answers; none to an inside one unless that is allowed."""
    loop = asyncio.get_running_loop()
    if is_literal(relay.host):
        addresses = [relay.host]
        if not allow_private and not is_public(relay.host):
            raise Forbidden(relay.host, relay.host)
    else:
        resolver = GuardedResolver(allow_private, context.resolver)
        addresses = [one["host"] for one in await resolver.resolve(relay.host, relay.port, socket.AF_UNSPEC)]
    problem: OSError = OSError(f"{relay.host} has no address")
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, (address, relay.port))
        except OSError as error:
            problem = error
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


def judged(code: int, said: str) -> Result:
    """A refusal: 4xx is tried again, 5xx never. Raises SinkBroken where the relay wants another login."""
    told = f"SMTP {code}: {one_line(said, 300)}"
    if code in _LOGIN:
        raise SinkBroken(told, "look at the user and the password in the relay's address")
    return Rejected(told) if 500 <= code < 600 else Retry(told)


def failure(error: Exception) -> Result:
    """What a failed conversation means for all its recipients. Raises SinkBroken."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        if isinstance(error, (aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError)):
            return Retry(f"SMTP {error.code}: {one_line(error.message, 300)}")  # the relay's state, no message's
        return judged(error.code, error.message)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        raise SinkBroken(f"the relay cannot do what is asked: {one_line(error, 200)}")
    return Retry(f"{type(error).__name__}: {one_line(str(error), 300)}")
