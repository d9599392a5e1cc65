"""What templates need of a key's last event, kept beside its state for when time alone completes a condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from streams.rules.template import MAX_VALUE, shown


def clipped(value: Any) -> Any:
    """A value as templates would show it, small enough to be kept; None where it is missing."""
    if value.__class__ is str:
        return value[:MAX_VALUE]
    if value is None or value.__class__ in (bool, int, float):
        return value
    return None if value is UNSET else shown(value)


def nested(captured: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dot path as a document. A path through another one's value is left out."""
    document: dict[str, Any] = {}
    for path, value in captured.items():
        if value is None:
            continue
        node: Any = document
        *parents, name = path.split(".")
        for parent in parents:
            node = node.setdefault(parent, {}) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.setdefault(name, value)
    return document
