"""What a sink remembers of its vendor: over restarts, and that nothing it meets on disk stops the sink."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from connectors.context import SinkContext
from connectors.remembered import Earlier, Remembered


def opened(tmp_path: Path, name: str = "ops") -> Remembered:
    memory = Remembered(SinkContext(name, tmp_path))
    memory.open()
    return memory


def test_it_survives_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.keep("n1", "ref", "a1", Earlier("C1", "17.1"))
    first.close()
    again = opened(tmp_path)
    assert (again.sent("n1"), again.sent("n2")) == ("ref", None)
    assert again.earlier("a1") == Earlier("C1", "17.1")
    again.forget("a1")
    assert again.earlier("a1") is None
    again.close()


def test_sinks_remember_apart(tmp_path: Path) -> None:
    one, other = opened(tmp_path, "one"), opened(tmp_path, "other")
    one.keep("n1", "ref")
    assert other.sent("n1") is None
    one.close()
    other.close()


def test_what_is_older_than_a_month_is_forgotten(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.keep("old", "ref")
    memory.keep("new", "ref")
    memory.close()
    with sqlite3.connect(tmp_path / "sinks/ops.sqlite") as db:
        db.execute("UPDATE sent SET at = ? WHERE key = 'old'", (time.time_ns() // 1_000_000 - 31 * 86_400_000,))
    db.close()
    memory = opened(tmp_path)
    assert (memory.sent("old"), memory.sent("new")) == (None, "ref")
    memory.close()


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_torn_file_is_thrown_away(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "sinks").mkdir()
    (tmp_path / "sinks/ops.sqlite").write_bytes(content)
    memory = opened(tmp_path)
    memory.keep("n1", "ref")
    assert memory.sent("n1") == "ref"
    memory.close()


def test_without_a_place_it_goes_on_without_memory(tmp_path: Path) -> None:
    (tmp_path / "sinks").write_text("a file where the folder should be")
    memory = opened(tmp_path)
    memory.keep("n1", "ref")
    assert memory.sent("n1") is None
    memory.forget("a1")
    memory.close()


@pytest.mark.parametrize("key", ["\ud800", "x" * 100_000, "'; DROP TABLE sent; --", "nul\0byte"])
def test_no_key_breaks_it(key: str, tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.keep(key, key, key, Earlier(key, key))
    assert memory.sent(key) in (key, None)
    memory.keep("n1", "ref")
    assert memory.sent("n1") == "ref"
    memory.close()
