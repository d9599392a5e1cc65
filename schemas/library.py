"""The schema files: ``<subject>/v<n>.avsc``, read, with their references to other subjects filled in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import fastavro

FOLDER = Path(__file__).parent
_VERSION = re.compile(r"v([1-9][0-9]*)\.avsc")


@dataclass(frozen=True)
class Library:
    """All schemas below ``folder``. Raises LookupError, with what there is, for what there is not."""

    folder: Path = FOLDER

    def subjects(self) -> tuple[str, ...]:
        """Every subject that has a version, sorted."""
        return tuple(sorted({path.parent.name for path in self.folder.glob("*/v*.avsc")}))

    def versions(self, subject: str) -> tuple[int, ...]:
        """The versions of a subject, lowest first."""
        found = [_VERSION.fullmatch(path.name) for path in (self.folder / subject).glob("v*.avsc")]
        versions = tuple(sorted(int(match[1]) for match in found if match))
        if not versions or subject not in self.subjects():
            raise LookupError(f"there is no schema {subject!r}; there are: {', '.join(self.subjects())}")
        return versions

    def text(self, subject: str, version: int | None = None) -> Any:
        """The file of a version (the highest one) as it stands, parsed as JSON."""
        versions = self.versions(subject)
        version = versions[-1] if version is None else version
        if version not in versions:
            raise LookupError(f"schema {subject!r} has no version {version}; it has: {', '.join(map(str, versions))}")
        return json.loads((self.folder / subject / f"v{version}.avsc").read_text("utf-8"))

    def document(self, subject: str, version: int | None = None) -> Any:
        """The schema, self-contained: each name in ``references`` is replaced by its definition, once."""
        return _fill(self._wanted(subject, version, {}), self.text(subject, version))

    def load(self, subject: str, version: int | None = None) -> dict[str, Any] | list[Any]:
        """The schema, parsed by fastavro: ready to encode with, and proof that it is valid Avro."""
        return cast("dict[str, Any] | list[Any]", fastavro.parse_schema(self.document(subject, version)))

    def examples(self, subject: str, quality: str) -> dict[str, Any]:
        """``valid`` or ``invalid`` examples by file name. Those of newer versions stand beside those of older ones."""
        paths = sorted((self.folder / subject / "examples" / quality).glob("*.json"))
        return {path.stem: json.loads(path.read_text("utf-8")) for path in paths}

    def _wanted(self, subject: str, version: int | None, into: dict[str, Any]) -> dict[str, Any]:
        text = self.text(subject, version)
        for reference in text.get("references", ()) if isinstance(text, dict) else ():
            if reference["name"] not in into:
                into[reference["name"]] = self.text(reference["subject"], reference["version"])
                self._wanted(reference["subject"], reference["version"], into)
        return into


def _fill(wanted: dict[str, Any], node: Any) -> Any:
    """``node`` with names defined in ``wanted`` put in place; takes them out, so that each is defined once."""
    if isinstance(node, str):
        return _fill(wanted, wanted.pop(node)) if node in wanted else node
    if isinstance(node, list):
        return [_fill(wanted, item) for item in node]
    filled = {name: value for name, value in node.items() if name != "references"}
    if "fields" in filled:
        filled["fields"] = [{**field, "type": _fill(wanted, field["type"])} for field in filled["fields"]]
    for name in ("type", "items", "values"):
        if name in filled:
            filled[name] = _fill(wanted, filled[name])
    return filled


def definitions(node: Any, into: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every named type that a self-contained schema defines."""
    into = {} if into is None else into
    if isinstance(node, list):
        for item in node:
            definitions(item, into)
    elif isinstance(node, dict):
        if node.get("type") in ("record", "enum", "fixed"):
            into[node["name"]] = node
        for field in node.get("fields", ()):
            definitions(field["type"], into)
        for name in ("type", "items", "values"):
            definitions(node.get(name), into)
    return into


@lru_cache(maxsize=256)
def checked(library: Library, subject: str, version: int | None) -> tuple[Any, dict[str, Any]]:
    """A self-contained schema that fastavro has accepted, and its named types. Read once."""
    library.load(subject, version)
    document = library.document(subject, version)
    return document, definitions(document)
