"""What must be looked at on the cluster from time to time, off the source thread.

Static members with cooperative-sticky can orphan a partition: a member that dies between being asked to revoke and
joining again gets its smaller assignment back without a rebalance, and what it was to hand on belongs to nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from streams import telemetry


@dataclass(frozen=True, slots=True)
class Sight:
    """``orphans``: partitions nobody has, seen on two looks in a stable group. ``first``: we are the member to act."""

    joined: bool
    orphans: frozenset[tuple[str, int]]
    first: bool
    counts: dict[str, int]  #: partitions per topic, as the cluster has them now


class Lookout:
    """Looks every few seconds; ``sight`` is the last one, None before the first."""

    def __init__(
        self, options: Mapping[str, Any], group: str, identity: str, topics: list[str], every: float = 3.0
    ) -> None:
        self._admin = AdminClient(dict(options))
        self._group, self._identity, self._topics, self._every = group, identity, topics, every
        self._before: frozenset[tuple[str, int]] = frozenset()
        self.sight: Sight | None = None
        self._stopping = threading.Event()
        threading.Thread(target=self._run, name="lookout", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Until the first sight readiness waits for it: look often.
            if self._stopping.wait(0.2 if self.sight is None or not self.sight.joined else self._every):
                return
            try:
                self.sight = self._look()
            except KafkaException as error:
                telemetry.log.debug("lookout could not see", error=str(error))
            except Exception as error:  # this thread must go on: readiness and orphans depend on what it sees
                telemetry.log.warning("lookout failed", error=f"{type(error).__name__}: {error}")

    def _look(self) -> Sight:
        group = self._admin.describe_consumer_groups([self._group], request_timeout=5)[self._group].result(10)
        metadata = self._admin.list_topics(timeout=5).topics
        counts = {topic: len(metadata[topic].partitions) for topic in self._topics if topic in metadata}
        owned = {(tp.topic, tp.partition) for member in group.members for tp in member.assignment.topic_partitions}
        every = {(topic, number) for topic, n in counts.items() for number in range(n)}
        members = sorted(member.group_instance_id or "" for member in group.members)
        stable = group.state == ConsumerGroupState.STABLE
        missing = frozenset(every - owned) if stable else frozenset()
        orphans, self._before = missing & self._before, missing
        return Sight(stable and self._identity in members, orphans, members[:1] == [self._identity], counts)
