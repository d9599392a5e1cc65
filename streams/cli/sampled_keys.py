"""A sample of every partition of the sources: whether producers key their records as ``partition_by`` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.cli.cluster_topics import Difference
from streams.detect.placement import Misplaced, Placement
from streams.errors import ClusterError
from streams.model import Source
from streams.replay.topics import Topic, TopicRange
from streams.runtime.names import Names


def misplaced_keys(
    options: Mapping[str, Any], names: Names, sources: Sequence[Source], sample: int
) -> list[Difference]:
    """What is wrong, by source, in the last ``sample`` records of each partition. Missing topics are left out."""
    found = []
    for source in sources:
        name = names.topic(source.topic)
        try:
            topic = Topic(options, TopicRange(name))
        except ClusterError:
            continue  # it was named as missing
        try:
            misplaced = _look(topic, source, sample)
        finally:
            topic.close()
        if misplaced:
            fields = ", ".join(source.partition_by)
            found.append(
                Difference(
                    name,
                    f"{len(misplaced)} keys ({fields}) stand in more than one partition; for example {misplaced[0]}",
                    f"let the producer key its records by {fields}, or set sources.{source.name}.partition_by to what "
                    "it keys them by",
                )
            )
    return found


def _look(topic: Topic, source: Source, sample: int) -> list[Misplaced]:
    topic.ranges = {number: (max(begin, end - sample), end) for number, (begin, end) in topic.ranges.items()}
    placement = Placement(source, limit=sample * len(topic.ranges))
    return [
        misplaced
        for number in topic.ranges
        for batch in topic.batches(number)
        for misplaced in placement.sample(number, batch, every=1)
    ]
