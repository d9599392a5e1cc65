"""The program as its definition: every event decoded in full, every rule's tree asked in turn.

The oracle for ``streams.rules.compiled``. Simple before everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from streams.model import Source
from streams.model.decode import big_to_text, decode_full
from streams.rules.program import Key
from streams.rules.rule import Arm, RuleSet
from streams.rules.values import read


@dataclass(frozen=True, slots=True)
class PlainEvent:
    """A decoded event, whole."""

    document: dict[str, Any]

    @property
    def event_time(self) -> Any:
        return self.document.get("event_time", UNSET)

    @property
    def event_id(self) -> Any:
        return self.document.get("event_id", UNSET)

    @property
    def tenant(self) -> Any:
        return self.document.get("tenant", UNSET)


class PlainProgram:
    """See ``streams.rules.program.Program``."""

    def __init__(self, arms: tuple[Arm, ...], document: Callable[[bytes], dict[str, Any]]) -> None:
        self.arms = arms
        self.document = document

    def decode(self, raw: bytes) -> PlainEvent:
        return PlainEvent(self.document(raw))

    def match(self, event: PlainEvent) -> tuple[int, ...] | None:
        return tuple(index for index in range(len(self.arms)) if self.match_one(index, event)) or None

    def match_one(self, index: int, event: PlainEvent) -> bool:
        return self.arms[index].where.holds(lambda path: read(event.document, path))

    def key(self, index: int) -> Callable[[PlainEvent], Key | None]:
        arm = self.arms[index]

        def key(event: PlainEvent) -> Key | None:
            parts = []
            for field in arm.key:
                part = field.part(tuple(read(event.document, path) for path in field.paths), arm.rule.missing)
                if part is None:
                    return None
                parts.append(part)
            return tuple(parts)

        return key

    def row(self, index: int) -> Callable[[PlainEvent], str | Key | None]:
        key_of = self.key(index)

        def row(event: PlainEvent) -> str | Key | None:
            key = key_of(event)
            return key[0] if key is not None and len(key) == 1 and isinstance(key[0], str) else key

        return row

    def values(self, index: int) -> Callable[[PlainEvent], tuple[Any, ...]]:
        rule = self.arms[index].rule
        paths = (*rule.detect.fields(), *rule.captures)
        return lambda event: tuple(read(event.document, path) for path in paths)


def documents(source: Source) -> Callable[[bytes], dict[str, Any]]:
    """The full decode of a source's payloads, through its mapping if it has one. Raises as ``Program.decode`` does."""
    mapping = source.mapping
    if mapping is None:
        return decode_full

    def mapped(raw: bytes) -> dict[str, Any]:
        document = mapping(raw)
        if type(document) is not dict:
            raise ValueError(f"the mapping made a {type(document).__name__}, not an envelope")
        big_to_text(document)
        return document

    return mapped


def plain(ruleset: RuleSet, source: Source) -> PlainProgram:
    """The plain program over one source."""
    return PlainProgram(ruleset.arms(source.name), documents(source))
