"""The least that a durable stateful match can cost in Python: a reference beside the engine, in the same run.

The same records through the same generated decode and match. Then, for every rule that matches, one dictionary lookup
by actor and one append of the time to a list; what is dirty goes into a changelog, with the position, in one transaction
a second. No window, no order of time, no event ids, no lateness, no tenants, no bounds, no evidence, no errors, no group.

``together``: what the rules remember of an actor stands in one row, which is looked up once and written as one record.

    python -m tests.bench.plainest BOOTSTRAP TOPIC CHANGELOG EVENTS RULES MATCHES [together]
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from typing import Any

import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from streams.detect.registry import KINDS
from streams.model import Source
from streams.rules.compiled import compiled
from streams.rules.load import ruleset_from_documents
from tests.bench.rule_mix import rules
from tests.bench.traffic import PARTITIONS, ROOT

_KEPT = 20  #: times of a key
_TRANSACTION = 1.0  #: seconds


class Plainest:
    """The states of all rules over one topic."""

    def __init__(self, bootstrap: str, topic: str, changelog: str, number: int, matches: int) -> None:
        ruleset = ruleset_from_documents(rules(number, matches), KINDS)
        self._program = compiled(ruleset, Source("audit", topic, ("tenant", "actor")))
        self._rows = [self._program.row(index) for index in range(len(self._program.arms))]
        self._states: list[dict[Any, Any]] = [{} for _ in self._rows]
        self._dirty: list[dict[Any, Any]] = [{} for _ in self._rows]
        self._topic, self._changelog = topic, changelog
        self._next = dict.fromkeys(range(PARTITIONS), 0)
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": changelog, "enable.auto.commit": False,
            "isolation.level": "read_committed", "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 5,
            "fetch.max.bytes": 8 << 20, "queued.max.messages.kbytes": 65536,
        })  # fmt: skip
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        self._producer = Producer({
            "bootstrap.servers": bootstrap, "transactional.id": changelog, "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        })  # fmt: skip
        self._producer.init_transactions(30)
        self._producer.begin_transaction()

    def read(self) -> int:
        """One batch; returns its size."""
        messages = self._consumer.consume(5_000, 0.005)
        decode, match, take = self._program.decode, self._program.match, self.take
        for raw in map(Message.value, messages):
            event = decode(raw)
            if (matched := match(event)) is not None:
                take(event, matched)
        for message in messages[-1:]:
            self._next[message.partition() or 0] = (message.offset() or 0) + 1
        return len(messages)

    def take(self, event: Any, matched: tuple[int, ...]) -> None:
        at, states, dirty = event.event_time, self._states, self._dirty
        for index in matched:
            row = self._rows[index](event)
            times = states[index].get(row)
            if times is None:
                times = states[index][row] = []
            elif len(times) == _KEPT:
                del times[0]
            times.append(at)
            dirty[index][row] = times

    def commit(self) -> None:
        produce, changelog = self._producer.produce, self._changelog
        for number, dirty in enumerate(self._dirty):
            head = b"%d " % number
            for row, times in dirty.items():
                produce(changelog, orjson.dumps(times, option=orjson.OPT_NON_STR_KEYS), head + orjson.dumps(row))
            dirty.clear()
        positions = [TopicPartition(self._topic, partition, offset) for partition, offset in self._next.items()]
        self._producer.send_offsets_to_transaction(positions, self._consumer.consumer_group_metadata())
        self._producer.commit_transaction()
        self._producer.begin_transaction()

    def run(self, n: int) -> tuple[float, float]:
        """Wall and CPU seconds, from the first batch, scaled to all ``n``."""
        gc.freeze()
        gc.set_threshold(200_000, 50, 1_000)
        while not (first := self.read()):
            pass
        wall, cpu = time.monotonic(), time.process_time()
        done, begun = first, wall
        while done < n:
            done += self.read()
            if time.monotonic() - begun > _TRANSACTION:
                self.commit()
                begun = time.monotonic()
        self.commit()
        scale = n / (n - first)
        return (time.monotonic() - wall) * scale, (time.process_time() - cpu) * scale


class Together(Plainest):
    """One row an actor for all rules."""

    def take(self, event: Any, matched: tuple[int, ...]) -> None:
        row, at = self._rows[matched[0]](event), event.event_time
        of_rules = self._states[0].get(row)
        if of_rules is None:
            of_rules = self._states[0][row] = {}
        for index in matched:
            times = of_rules.get(index)
            if times is None:
                times = of_rules[index] = []
            elif len(times) == _KEPT:
                del times[0]
            times.append(at)
        self._dirty[0][row] = of_rules


def plainest(
    bootstrap: str, topic: str, changelog: str, n: int, number: int, matches: int, *, together: bool = False
) -> tuple[float, float]:
    """``Plainest.run`` as a process of its own."""
    command = [sys.executable, "-m", "tests.bench.plainest", bootstrap, topic, changelog]
    command += [*map(str, (n, number, matches)), *(["together"] if together else [])]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert "RESULT" in out.stdout, out.stderr[-2000:]
    wall, cpu = map(float, out.stdout.split("RESULT")[1].split())
    return wall, cpu


if __name__ == "__main__":
    at, source, log = sys.argv[1:4]
    events, loaded, matching = map(int, sys.argv[4:7])
    made = Together if sys.argv[7:] == ["together"] else Plainest
    print("RESULT", *made(at, source, log, loaded, matching).run(events))
