"""``python -m schemas.compatibility``: whether records of one version of a schema can be read under the next.

Every version is held against the one before, in both directions (FULL), by Apache Avro's own checker; and, as our
records are JSON, for what Avro does not see: defaults, order in arrays, what else may stand in a record. A version in
``published.json`` never changes again. ``--publish`` puts all versions there that are not: do it with a release.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from schemas.library import FOLDER, Library, definitions

PUBLISHED = "published.json"


def fingerprint(document: Any) -> str:
    """Hash of a schema file's meaning: layout and ``doc`` may be improved at any time."""
    text = json.dumps(_without_doc(document), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _without_doc(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_doc(item) for item in node]
    if not isinstance(node, dict):
        return node
    # `default` and `symbols` are data: a map's default could have a key called doc.
    return {
        name: value if name in ("default", "symbols") else _without_doc(value)
        for name, value in node.items()
        if name != "doc" or not isinstance(value, str)
    }


def check(library: Library, published: Mapping[str, str], committed: Mapping[str, str] | None = None) -> list[str]:
    """Everything that is wrong, as one line each. ``committed``: ``published`` as the main branch has it."""
    found: list[str] = []
    for subject in library.subjects():
        versions = library.versions(subject)
        if versions != tuple(range(1, len(versions) + 1)):
            found.append(f"{subject}: the versions have gaps: {', '.join(f'v{version}' for version in versions)}")
        broken = False
        for version in versions:
            try:
                library.load(subject, version)
            except Exception as error:  # fastavro raises a dozen kinds; each is one line here
                found.append(f"{subject}/v{version}: {type(error).__name__}: {error}")
                broken = True
        if not broken:
            for old, new in pairwise(versions):
                found.extend(_compare(library, subject, old, new))
    found.extend(_unchanged(library, published, committed or {}))
    return found


def _unchanged(library: Library, published: Mapping[str, str], committed: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*published, *committed}):
        hash_ = committed.get(name, published.get(name))
        if published.get(name) != hash_:
            yield f"{name}: {PUBLISHED} was edited; put its entry back"
        subject, _, version = name.rpartition("/v")
        try:
            text = library.text(subject, int(version))
        except (LookupError, ValueError) as error:
            yield f"{name}: was published and is gone or unreadable ({error}); put it back"
            continue
        if fingerprint(text) != hash_:
            newer = library.versions(subject)[-1] + 1
            yield f"{name}: was changed after it was published; put it back and add v{newer}"


def _compare(library: Library, subject: str, old: int, new: int) -> Iterator[str]:
    before, after = library.document(subject, old), library.document(subject, new)
    for reader, writer, what in (
        (after, before, f"v{new} cannot read records of v{old}"),
        (before, after, f"v{old} cannot read records of v{new}"),
    ):
        for where, why in _avro(reader, writer):
            yield f"{subject}: {what}: {where}: {why}"
    for where, why in _json_differences(before, after):
        yield f"{subject}: v{old} -> v{new}: {where}: {why}"


def _avro(reader: Any, writer: Any) -> list[tuple[str, str]]:
    """Incompatibilities by Apache Avro's checker: (place in the schema, what)."""
    try:
        from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
        from avro.schema import parse
    except ImportError:
        raise SystemExit("schemas.compatibility needs Apache Avro: pip install 'avro>=1.12' (the dev extra)") from None
    checker: Any = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro ships no types
    result = checker.get_compatibility(parse(json.dumps(reader)), parse(json.dumps(writer)))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = ", ".join(sorted({kind.value.replace("_", " ") for kind in result.incompatibilities}))
    why = f"{kinds}: {'; '.join(sorted(result.messages))}"
    return [(_named(reader, where), why) for where in sorted(result.locations)]


def _named(schema: Any, location: str) -> str:
    """``/fields/3/type/symbols`` with field names instead of numbers, as far as the way is plain."""
    node, words = schema, []
    for step in location.strip("/").split("/"):
        if isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
            if isinstance(node, dict) and "name" in node:
                words.append(str(node["name"]))
                continue
        elif isinstance(node, dict) and step in node:
            node = node[step]
        words += [step] if step and step != "fields" else []
    return ".".join(words) or "the record"


def _json_differences(before: Any, after: Any) -> Iterator[tuple[str, str]]:
    """What breaks JSON records though Avro allows it: (type and field, what)."""
    new_types = definitions(after)
    for name, old in definitions(before).items():
        new = new_types.get(name)
        if old["type"] != "record" or new is None or new["type"] != "record":
            continue
        if old.get("tocsin") != new.get("tocsin"):
            yield name, f"was {old.get('tocsin', 'closed')} and is {new.get('tocsin', 'closed')}"
        fields, now = ({field["name"]: field for field in record["fields"]} for record in (old, new))
        if old.get("tocsin") == "array" and list(now)[: len(fields)] != list(fields):
            yield name, "stands as an array: fields may only be added at its end"
        for field in fields.keys() & now.keys():
            yield from _field_differences(f"{name}.{field}", fields[field], now[field])


def _field_differences(where: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "default" in old and "default" not in new:
        yield where, "lost its default: records leave out what has one"
    elif "default" in old and json.dumps(old["default"]) != json.dumps(new["default"]):
        yield (
            where,
            (
                f"its default changed from {json.dumps(old['default'])} to {json.dumps(new['default'])}: "
                "records that left it out would change their meaning"
            ),
        )
    if _marks(old["type"]) != _marks(new["type"]):
        yield where, f"was {_said(_marks(old['type']))} and is {_said(_marks(new['type']))}"


def _marks(node: Any) -> list[tuple[str, Any]]:
    """The properties by which JSON differs from Avro, in order, records apart (they are compared by name)."""
    if isinstance(node, list):
        return [mark for item in node for mark in _marks(item)]
    if not isinstance(node, dict) or node.get("type") == "record":
        return []
    own = [(name, node[name]) for name in ("tocsin", "minimum", "logicalType") if name in node]
    return own + [mark for name in ("type", "items", "values") for mark in _marks(node.get(name))]


def _said(marks: list[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in marks) or "unmarked"


def _committed() -> dict[str, str] | None:
    """``published.json`` of the main branch (or of HEAD); None outside a repository."""
    for branch in ("main", "HEAD"):
        show = ["git", "-C", str(FOLDER), "show", f"{branch}:./{PUBLISHED}"]
        try:
            shown = subprocess.run(show, capture_output=True, text=True, check=False)
        except OSError:
            return None
        if shown.returncode == 0:
            return dict(json.loads(shown.stdout))
    return None


def main(argv: list[str] | None = None) -> int:
    """Prints what is wrong; 0: nothing, 1: something."""
    parser = argparse.ArgumentParser(prog="python -m schemas.compatibility", description="Check the schemas.")
    parser.add_argument("--publish", action="store_true", help="freeze every version there is, if all is well")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    library, record = Library(options.folder), options.folder / PUBLISHED
    published = json.loads(record.read_text("utf-8")) if record.exists() else {}
    committed = _committed() if options.folder == FOLDER else None
    if found := check(library, published, committed):
        print(*(f"schemas: {line}" for line in found), sep="\n", file=sys.stderr)
        return 1
    names = {f"{subject}/v{n}": (subject, n) for subject in library.subjects() for n in library.versions(subject)}
    drafts = sorted(set(names) - set(published))
    if options.publish:
        hashes = {name: fingerprint(library.text(*names[name])) for name in names}
        record.write_text(json.dumps(hashes, indent=2, sort_keys=True) + "\n", "utf-8")
        print(f"schemas: {len(drafts)} published: {', '.join(drafts) or 'none'}")
    else:
        print(f"schemas: {len(names)} versions are compatible; not published: {', '.join(drafts) or 'none'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
