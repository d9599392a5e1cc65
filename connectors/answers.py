"""What a receiver of HTTP said: read within bounds, its Retry-After, and why it did not answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from connectors.base import Delivered, Rejected, Result, Retry
from connectors.ssrf import Forbidden

_MAX_ANSWER = 64 * 1024


def retry_after_ms(value: str | None, now: int) -> int | None:
    """Seconds or an HTTP date; None where there is none or it cannot be read. At most a day."""
    if not value or len(value) > 100:
        return None
    if re.fullmatch(r"\d{1,12}", value.strip(), re.ASCII):
        return min(int(value), 86_400) * 1000
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    wait = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.fromtimestamp(now, UTC)
    return max(0, min(86_400_000, round(wait.total_seconds() * 1000)))


async def read_bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The beginning of what the receiver said. An endless answer ends the connection, not us."""
    read = bytearray()
    async for chunk in answer.content.iter_any():
        read += chunk
        if len(read) > _MAX_ANSWER:
            answer.close()
            break
    return bytes(read[:_MAX_ANSWER])


def is_literal(host: str) -> bool:
    """Whether a URL's host is an address and no name."""
    return ":" in host or bool(re.fullmatch(r"[0-9.]+", host))


def cause(error: BaseException) -> str:
    """The failure without the URL's path: the innermost OSError says it best."""
    inner: BaseException = error
    while (below := getattr(inner, "os_error", None) or inner.__cause__) is not None and below is not inner:
        inner = below
    chosen = inner if isinstance(inner, Forbidden) else error
    return f"{type(chosen).__name__}: {chosen}" if not isinstance(chosen, Forbidden) else str(chosen)


def classify(status: int, retry_after: str | None, location: str | None, said: str, now: int) -> Result:
    """What an answer means. ``now`` is in seconds, for a Retry-After that is a date."""
    if 200 <= status < 300:
        return Delivered(f"HTTP {status}")
    quoted = f": {said}" if said else ""
    if 300 <= status < 400:
        to = URL(location).host if location else None
        return Rejected(f"HTTP {status}: redirects are not followed" + (f" (to {to})" if to else ""))
    if status in (429, 503) and (after := retry_after_ms(retry_after, now)) is not None:
        return Retry(f"HTTP {status}{quoted}", after_ms=after, everyone=True)
    if status in (408, 425, 429) or status >= 500:
        return Retry(f"HTTP {status}{quoted}")
    return Rejected(f"HTTP {status}{quoted}")
