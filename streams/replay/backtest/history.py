"""What else was in force while the events of a backtest came: policy, silences, windows and lists, as ``control`` has
them, each from when it was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from streams.model import Control
from streams.replay.controls import Controls
from streams.replay.topics import Topic, TopicRange
from streams.rules.indicators import NamedList
from streams.rules.lists import bind
from streams.rules.rule import RuleSet
from streams.runtime.control import POLICY, RULESET, ControlLog
from streams.runtime.listrecords import LIST

Records = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Standing:
    """What stood from ``since`` on, ms."""

    since: int
    position: int
    records: dict[str, dict[str, Any]]
    lists: Mapping[str, NamedList]


@dataclass(frozen=True, slots=True)
class History:
    """All that ``topic`` has but rule sets. ``written``: (when, ms, key and value) of each record."""

    topic: str
    states: tuple[Standing, ...]
    written: tuple[tuple[int, bytes], ...]

    def over(self, ruleset: RuleSet, policy: Records, own: Mapping[str, NamedList]) -> Controls:
        """What was in force with these rules in the place of those of the time. ``own``: lists that are given.

        What came before there was any policy is told by the first one: no worker told anything before. Where there
        never was one, ``policy`` has the configured one.
        """
        first = next((one.records for one in self.states if POLICY in one.records), policy)
        begin = {name: document for name, document in first.items() if name == POLICY}
        states, since = [Control(1, bind(ruleset, own), begin)], [0]
        had = False
        for one in self.states:
            had = had or POLICY in one.records
            records = one.records if had else {**begin, **one.records}
            rules = bind(states[-1].ruleset, {**one.lists, **own})
            if records != states[-1].records or rules is not states[-1].ruleset:
                states.append(Control(one.position + 1, rules, records))
                since.append(one.since)
        return Controls(tuple(states), tuple(since))

    def begins(self) -> dict[str, int]:
        """Since when each list has been there, ms."""
        found: dict[str, int] = {}
        for one in self.states:
            for name in one.lists:
                found.setdefault(name, one.since)
        return found

    def described(self, end: int) -> dict[str, Any]:
        """What of it was written by ``end``, ms: later records change nothing."""
        taken = [value for at, value in self.written if at <= end]
        digest = hashlib.sha256(b"".join(value + b"\n" for value in taken))
        return {"topic": self.topic, "taken": len(taken), "sha256": digest.hexdigest()}


def history(options: Mapping[str, Any], topic: str, lists: Collection[str]) -> History:
    """Read ``topic``, as the cluster calls it. ``lists``: those that rules look at. Raises ClusterError."""
    log, source = ControlLog(), Topic(options, TopicRange(topic))
    states: list[Standing] = []
    written: list[tuple[int, bytes]] = []
    at = 0
    try:
        for messages in source.messages(0):
            for message in messages:
                key, value = message.key() or b"", message.value() or b""
                if key == RULESET.encode():  # which rules there were does not matter, and reading them takes long
                    continue
                at = max(at, message.timestamp()[1])
                now = log.apply(message.offset() or 0, key, message.value())
                del log.history[:-1]
                known = {name: log.lists[name] for name in log.lists if name in lists}
                records = {name: one for name, one in now.records.items() if not name.startswith(f"{LIST}/")}
                states.append(Standing(at, now.position, records, known))
                written.append((at, key + b" " + value))
    finally:
        source.close()
    return History(topic, tuple(states), tuple(written))
