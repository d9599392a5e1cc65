"""What one login says, for the detectors that look at many: whether it failed, how often, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.detect.entries import kept_id

FAILED = frozenset(("failure", "failed", "denied", "timeout", "expired", "rejected", "ignored"))
#: What the detectors of logins read, in one order: an event is read once for all of them.
FIELDS = ("outcome", "repeat", "method", "source_ip", "actor")
_MOST = 10_000  #: no log line stands for more than this
_SHORT = 24  #: characters; most names and addresses have fewer, and need no digest


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
    """Text as so few characters that tell it from others; empty for what is no text, and for none."""
    return kept_id(value, _SHORT) if isinstance(value, str) and value else ""
