"""Control state as a log: rule sets, policies and indicator lists, in force from the record that brought them.

``ControlLog`` turns records into ``Control`` values, the same for a live worker and for a replay that asks what was in
force at a position. A record that cannot be used is refused whole: what was in force goes on, visibly.
"""

from __future__ import annotations

import getpass
import queue
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams import telemetry
from streams.alerts.policy import parse_policy
from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.errors import ClusterError, TocsinError
from streams.model import Control
from streams.route.presets import with_preset
from streams.rules.indicators import NamedList
from streams.rules.lists import bind, used
from streams.rules.load import ruleset_from_documents
from streams.rules.overrides import overridden
from streams.rules.rule import RuleSet
from streams.runtime.listrecords import LIST, Lists, documents, removal
from streams.runtime.names import Names
from streams.runtime.points import at
from streams.runtime.policyrecords import PARSERS, check_record
from streams.runtime.waiting import MOVING, watermarks

RULESET, POLICY = "ruleset/default", "policy/default"


class ControlRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a record on ``control``; its key is ``kind/id``."""

    kind: str
    id: str
    document: dict[str, Any]
    at: int = 0
    by: str = ""


_decoder = msgspec.json.Decoder(ControlRecord)
EMPTY = Control(position=0, ruleset=RuleSet(rules=()))


class ControlLog:
    """All control states there have been, in order of position. ``refused``: (position, error) of unusable records."""

    def __init__(self) -> None:
        self.history: list[Control] = [EMPTY]
        self.refused: list[tuple[int, str]] = []
        self._lists = Lists()

    @property
    def lists(self) -> Mapping[str, NamedList]:
        """The indicator lists in force now, by name."""
        return self._lists.in_force

    @property
    def current(self) -> Control:
        return self.history[-1]

    def at(self, position: int) -> Control:
        """What was in force at ``position``."""
        return self.history[bisect_right(self.history, position, key=lambda control: control.position) - 1]

    def apply(self, offset: int, key: bytes | None, value: bytes | None) -> Control:
        """Take the record at ``offset``; the new state has position ``offset + 1``."""
        now = self.current
        ruleset, records = now.ruleset, dict(now.records)
        name = (key or b"").decode("utf-8", "replace")
        try:
            if value is None:
                records.pop(name, None)
                ruleset = EMPTY.ruleset if name == RULESET else ruleset
                self._lists.remove(name.removeprefix(f"{LIST}/") if name.startswith(f"{LIST}/") else "")
            else:
                record = _decoder.decode(value)
                name = f"{record.kind}/{record.id}"
                if name == RULESET:
                    ruleset = ruleset_from_documents(record.document["rules"], KINDS)
                    ruleset = overridden(ruleset, record.document.get("overrides"), KINDS, TUNABLE)
                elif name == POLICY:
                    parse_policy(record.document)
                elif record.kind in PARSERS:
                    check_record(record.kind, record.id, record.document)
                elif record.kind == LIST:
                    self._lists.take(record.id, record.document)
                # The documents of the rule set and of lists would be carried twice.
                said: dict[str, Any] | None = {"version": ruleset.version} if name == RULESET else record.document
                said = self._lists.record(record.id) if record.kind == LIST else said
                records = {other: known for other, known in records.items() if other != name}
                records |= {} if said is None else {name: said}
            ruleset = bind(ruleset, self.lists)
        except Exception as error:  # whatever is wrong with it: workers that end would find it again
            why = (
                error if isinstance(error, (msgspec.MsgspecError, TocsinError)) else f"{type(error).__name__}: {error}"
            )
            self.refused.append((offset + 1, f"{name}: {why}"))
            ruleset, records = now.ruleset, now.records
        self.history.append(Control(position=offset + 1, ruleset=ruleset, records=records))
        return self.current


class ControlReader:
    """Follows the control topic on a thread of its own. ``current`` is always a whole, usable state."""

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        self._options = {
            **options,
            "group.id": f"{names.prefix}{names.app}-control",  # never joined: assigned by hand
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            "auto.offset.reset": "error",
        }
        self._topic = names.topic("control")
        self._log = ControlLog()
        self._missing: dict[str, tuple[str, ...]] = {}
        self._serving = False
        self.current: Control = EMPTY
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self.failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self, timeout: float = 30.0) -> None:
        """Returns when the topic has been read to its end."""
        self._thread.start()
        if not self._ready.wait(timeout):
            raise ClusterError(f"could not read {self._topic} to its end in {timeout:.0f} s")
        if self.failed is not None:
            raise ClusterError(f"cannot read {self._topic}: {self.failed}", "run `tocsin topics create`")

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    @property
    def lists(self) -> Mapping[str, NamedList]:
        """The indicator lists in force. For a person's command; a worker's rules hold what they need."""
        return self._log.lists

    def serve(self) -> None:
        """From now on what is amiss with what is in force is said: before, a worker may yet be refused for another
        reason, and a command only looks.
        """
        self._serving = True
        self._warn_of_lists()

    def in_force(self) -> Control:
        """``current``; raises ClusterError where nobody follows the topic any more, and it would never change."""
        if self.failed is not None and not self._stopping.is_set():
            raise ClusterError(f"no longer reading {self._topic}: {self.failed}", "start the worker again")
        return self.current

    def wait_for(self, condition: Callable[[Control], bool], timeout: float = 10.0) -> Control:
        end = time.monotonic() + timeout
        while not condition(self.current):
            if time.monotonic() > end:
                raise ClusterError(f"{self._topic} did not show the expected record in {timeout:.0f} s")
            time.sleep(0.01)
        return self.current

    def _run(self) -> None:
        try:
            self._follow()
        except BaseException as error:  # reported by start(), and by health while running
            self.failed = error
            telemetry.log.error("control reader failed", error=str(error))
            self._ready.set()

    def _follow(self) -> None:
        consumer = Consumer(self._options)
        try:
            tp = TopicPartition(self._topic, 0, OFFSET_BEGINNING)
            high = watermarks(consumer, tp)[1]
            consumer.assign([tp])
            while not self._stopping.is_set():
                for message in consumer.consume(500, 0.1):
                    error = message.error()
                    if error is None:
                        self._take(message.offset(), message.key(), message.value())
                    elif error.code() == KafkaError._PARTITION_EOF:
                        if message.offset() >= high:
                            self._ready.set()
                    elif not error.retriable() and error.code() not in MOVING:
                        raise KafkaException(error)
        finally:
            consumer.close()

    def _take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        self.current = self._log.apply(offset, key, value)
        del self._log.history[:-1]  # a worker never looks back
        telemetry.CONTROL_POSITION.set(self.current.position)
        at("control", position=self.current.position)
        self._look_at_lists((key or b"").startswith(b"list/"))
        for position, error in self._log.refused:
            kind = error.split("/", 1)[0]
            telemetry.CONTROL_REFUSED.labels(kind).inc()
            telemetry.log.error("control record refused; what was in force goes on", position=position, error=error)
        self._log.refused.clear()

    def _look_at_lists(self, changed: bool) -> None:
        """Show how large the lists are, and say which of them rules use that nobody has applied."""
        if changed:
            telemetry.LIST_ENTRIES.clear()
            for name, content in self.lists.items():
                telemetry.LIST_ENTRIES.labels(name).set(len(content.entries))
        ruleset = self.current.ruleset
        missing = {name: rules for name, rules in used(ruleset).items() if name not in ruleset.lists}
        if missing != self._missing:
            self._missing = missing
            telemetry.LISTS_MISSING.set(len(missing))
            self._warn_of_lists()

    def _warn_of_lists(self) -> None:
        if self._serving and self._missing:
            telemetry.log.warning(
                "rules use lists that nobody has applied: they match nothing",
                lists=", ".join(f"{name} ({len(rules)} rules)" for name, rules in sorted(self._missing.items())),
                hint="`tocsin lists apply NAME FILE`",
            )


def publish(options: Mapping[str, Any], names: Names, records: list[ControlRecord]) -> int:
    """Append records to the control topic; returns the position after the last one."""
    done: queue.SimpleQueue[tuple[KafkaError | None, int]] = queue.SimpleQueue()
    producer = Producer({**options, "enable.idempotence": True, "partitioner": "murmur2_random"})
    for record in records:
        producer.produce(
            names.topic("control"),
            msgspec.json.encode(record),
            f"{record.kind}/{record.id}".encode(),
            partition=0,
            on_delivery=lambda error, message: done.put((error, message.offset() or 0)),
        )
    left = producer.flush(15)
    position = 0
    while not done.empty():
        error, offset = done.get()
        if error is not None:
            raise ClusterError(
                f"could not write to {names.topic('control')}: {error.str()}", "run `tocsin topics check`"
            )
        position = max(position, offset + 1)
    if left or not position:
        raise ClusterError(f"could not write to {names.topic('control')} in 15 s")
    return position


def _record(name: str, document: dict[str, Any]) -> ControlRecord:
    kind, _, identity = name.partition("/")
    return ControlRecord(
        kind=kind, id=identity, document=document, at=time.time_ns() // 1_000_000, by=getpass.getuser()
    )


def ruleset_record(ruleset: RuleSet) -> ControlRecord:
    """The record that brings a rule set into force, with what is overridden in it: both switch as one."""
    document = {"version": ruleset.version, "rules": [rule.document for rule in ruleset.rules]}
    return _record(RULESET, document | ({"overrides": dict(ruleset.overrides)} if ruleset.overrides else {}))


def policy_record(document: dict[str, Any]) -> ControlRecord:
    """The record that brings an alert policy into force: whole, so that another version's preset changes nothing."""
    parse_policy(document)
    return _record(POLICY, msgspec.to_builtins(with_preset(document)))


def part_record(kind: str, identity: str, document: dict[str, Any]) -> ControlRecord:
    """The record that brings a silence or a maintenance window into force. Raises ConfigError for one that is wrong."""
    check_record(kind, identity, document)
    return _record(f"{kind}/{identity}", document)


def list_records(content: NamedList) -> list[ControlRecord]:
    """The records that bring a list into force, together."""
    return [_record(f"{LIST}/{content.name}", document) for document in documents(content)]


def list_removal(name: str) -> ControlRecord:
    """The record after which there is no such list."""
    return _record(f"{LIST}/{name}", removal())
