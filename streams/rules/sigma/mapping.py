"""What Sigma leaves to the site: how its fields are called here, and which source holds which log.

```yaml
fields: {User: actor, SourceIp: source_ip}       # Sigma's name: our dot path; others stay as they are
keywords: [message]                               # where a value without a field is looked for
placeholders: {admins: [root, admin]}             # what %admins% stands for
logsources:                                       # the first entry whose words all agree is used
  - match: {product: aws, service: cloudtrail}
    source: audit
    where: {eventVersion: {exists: true}}         # what tells this log from the others of its source
    fields: {userIdentity.userName: actor}
    group_by: [actor]
    cased: true                                   # the log spells values as rules do: equality minds case
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.rules.block import Block, field_path, paths
from streams.rules.document import line_of, read_document
from streams.rules.durations import shown
from streams.rules.problems import BlockErrors, Problem, RuleErrors
from streams.rules.where import parse_where

_WORDS = ("category", "product", "service")


@dataclass(frozen=True, slots=True)
class Logsource:
    """Rules of which logs go where, and what is peculiar to them."""

    match: Mapping[str, str]
    source: str
    where: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    keywords: Sequence[str] = ()
    group_by: Sequence[str] = ()
    cased: bool = False

    def meets(self, logsource: Mapping[str, str]) -> bool:
        """Whether it speaks for a rule's ``logsource``."""
        return all(logsource.get(word) == value for word, value in self.match.items())


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """A mapping file. ``strict``: a field or a log that it does not name is refused."""

    source: str = "audit"
    fields: Mapping[str, str] = field(default_factory=dict)
    keywords: Sequence[str] = ()
    placeholders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    logsources: Sequence[Logsource] = ()
    strict: bool = False

    def of(self, logsource: Mapping[str, str]) -> Logsource:
        """What holds for a rule of this ``logsource``. Raises ValueError where it is strict and says nothing."""
        chosen = next((entry for entry in self.logsources if entry.meets(logsource)), None)
        if chosen is None:
            if self.strict:
                words = ", ".join(f"{word}: {value}" for word, value in logsource.items())
                raise ValueError(f"the mapping names no source for the logsource {{{words}}}")
            return Logsource({}, self.source, fields=self.fields, keywords=self.keywords)
        return Logsource(
            chosen.match,
            chosen.source,
            chosen.where,
            {**self.fields, **chosen.fields},
            chosen.keywords or self.keywords,
            chosen.group_by,
            chosen.cased,
        )


def load_mapping(file: Path | None, *, source: str = "audit", strict: bool = False) -> FieldMapping:
    """The mapping in a file; without one, fields stay as they are. Raises ``RuleErrors`` with all its problems."""
    if file is None:
        return FieldMapping(source=source, strict=strict)
    document, lines, unreadable = read_document(file, "holds no mapping: it begins with fields: or logsources:")
    if unreadable:
        raise RuleErrors(unreadable)
    try:
        return parse_mapping(document, source=source, strict=strict)
    except BlockErrors as errors:
        raise RuleErrors(
            Problem(f"{file}:{line_of(lines, path)}", path, text) for path, text in errors.problems
        ) from None


def parse_mapping(document: Mapping[str, Any], *, source: str = "audit", strict: bool = False) -> FieldMapping:
    """The mapping a document describes. Raises ``BlockErrors``."""
    block = Block(document)
    mapping = FieldMapping(
        source=source,
        fields=block.read("fields", _fields, {}),
        keywords=block.read("keywords", paths, ()),
        placeholders=block.read("placeholders", _placeholders, {}),
        logsources=block.read("logsources", _logsources, ()),
        strict=strict,
    )
    block.check()
    return mapping


def _fields(raw: Any) -> dict[str, str]:
    block = Block(raw)
    found = {name: block.read(name, field_path) for name in raw} if isinstance(raw, Mapping) else {}
    block.check()
    return found


def _placeholders(raw: Any) -> dict[str, Sequence[str]]:
    block = Block(raw)
    names = raw if isinstance(raw, Mapping) else ()
    found: dict[str, Sequence[str]] = {name: block.read(name, _texts) for name in names}
    block.check()
    return found


def _texts(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not raw or not all(isinstance(item, str) for item in raw):
        raise ValueError(f"takes a list of texts, at least one, not {shown(raw)}")
    return tuple(raw)


def _logsources(raw: Any) -> tuple[Logsource, ...]:
    if not isinstance(raw, list):
        raise ValueError(f"takes a list of {{match, source}}, not {shown(raw)}")
    problems: list[tuple[str, str]] = []
    found = []
    for place, item in enumerate(raw):
        block = Block(item, str(place))
        found.append(
            Logsource(
                block.read("match", _match),
                block.text("source"),
                block.read("where", _where, {}),
                block.read("fields", _fields, {}),
                block.read("keywords", paths, ()),
                block.read("group_by", paths, ()),
                block.flag("cased", False),
            )
        )
        problems += block.finish()
    if problems:
        raise BlockErrors(problems)
    return tuple(found)


def _match(raw: Any) -> dict[str, str]:
    block = Block(raw)
    found = {word: block.text(word) for word in _WORDS if block.has(word)}
    if isinstance(raw, Mapping) and not raw:
        block.problem("", "names none of category, product and service")
    block.check()
    return found


def _where(raw: Any) -> dict[str, Any]:
    parse_where(raw)
    return dict(raw)
