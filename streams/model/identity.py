"""Identity: names derived from content and log position alone, so that a replay finds the same ones."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

_canonical = msgspec.json.Encoder(order="sorted")


def content_hash(*parts: Any) -> str:
    """32 hex digits over the canonical JSON of ``parts``: typed (``1``, ``"1"`` and ``true`` differ), sorted keys."""
    return hashlib.sha256(_canonical.encode(parts)).hexdigest()[:32]


def alert_id(rule: str, tenant: str, key: dict[str, Any], first_completing: str) -> str:
    """The alert opened for ``key`` by the event at ``first_completing``; equal in every run of the same log."""
    return content_hash("alert", rule, tenant, key, first_completing)


def position(topic: str, partition: int, offset: int) -> str:
    """Where a record stands: ``audit.events/3/42``."""
    return f"{topic}/{partition}/{offset}"


def file_position(sha256: str, line: int) -> str:
    """Where a record stands in a file that is no archive: ``file:<sha256>:<line>``, lines counted from 1."""
    return f"file:{sha256}:{line}"
