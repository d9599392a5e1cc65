"""What a kind of poison is, and the event that each kind spoils in one place."""

from __future__ import annotations

import json
from random import Random
from typing import Any, NamedTuple

AT = 1_714_564_800_000  #: 2024-05-01T12:00:00Z
LIMIT = 1_048_588  #: bytes of a batch of records, the broker's default for ``max.message.bytes``


class Poison(NamedTuple):
    """``raw`` None is a tombstone. ``why`` says what is odd and, for bad ones, why it cannot be processed."""

    name: str
    raw: bytes | None
    good: bool
    why: str
    fires: bool = False


class Corpus:
    """Collects under unique names. ``event`` is the harmless event that each kind spoils in one place."""

    def __init__(self, seed: int, at: int) -> None:
        self.rng = Random(seed)
        self.at = at
        self.prefix = f"poison-{seed}"
        self.found: dict[str, Poison] = {}

    def event(self, name: str) -> dict[str, Any]:
        return {
            "event_id": f"{self.prefix}-{name}", "event_time": self.at, "tenant": "acme", "source": "web",
            "type": "poison", "actor": "mallory", "source_ip": "192.0.2.66", "action": "login", "outcome": "failure",
            "note": "é☃😀", "detail": {"mfa": False, "attempts": [1, 2.5, None, "x\n"], "geo": {"country": "NL"}},
        }  # fmt: skip

    def bytes_of(self, name: str, **changes: Any) -> bytes:
        event = {**self.event(name), **changes}
        return json.dumps({k: v for k, v in event.items() if v is not ...}, ensure_ascii=False).encode()

    def add(self, name: str, raw: bytes | None, good: bool, why: str, fires: bool = False) -> None:
        assert name not in self.found, name
        self.found[name] = Poison(name, raw, good, why, good and fires)

    def bad(self, name: str, raw: bytes | None, why: str) -> None:
        self.add(name, raw, False, why)

    def good(self, name: str, raw: bytes, why: str, fires: bool = True) -> None:
        self.add(name, raw, True, why, fires)

    def spoilt(self, name: str, value: bytes, why: str, *, good: bool = False, field: str = "extra") -> None:
        """The event with ``value``, as it stands, in a field: once in one that rules read and once in a skipped one."""
        for place, known in (("skipped", field), ("read", "outcome")):
            key = f"{name}-{place}"
            raw = self.bytes_of(key, **{known: "@@"}).replace(b'"@@"', value)
            self.add(key, raw, good, f"{why}, in a {place} field", True)


def padded(corpus: Corpus, name: str, size: int) -> bytes:
    raw = corpus.bytes_of(name, padding="")
    return raw.replace(b'"padding": ""', b'"padding": "' + b"x" * (size - len(raw)) + b'"')


def largest_value(key: bytes | None, limit: int = LIMIT) -> int:
    """Bytes of the largest value that fits a batch of its own, uncompressed, without headers, under ``limit``."""
    size = limit
    while _batch(len(key or b""), size) > limit:
        size -= 1
    return size


def _batch(key: int, value: int) -> int:
    body = 3 + _varint(key) + key + _varint(value) + value + 1
    return 61 + _varint(body) + body


def _varint(number: int) -> int:
    return max(1, ((number << 1).bit_length() + 6) // 7)
