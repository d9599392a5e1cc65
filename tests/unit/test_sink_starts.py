"""Where a sink begins: behind what it committed, and never anew because the group could not say where that is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException

from connectors.context import SinkContext
from connectors.offsets import Commit
from connectors.registry import parse_sinks
from streams.runtime.names import Names
from streams.runtime.sink_feed import SinkFeed


class Group:
    """What a consumer knows of its group: one partition, with an offset or an error."""

    def __init__(self, offset: int, error: KafkaError | None = None) -> None:
        self.told = SimpleNamespace(topic="t.notifications", partition=0, offset=offset, metadata="", error=error)
        self.committed_by_us: list[int] = []

    def committed(self, *_: Any) -> list[SimpleNamespace]:
        return [self.told]

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        return 100, 200

    def commit(self, offsets: list[Any], **_: Any) -> None:
        self.committed_by_us += [one.offset for one in offsets]


def begin(tmp_path: Path, group: Group, start: str) -> tuple[list[int], Any]:
    (config,) = parse_sinks([{"name": "c", "type": "console", "start": start}])
    feed = SinkFeed(config, SinkContext("c", tmp_path), {}, Names("app", "t."), "w1", lambda _: None)
    starts = feed._kafka._starts(group, [group.told])  # type: ignore[arg-type, list-item]
    return [one.offset for one in starts], feed._kafka


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_it_goes_on_where_it_was(start: str, tmp_path: Path) -> None:
    starts, source = begin(tmp_path, group := Group(150), start)
    assert starts == [150]
    assert group.committed_by_us == []
    assert source.resumed == [("notifications", 0, Commit(150))]


@pytest.mark.parametrize(("start", "offset"), [("earliest", 100), ("latest", 200)])
def test_at_first_it_begins_as_it_is_told_and_says_so(start: str, offset: int, tmp_path: Path) -> None:
    starts, _ = begin(tmp_path, group := Group(OFFSET_INVALID), start)
    assert starts == group.committed_by_us == [offset]


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_a_partition_whose_offset_cannot_be_told_is_not_begun_anew(start: str, tmp_path: Path) -> None:
    group = Group(OFFSET_INVALID, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(KafkaException):
        begin(tmp_path, group, start)
    assert group.committed_by_us == []
