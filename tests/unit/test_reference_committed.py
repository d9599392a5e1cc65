"""Generated files go where they are committed, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.reference.committed import write_into


def test_each_text_stands_under_its_name(tmp_path: Path) -> None:
    paths = write_into(tmp_path, {"a.md": "é\n", "below/b.md": "b\n"})
    assert [(path.relative_to(tmp_path).as_posix(), path.read_bytes()) for path in paths] == [
        ("a.md", "é\n".encode()),
        ("below/b.md", b"b\n"),
    ]


def test_where_nothing_can_be_written_the_error_names_the_file_and_what_the_option_is_for(tmp_path: Path) -> None:
    (tmp_path / "docs").write_text("a file, no folder")
    with pytest.raises(ConfigError, match=r"docs/a\.md: cannot be written: ") as refused:
        write_into(tmp_path / "docs", {"a.md": ""})
    assert refused.value.hint == "--write is for checkouts"
