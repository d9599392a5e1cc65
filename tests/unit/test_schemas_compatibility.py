"""The compatibility check finds each way to break a reader, and says what to do. Every test breaks a real copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.compatibility import PUBLISHED, check, fingerprint, main
from schemas.library import FOLDER, Library

#: Subjects with a second version.
SECOND = ("alert", "command", "finding", "notification", "operation")
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    (folder / PUBLISHED).unlink(missing_ok=True)
    for subject in SECOND:  # the tests write second versions of their own
        (folder / subject / "v2.avsc").unlink(missing_ok=True)
        shutil.rmtree(folder / subject / "examples")
    return folder


def edit(folder: Path, subject: str, change: Change, version: int = 1, to: int | None = None) -> None:
    source = folder / subject / f"v{version}.avsc"
    document = json.loads(source.read_text("utf-8"))
    change(document)
    (folder / subject / f"v{to or version}.avsc").write_text(json.dumps(document), "utf-8")


def field(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in document["fields"] if field["name"] == name)


def add(name: str, type_: Any = "string", **more: Any) -> Change:
    return lambda document: document["fields"].append({"name": name, "type": type_, **more})


def drop(name: str) -> Change:
    return lambda document: document["fields"].remove(field(document, name))


def put(name: str, **changes: Any) -> Change:
    return lambda document: field(document, name).update(changes)


def step(change: Change) -> Change:
    return lambda document: change(field(document, "steps")["type"]["items"])


def symbol(document: dict[str, Any]) -> None:
    field(document, "status")["type"]["symbols"].append("snoozed")


def symbol_without_default(document: dict[str, Any]) -> None:
    field(document, "kind")["type"]["symbols"].append("hint")


def closed(document: dict[str, Any]) -> None:
    del document["tocsin"]


def no_default(document: dict[str, Any]) -> None:
    del field(document, "runbook")["default"]


def swap(document: dict[str, Any]) -> None:
    document["fields"][1], document["fields"][2] = document["fields"][2], document["fields"][1]


@pytest.mark.parametrize(
    ("subject", "change"),
    [
        ("alert", add("snoozed_until", ["null", "long"], default=None)),
        ("alert", symbol),  # has a default, so old readers know what to make of it
        ("alert", drop("runbook")),  # has a default, so old readers fill it in
        ("audit.events", add("device", ["null", "string"], default=None)),
        ("journal", step(add("shard", "int", default=0))),
    ],
)
def test_a_compatible_second_version_passes(copy: Path, subject: str, change: Change) -> None:
    edit(copy, subject, change, to=2)
    assert check(Library(copy), {}) == []


@pytest.mark.parametrize(
    ("subject", "change", "found"),
    [
        ("alert", add("owner"), "v2 cannot read records of v1"),  # backward
        ("alert", drop("title"), "v1 cannot read records of v2"),  # forward
        ("alert", put("count", type="string"), "type mismatch"),
        ("alert", put("id", type=["null", "string"]), "v1 cannot read records of v2"),
        ("finding", symbol_without_default, "missing enum symbols"),
        ("alert", put("runbook", default="none"), 'its default changed from "" to "none"'),
        ("alert", no_default, "tocsin.Alert.runbook: lost its default"),
        ("audit.events", closed, "tocsin.AuditEvent: was open and is closed"),
        ("journal", step(swap), "stands as an array: fields may only be added at its end"),
        ("journal", step(lambda d: d["fields"].insert(0, {"name": "z", "type": "int", "default": 0})), "at its end"),
        ("finding", put("observed", type="string"), "tocsin.Finding.observed: was tocsin json and is unmarked"),
        ("alert", put("count", type={"type": "long", "minimum": 1}), "was minimum 0 and is minimum 1"),
    ],
)
def test_a_second_version_that_breaks_a_reader_is_found(copy: Path, subject: str, change: Change, found: str) -> None:
    edit(copy, subject, change, to=2)
    lines = check(Library(copy), {})
    assert any(found in line for line in lines), lines
    assert all(line.startswith(f"{subject}: ") for line in lines)


def test_a_break_inside_a_referenced_schema_is_found_where_it_is_taken_up(copy: Path) -> None:
    edit(copy, "alert", add("owner"), to=2)
    edit(copy, "notification", lambda d: d["references"][0].update(version=2), to=2)
    lines = check(Library(copy), {})
    assert any(line.startswith("notification: v2 cannot read records of v1") for line in lines), lines


def test_gaps_and_unreadable_files_are_problems_not_tracebacks(copy: Path) -> None:
    (copy / "alert" / "v3.avsc").write_text("{}", "utf-8")
    (copy / "command" / "v1.avsc").write_text("{nonsense", "utf-8")
    lines = check(Library(copy), {})
    assert any("alert: the versions have gaps: v1, v3" in line for line in lines)
    assert any(line.startswith("alert/v3: ") for line in lines)
    assert any(line.startswith("command/v1: JSONDecodeError") for line in lines)


def test_a_published_version_never_changes(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(copy), "--publish"]) == 0
    published = json.loads((copy / PUBLISHED).read_text("utf-8"))
    library = Library(copy)
    versions = {f"{subject}/v{n}" for subject in library.subjects() for n in library.versions(subject)}
    assert set(published) == versions
    assert main(["--folder", str(copy)]) == 0
    edit(copy, "delivery", put("error", doc="another comment"))  # words may be improved
    assert main(["--folder", str(copy)]) == 0
    edit(copy, "delivery", put("error", default="none"))
    capsys.readouterr()
    assert main(["--folder", str(copy)]) == 1
    assert "delivery/v1: was changed after it was published; put it back and add v3" in capsys.readouterr().err
    assert main(["--folder", str(copy), "--publish"]) == 1  # nor can it be published over


def test_a_published_version_stays(copy: Path) -> None:
    library = Library(copy)
    published = {"evidence/v1": fingerprint(library.text("evidence", 1))}
    edited = {"evidence/v1": "0" * 64}
    assert check(library, published, published) == []
    assert check(library, edited, published) == [f"evidence/v1: {PUBLISHED} was edited; put its entry back"]
    assert check(library, {}, published) == [f"evidence/v1: {PUBLISHED} was edited; put its entry back"]
    assert "was published and is gone" in check(library, {"evidence/v2": "0" * 64}, None)[0]


def test_the_schemas_of_this_repository_are_compatible(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().err
