"""What must hold after any fault, computed from the topics, the ledger, the dead letters and the receiver's records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.registry import parse_sinks
from streams.model import position
from streams.runtime.ledger import LOST, Entry, State, read_ledger
from streams.runtime.scan import Scan
from tests.faults.ground import BYSTANDER, Ground


@dataclass(frozen=True)
class Target:
    """A sink that a fault befalls. ``shown``: keys that its receiver shows, each as often as people see it.

    ``newest``: of a storage, the version of each alert that it holds. ``once``: the receiver takes an idempotency key
    (or we remember over restarts), so that nothing may be shown twice.
    """

    block: dict[str, Any]
    shown: Callable[[], Sequence[str]] | None = None
    newest: Callable[[], dict[str, int]] | None = None
    once: bool = True
    ordered: bool = False
    broken: Callable[[], Sequence[str]] = list
    again: Callable[[], int] = int  #: how often the receiver was sent what it had
    ledger: Callable[[], int] | None = None  #: of a storage, how many attempts it holds

    @property
    def name(self) -> str:
        return str(self.block["name"])

    @property
    def topics(self) -> tuple[str, ...]:
        """Everything it reads; the first is what it is to get."""
        (config,) = parse_sinks([self.block])
        return config.topics


@dataclass
class Verdict:
    """``lost`` is in the dead letter, each with its reason; ``problems`` is empty where everything holds."""

    sink: str
    told: int = 0
    delivered: int = 0
    lost: int = 0
    attempts: int = 0
    again: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def none(self, what: str, found: Any) -> None:
        if found:
            listed = sorted(map(str, found))
            self.problems.append(f"{what}: {len(listed)}, such as {', '.join(listed[:3])}")


@dataclass(frozen=True)
class Log:
    """What stands on the topics now."""

    entries: Sequence[Entry]
    letters: Sequence[dict[str, Any]]
    commands: Sequence[dict[str, Any]]
    stored: dict[str, str]  #: ``<alert>:<version>`` to its position on ``alerts``

    @classmethod
    def read(cls, ground: Ground) -> Log:
        scan = Scan(ground.options, ground.names)
        stored = {}
        for message in scan.records("alerts"):
            alert = json.loads(message.value() or b"")
            where = position("alerts", message.partition() or 0, message.offset() or 0)
            stored[f"{alert['id']}:{alert['version']}"] = where
        return cls(read_ledger(scan), ground.read("dead-letter"), ground.read("alert-input"), stored)

    def told(self, target: Target) -> dict[str, str]:
        """What the sink was to get: key to position."""
        if target.newest is not None:
            return self.stored
        return {one.id: one.where[0] for one in self.entries if one.sink == target.name and one.where}


def judge(target: Target, log: Log, ended: bool = True) -> Verdict:
    """Every notification (of a storage: every version) is delivered, or in the dead letter with its reason; what is
    delivered is shown; nothing else is, nor anything twice; a storage holds what stands on the topic.

    ``ended``: the sink has committed the end of all of its topics.
    """
    found, told = Verdict(target.name, again=target.again()), log.told(target)
    ledger = {one.id: one for one in log.entries if one.sink == target.name}
    delivered = {key for key, entry in ledger.items() if entry.state is State.DELIVERED}
    lost = {key: entry for key, entry in ledger.items() if entry.state in LOST}
    found.told, found.delivered, found.lost = len(told), len(delivered), len(lost)
    found.attempts = sum(len(entry.attempts) for entry in ledger.values())
    found.reasons = Counter(entry.error for entry in lost.values())
    found.none("of what was told there is no outcome", told.keys() - delivered - lost.keys())
    found.none("an outcome of what was never told", ledger.keys() - told.keys())
    _buried(log, target, found, {key: told.get(key, "") for key in lost})
    if target.shown is not None:
        shown = target.shown()
        found.none("delivered, and the receiver has it not", delivered - set(shown))
        found.none("shown, and never told", set(shown) - told.keys())
        if target.once:
            found.none("shown twice", {key for key, times in Counter(shown).items() if times > 1})
        if target.ordered:
            found.none("versions of one alert out of order", _unordered(shown))
    if target.newest is not None:
        found.none("not as on the topic", _newest(told).items() ^ target.newest().items())
    found.none("rules of the receiver that were broken", set(target.broken()))
    if target.ledger is not None and target.ledger() != (attempts := sum(len(one.attempts) for one in log.entries)):
        found.problems.append(f"holds {target.ledger()} attempts of the {attempts} on `deliveries`")
    if not ended:
        found.problems.append("the sink has not committed the end of its topics")
    return found


def settled(ground: Ground, target: Target) -> bool:
    """Whether the sink has nothing left to do."""
    return all(ground.committed(target.name, topic) == ground.end_of(topic) for topic in target.topics)


def _buried(log: Log, target: Target, found: Verdict, lost: dict[str, str]) -> None:
    """``lost``: key to position."""
    letters = {one["origin"]: one["error"] for one in log.letters if one["stage"] == f"deliver:{target.name}"}
    found.none("lost without a dead letter", {key for key, where in lost.items() if where not in letters})
    found.none("a dead letter without a reason", {where for where, error in letters.items() if not error})
    found.none("a dead letter of what is not lost", letters.keys() - set(lost.values()))
    if target.newest is None:
        commands = {one["notification_id"] for one in log.commands if one.get("receiver") == target.name}
        found.none("lost, and its alert was not told", lost.keys() - commands)
        found.none("an alert was told of a loss that is none", commands - lost.keys())


def _newest(told: dict[str, str]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for key in told:
        id_, _, version = key.rpartition(":")
        newest[id_] = max(newest.get(id_, 0), int(version))
    return newest


def _unordered(shown: Sequence[str]) -> set[str]:
    last: dict[str, int] = {}
    wrong = set()
    for key in shown:
        alert, _, version = key.rpartition("-")
        if last.get(alert, 0) > int(version):
            wrong.add(key)
        last[alert] = int(version)
    return wrong


@dataclass(frozen=True)
class Beside:
    """How the good sink did in a stretch of time. From the notification to its delivery, ms."""

    count: int
    p50: int
    p99: int


def beside(ground: Ground, begin: float, end: float) -> Beside:
    """Of notifications made from ``begin`` to ``end`` (s since the epoch)."""
    took = sorted(
        one["at"] - one["caused_at"]
        for one in ground.read("deliveries")
        if one["sink"] == BYSTANDER and one["outcome"] == "delivered" and begin <= one["caused_at"] / 1000 < end
    )
    assert took, "the bystander was told nothing"
    return Beside(len(took), took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))])
