"""Files of events: what is read, in which order, at what time, and what is refused before anything is read."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from streams.codec.cloudtrail import cloudtrail
from streams.errors import ConfigError
from streams.replay.files import MAX_LINE, Merged, event_time_of, open_file

T0 = 1_704_067_200_000
HOUR = 3_600_000


def write(path: Path, *lines: bytes | dict[str, Any], end: bytes = b"\n") -> Path:
    path.write_bytes(b"".join((json.dumps(line).encode() if isinstance(line, dict) else line) + end for line in lines))
    return path


def event(at: int | str | None, **more: Any) -> dict[str, Any]:
    return {"event_time": at, **more}


def read(*paths: Path) -> list[tuple[int, bytes | None, int]]:
    return [record for chunk in Merged([open_file(path) for path in paths]).chunks() for record in chunk]


def times(*paths: Path) -> list[int]:
    return [at - T0 for _, _, at in read(*paths)]


def test_lines_keep_their_numbers_though_blank_ones_are_skipped(tmp_path: Path) -> None:
    file = open_file(write(tmp_path / "a", b"", event(T0), b"   \t", event(T0 + 1), b""))
    assert [(line.number, line.at - T0) for line in file.lines()] == [(2, 0), (4, 1)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_and_a_byte_order_mark_are_no_part_of_the_event(tmp_path: Path, end: bytes) -> None:
    path = write(tmp_path / "a", event(T0), event(T0 + 5), end=end)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [json.loads(value or b"") for _, value, _ in read(path)] == [event(T0), event(T0 + 5)]


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    assert times(write(tmp_path / "a", event(T0), b'{"event_time": %d}' % (T0 + 7), end=b"\n")) == [0, 7]
    (tmp_path / "b").write_bytes(b'{"event_time": %d}\n{"event_time": %d}' % (T0, T0 + 7))
    assert times(tmp_path / "b") == [0, 7]


def test_positions_name_the_content_and_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"", event(T0), event(T0 + 1))
    merged = Merged([open_file(path)])
    list(merged.chunks())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert [merged.origin(n) for n in (0, 1)] == [f"file:{digest}:2", f"file:{digest}:3"]


def test_a_packed_file_has_the_positions_of_its_content(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.jsonl", event(T0), event(T0 + 1))
    (tmp_path / "whatever").write_bytes(gzip.compress(plain.read_bytes()))
    assert open_file(tmp_path / "whatever").sha256 == open_file(plain).sha256
    assert read(tmp_path / "whatever") == read(plain)


def test_files_are_merged_by_time_and_each_keeps_its_own_order(tmp_path: Path) -> None:
    one = write(tmp_path / "1", *(event(T0 + at, file=1) for at in (0, 30, 10, 40)))
    two = write(tmp_path / "2", *(event(T0 + at, file=2) for at in (0, 20, 40)))
    got = [(json.loads(value or b"")["file"], at - T0) for _, value, at in read(one, two)]
    assert got == [(1, 0), (2, 0), (2, 20), (1, 30), (1, 10), (1, 40), (2, 40)]
    merged = Merged([open_file(one), open_file(two)])
    offsets = [offset for chunk in merged.chunks() for offset, _, _ in chunk]
    assert offsets == list(range(7))
    assert len({merged.origin(offset) for offset in offsets}) == 7
    assert merged.origin(2) == f"file:{open_file(two).sha256}:2"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0, None, 20], [0, 0, 20]),  # none of its own: that of the line before
        ([None, None, 20], [20, 20, 20]),  # none before: one of the lines after
        ([None], [-T0]),  # none anywhere
        ([0, "later", 20], [0, 0, 20]),
        ([0, 10, 5, 20], [0, 10, 5, 20]),  # a little disorder is a fact
    ],
)
def test_a_record_stands_at_its_events_time(tmp_path: Path, given: list[Any], expected: list[int]) -> None:
    lines = [event(at if at is None or isinstance(at, str) else T0 + at) for at in given]
    assert times(write(tmp_path / "a", *lines)) == expected


def test_an_unreadable_line_stands_where_the_one_before_it_does(tmp_path: Path) -> None:
    assert times(write(tmp_path / "a", event(T0), event(T0 + 9), b"{broken", b'"text"', b"\xff\xfe", event(T0 + 10))) == [
        0, 9, 9, 9, 9, 10,
    ]  # fmt: skip


def test_one_clock_in_the_far_future_is_not_believed(tmp_path: Path) -> None:
    far = 4_070_908_800_000  # 2099
    lines = [event(T0), event(far), event(far + 1), *(event(T0 + n) for n in range(1, 12))]
    assert max(times(write(tmp_path / "a", *lines))) < HOUR


def test_a_real_gap_in_time_is_believed(tmp_path: Path) -> None:
    lines = [event(T0), *(event(T0 + 48 * HOUR + n) for n in range(12)), event(T0 + 100 * HOUR)]
    assert times(write(tmp_path / "a", *lines)) == [0, *(48 * HOUR + n for n in range(12)), 100 * HOUR]


@pytest.mark.parametrize(
    ("raw", "mapping", "at"),
    [
        (b'{"event_time": 5}', None, 5),
        (b'{"event_time": 5.0, "x": [1, {"event_time": 9}]}', None, 5),
        (b'{"event_time": "1970-01-01T00:00:01Z"}', None, 1000),
        (b'{"event_time": true}', None, None),
        (b'{"event_time": 1e999}', None, None),
        (b'{"event_time": NaN}', None, None),
        (b'{"event_time": -1}', None, None),
        (b'{"event_time": {"event_time": 1}}', None, None),
        (b'[{"event_time": 1}]', None, None),
        (b"[" * 100_000, None, None),
        (b"", None, None),
        (b'{"eventTime": "1970-01-01T00:00:02Z", "eventID": "x", "eventName": "y"}', cloudtrail, 2000),
        (b"nothing", cloudtrail, None),
    ],
)
def test_event_times_are_read_where_they_can_be(raw: bytes, mapping: Any, at: int | None) -> None:
    assert event_time_of(raw, mapping) == at


def test_a_huge_line_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"event_time": %d, "x": "%s"}\n{"event_time": %d}\n' % (T0, b"y" * (2 * MAX_LINE), T0 + 3))
    records = read(path)
    assert [len(value or b"") for _, value, _ in records] == [MAX_LINE, len(b'{"event_time": %d}' % T0)]
    assert records[1][2] == T0 + 3


def test_ten_megabytes_are_an_ordinary_event(tmp_path: Path) -> None:
    path = write(tmp_path / "a", event(T0, blob="z" * 10_000_000), event(T0 + 1))
    assert times(path) == [0, 1]
    assert json.loads(read(path)[0][1] or b"")["blob"][-1] == "z"


def test_a_file_without_a_line_has_no_records(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("blank", b"\n\r\n  \n")):
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.write_bytes(b"\x7fELF\x00\x00\x01"), "binary"),
        (lambda path: path.write_bytes("{}\n".encode("utf-16")), "UTF-16"),
        (lambda path: path.write_bytes(gzip.compress(os.urandom(9000).hex().encode())[:-20]), "ends too early"),
        (lambda path: path.write_bytes(b"\x1f\x8bnot really"), "damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"\0\0\0")), "binary"),
    ],
)
def test_what_is_no_file_of_lines_is_refused_in_one_sentence(tmp_path: Path, make: Any, says: str) -> None:
    make(tmp_path / "x")
    with pytest.raises(ConfigError, match=says) as error:
        open_file(tmp_path / "x")
    assert str(tmp_path / "x") in error.value.message
    assert "\n" not in error.value.message


def test_payloads_of_a_column_come_out_as_lines_however_long_and_of_whatever_bytes(tmp_path: Path) -> None:
    payloads = [b'{"n":%d}' % n for n in range(40)]
    payloads[3], payloads[7] = b'{"x":"' + b"y" * 3_000_000 + b'"}', b'{"a":\r\n1}'
    rows: list[Any] = [*payloads, None, b"\xff"]
    expected = [*payloads[:7], b'{"a":  1}', *payloads[8:], b"\xff"]  # of nothing there is no record
    for name, kind, some in (
        ("b", pyarrow.binary(), rows),
        ("s", pyarrow.string(), [one and one.decode() for one in rows[:-1]]),
    ):
        path = tmp_path / f"{name}.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"value": pyarrow.array(some, kind)}), path)
        assert [value for _, value, _ in read(path)] == expected[: len(some) - 1]
