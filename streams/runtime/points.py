"""Named points of the protocol. Nothing happens here; the fault tests replace ``at`` to kill, stop or raise."""

from __future__ import annotations

from typing import Any


def at(point: str, **context: Any) -> None:
    """The protocol has reached ``point``."""
