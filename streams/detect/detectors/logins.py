"""What one login says, for the detectors that look at many: whether it failed, how often, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from streams.detect.values import digest, token

FAILED = frozenset(("failure", "failed", "denied", "timeout", "expired", "rejected", "ignored"))
#: What the detectors of logins read, in one order: an event is read once for all of them.
FIELDS = ("outcome", "repeat", "method", "source_ip", "actor")
_MOST = 10_000  #: no log line stands for more than this
_LONGEST = 64  #: longer texts are not remembered


def succeeded(fields: Mapping[str, Any]) -> bool | None:
    """Whether it did; None where the outcome is neither. A refused key is neither: keys are not guessed."""
    outcome = fields.get("outcome")
    if outcome == "success":
        return True
    if not isinstance(outcome, str) or outcome not in FAILED or fields.get("method") == "publickey":
        return None
    return False


def times(fields: Mapping[str, Any]) -> int:
    """For how many attempts the event stands: ``repeat`` where that is a whole number from 1 on, else 1."""
    repeat = fields.get("repeat")
    return min(repeat, _MOST) if type(repeat) is int and repeat >= 1 else 1


def short(value: Any) -> str:
    """Text as so many characters that tell it from others; empty for what is no text, and for none."""
    if not isinstance(value, str) or not value:
        return ""
    return _short(value) if len(value) <= _LONGEST else _short.__wrapped__(value)


@lru_cache(1 << 14)
def _short(text: str) -> str:
    return digest(token(text) or "")
