"""Mappings by name and from files: found, or refused with all that is wrong and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.codec.cloudtrail import cloudtrail
from streams.codec.mapping import Mapping, MappingErrors
from streams.codec.registry import mapping_named_or_file
from streams.errors import USAGE, ConfigError


def test_names() -> None:
    assert mapping_named_or_file("json") is None
    assert mapping_named_or_file("cloudtrail") is cloudtrail


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("\ufeffactor: user.name\nevent_time: {path: ts, format: epoch_s}\n", "utf-8")
    mapping = mapping_named_or_file(str(file))
    assert isinstance(mapping, Mapping)
    assert mapping(b'{"ts":1,"user":{"name":"ada"}}')["actor"] == "ada"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("cloudtrial", "did you mean cloudtrail?"),
        ("splunk", "there are json, cloudtrail"),
        ("", "there are"),
        ("x\0y", ""),
    ],
)
def test_an_unknown_name_says_what_there_is(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="no mapping and no file") as caught:
        mapping_named_or_file(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"actor: [", r"own.yaml:1: is not YAML"),
        (b"a: b\n\tc: d", r"own.yaml:2: is not YAML"),
        (b"\xff\xfe", "own.yaml:1: is not UTF-8"),
        (b"\x00", "own.yaml:1: is not YAML"),
        (b"", "own.yaml:1: holds no mapping"),
        (b"# nothing\n- a\n- b", "own.yaml:2: holds no mapping"),
        (b"a: !!python/name:os.system", "own.yaml:1: has the tag"),
        (b"a: " + b"[" * 20_000, "nests deeper"),
        (b"x" * 1_000_001, "is larger than"),
        (b"--- {a: b}\n--- {c: d}", "another document"),
        (b"a: b\nc: d\na: e", r"own.yaml:3: says 'a' twice"),
        (b"? [a, b]\n: c", "own.yaml:1: has a name that is no plain text"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_where(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        mapping_named_or_file(str(file))
    assert caught.value.status == USAGE


def test_problems_have_the_line_they_stand_in(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("actor: user.name\n\nevent_time:\n  path: ts\n  format: noon\nx.y: z\nq: {pat: 1}\n", "utf-8")
    with pytest.raises(MappingErrors) as caught:
        mapping_named_or_file(str(file))
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(": ")[0].strip().rpartition(":")[2] for line in lines] == ["5", "6", "7", "7"]
    assert [line.split(": ")[1] for line in lines] == ["event_time.format", "x.y", "q.pat", "q"]


def test_a_folder_and_a_dangling_link_are_no_mappings(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(ConfigError, match="cannot be read"):
            mapping_named_or_file(str(path))
