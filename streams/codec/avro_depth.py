"""How deep an encoded Avro value nests, told without making it.

Only for recursive schemas, where the payload decides: fastavro follows it until the stack of the process is full, and
the process is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streams.codec.avro_schema import Schema
from streams.model.decode import MAX_DEPTH


def check_depth(schema: Schema, payload: bytes, at: int) -> None:
    """Raise ValueError where the value that begins at ``at`` nests deeper than ``MAX_DEPTH``, or ends too early."""
    _Skip(schema.named, payload).over(schema.parsed, at, 0)


class _Skip:
    """Walks over encoded values without making them: ``over`` gives where the value ends."""

    def __init__(self, named: dict[str, Any], payload: bytes) -> None:
        self._named, self._payload = named, payload
        self._by_kind: dict[str, Callable[[Any, int, int], int]] = {
            "record": self._record, "error": self._record, "array": self._items, "map": self._items,
        }  # fmt: skip

    def over(self, node: Any, at: int, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, list):
            branch, at = self._long(at)
            if not 0 <= branch < len(node):
                raise ValueError(f"branch {branch} of a union of {len(node)}")
            return self.over(node[branch], at, depth)
        if isinstance(node, str):
            if node not in self._named:
                return self._leaf(node, at)
            node = self._named[node]
        kind = node["type"]
        if kind in self._by_kind:
            return self._by_kind[kind](node, at, depth + 1)
        return at + node["size"] if kind == "fixed" else self._leaf(kind, at)

    def _record(self, node: Any, at: int, depth: int) -> int:
        for field in node["fields"]:
            at = self.over(field["type"], at, depth)
        return at

    def _items(self, node: Any, at: int, depth: int) -> int:
        is_map = node["type"] == "map"
        item = node["values"] if is_map else node["items"]
        while True:
            count, at = self._long(at)
            if count == 0:
                return at
            if count < 0:  # then the size of the block follows
                count, (_, at) = -count, self._long(at)
            for _ in range(count):
                at = self.over(item, self._leaf("string", at) if is_map else at, depth)

    def _leaf(self, kind: str, at: int) -> int:
        if kind == "null":
            return at
        if kind in ("float", "double", "boolean"):
            return at + {"float": 4, "double": 8, "boolean": 1}[kind]
        number, at = self._long(at)
        if kind in ("bytes", "string"):
            if not 0 <= number <= len(self._payload) - at:
                raise ValueError(f"{number} bytes are told, {len(self._payload) - at} are left")
            return at + number
        return at

    def _long(self, at: int) -> tuple[int, int]:
        number = shift = 0
        while at < len(self._payload):
            byte = self._payload[at]
            number |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1), at
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        raise ValueError("it ends too early")
