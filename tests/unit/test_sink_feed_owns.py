"""What a sink is told of the partitions its worker reads."""

from __future__ import annotations

from pathlib import Path

from connectors.context import SinkContext
from connectors.registry import parse_sinks
from streams.runtime.names import Names
from streams.runtime.sink_feed import SinkFeed


def test_a_sink_can_ask_at_any_time_whether_its_worker_still_reads_a_partition(tmp_path: Path) -> None:
    (config,) = parse_sinks([{"name": "c", "type": "console"}])
    feed = SinkFeed(config, SinkContext("c", tmp_path), {}, Names("app", "t."), "w1", lambda _: None)
    owns = feed._context.owns
    assert not owns("notifications", 0)
    feed._kafka.owned.add(("notifications", 0))
    assert owns("notifications", 0)
    assert not owns("notifications", 1)
    feed._kafka.owned.discard(("notifications", 0))
    assert not owns("notifications", 0)


def test_without_a_feed_there_is_one_worker_that_reads_everything(tmp_path: Path) -> None:
    assert SinkContext("c", tmp_path).owns("notifications", 7)
