"""Indicator lists as control records: written in parts that fit into one, in force once all parts are there.

A record of kind ``list`` holds ``{version, part, parts, entries}`` (``version`` is the hash of the whole content, so
that parts of two writers cannot mix), or ``{removed: true}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from streams.rules.indicators import NamedList, named_list
from streams.rules.operators import list_name

LIST = "list"
#: Of the entries in one record, bytes: what brokers take by default is 1 MB.
MAX_PART = 700_000
_MAX_PARTS = 1_000
#: Versions of one list whose parts are waited for; more only where writers died half-way again and again.
_MAX_PENDING = 4

_encode = msgspec.json.Encoder().encode


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    part: int
    parts: int
    entries: list[str]


def documents(content: NamedList) -> Iterator[dict[str, Any]]:
    """The documents that bring a list into force, in order."""
    chunks: list[list[str]] = [[]]
    size = 0
    for entry in content.entries:
        needs = len(_encode(entry)) + 1
        if size + needs > MAX_PART:
            chunks.append([])
            size = 0
        chunks[-1].append(entry)
        size += needs
    for number, entries in enumerate(chunks, 1):
        yield {"version": content.version, "part": number, "parts": len(chunks), "entries": entries}


def removal() -> dict[str, Any]:
    """The document after which there is no such list."""
    return {"removed": True}


class Lists:
    """The lists in force, and the parts of those that are still coming in. A function of the records alone."""

    def __init__(self) -> None:
        self.in_force: dict[str, NamedList] = {}
        self._pending: dict[str, dict[str, dict[int, list[str]]]] = {}  # by name and version

    def take(self, name: str, document: Mapping[str, Any]) -> None:
        """A record of the list ``name``. Raises ValueError for one that cannot be used, with nothing changed."""
        list_name(name)
        if document == removal():
            self.remove(name)
            return
        part = msgspec.convert(document, _Part)
        if not 1 <= part.part <= part.parts <= _MAX_PARTS:
            raise ValueError(f"is part {part.part} of {part.parts}")
        versions = self._pending.setdefault(name, {})
        parts = {**versions.get(part.version, {}), part.part: part.entries}
        if len(parts) < part.parts or max(parts) > part.parts:
            versions.pop(part.version, None)
            versions[part.version] = parts
            while len(versions) > _MAX_PENDING:
                del versions[next(iter(versions))]
            return
        versions.pop(part.version, None)
        if (now := self.in_force.get(name)) is not None and now.version == part.version:
            return
        content = named_list(name, (entry for number in sorted(parts) for entry in parts[number]))
        if content.version != part.version:
            raise ValueError(f"its content is of version {content.version}, not {part.version[:64]}")
        self.in_force[name] = content

    def remove(self, name: str) -> None:
        """There is no such list any more."""
        self.in_force.pop(name, None)
        self._pending.pop(name, None)

    def record(self, name: str) -> dict[str, Any] | None:
        """What control states say of a list in force."""
        content = self.in_force.get(name)
        return None if content is None else {"version": content.version, "entries": len(content.entries)}
