"""Why a request that claims to be a vendor's is not believed."""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum


class Refused(StrEnum):
    """Answer 401 to each, without the reason: it is for our log."""

    NO_SIGNATURE = "no_signature"
    STALE = "stale"  #: its time is too far from ours: perhaps a replay
    WRONG = "wrong"  #: signed by somebody else, or changed on the way
    NO_SECRET = "no_secret"  #: we have none to check with: nothing is believed


def hex_digest(secret: str, content: bytes) -> str:
    """HMAC-SHA256."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def same(wanted: str, given: str) -> bool:
    """In constant time, for any text."""
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))
