"""The parts of a replay: places in topics, the spool between the stages, and the comparison with live topics."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from streams.errors import ConfigError
from streams.replay import spool as spools
from streams.replay.compare import compared
from streams.replay.moments import parse_moment, rfc3339
from streams.replay.spool import Spool, Waiting, merged
from streams.replay.topics import Point, TopicRange, parse_point, parse_range


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("earliest", Point("earliest")),
        ("latest", Point("latest")),
        ("0", Point(offset=0)),
        ("42", Point(offset=42)),
        ("0:100,3:7", Point(offsets=((0, 100), (3, 7)))),
        ("2024-01-01T00:00:00Z", Point(time=1_704_067_200_000)),
        ("2024-01-01T01:00:00.5+01:00", Point(time=1_704_067_200_500)),
    ],
)
def test_places_in_a_topic(text: str, point: Point) -> None:
    assert parse_point(text) == point


@pytest.mark.parametrize(
    "text", ["", "-1", "yesterday", "2024-01-01", "2024-01-01T00:00:00", "1969-01-01T00:00:00Z", "0:", "9" * 30, "1,2"]
)
def test_what_is_no_place_says_what_is(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_point(text)
    assert "earliest" in error.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("audit.events", TopicRange("audit.events")),
        ("a@5..9", TopicRange("a", Point(offset=5), Point(offset=9))),
        ("a@..9", TopicRange("a", Point("earliest"), Point(offset=9))),
        ("a@5..", TopicRange("a", Point(offset=5), Point("latest"))),
        ("a@2024-01-01T00:00:00Z..latest", TopicRange("a", Point(time=1_704_067_200_000), Point("latest"))),
    ],
)
def test_stretches_of_a_topic(text: str, expected: TopicRange) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize("text", ["", "no topic", "a/b", "a@5", "a@5..x", "ä", "@1..2", "a" * 250])
def test_what_is_no_stretch_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_range(text)


@pytest.mark.parametrize("ms", [0, 1, 999, 1_704_067_200_123, 253_402_300_799_999])
def test_times_go_out_as_they_come_in(ms: int) -> None:
    assert parse_moment(rfc3339(ms)) == ms


def test_a_spool_gives_back_what_was_put_in_also_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_IN_MEMORY", 1000)
    rng = random.Random(1)
    given = [Waiting(n, rng.randbytes(rng.randrange(9)), rng.randbytes(rng.randrange(300))) for n in range(500)]
    spool = Spool()
    for waiting in given:
        spool.add(waiting)
    assert spool.count == 500
    assert list(spool) == given


def test_merged_streams_keep_their_own_order_and_ties_go_to_the_first() -> None:
    streams = [Spool(), Spool()]
    for at, key in ((5, b"a"), (3, b"b"), (9, b"c")):
        streams[0].add(Waiting(at, key, b""))
    for at, key in ((5, b"x"), (6, b"y")):
        streams[1].add(Waiting(at, key, b""))
    assert [waiting.key for waiting in merged(streams)] == [b"a", b"b", b"x", b"y", b"c"]


def record(**more: object) -> tuple[bytes, bytes]:
    return b"key", msgspec.json.encode(more)


def test_equal_topics_have_no_differences() -> None:
    records = Counter([record(id="a", version=1), record(id="a", version=2), record(record="finding", id="f")])
    assert compared("alerts", records, Counter(records)) == []


@pytest.mark.parametrize(
    ("live", "replayed", "says"),
    [
        ([], [record(id="a", version=3)], "a#3 is missing"),
        ([record(id="a", version=3)], [], "a#3 was written 1 times more"),
        ([record(id="a")] * 2, [record(id="a")], "a was written 1 times more"),
        ([record(id="a", n=1)], [record(id="a", n=2)], "a differs"),
        ([record(command_id="c")], [], "c was written"),
        ([(b"k", b"\xff\xfe")], [], "was written"),
    ],
)
def test_each_difference_is_named(
    live: list[tuple[bytes, bytes]], replayed: list[tuple[bytes, bytes]], says: str
) -> None:
    lines = compared("alerts", Counter(live), Counter(replayed))
    assert len(lines) == 1
    assert says in lines[0]


def test_many_differences_are_counted_after_the_first_ones() -> None:
    lines = compared("alerts", Counter(record(id=str(n)) for n in range(1000)), Counter())
    assert len(lines) == 21
    assert lines[-1].endswith("and 980 more")
