"""What a built-in mapping has read, laid over the record it was read from."""

from __future__ import annotations

from typing import Any


def laid_over(record: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A copy of the record with these fields in place of its own of that name; None takes a field away.

    Everything else stays reachable by dot path.
    """
    envelope = {**record, **fields}
    for name, value in fields.items():
        if value is None:
            del envelope[name]
    return envelope
