"""What DETECT remembers of one partition of a source: the tables of its rules, its watermark, and what it published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from streams.detect import hop
from streams.detect.base import FOREVER, NEVER
from streams.detect.clock import Watermark
from streams.model import Control, Output, Source, position
from streams.rules.program import Program
from streams.rules.rule import RuleSet
from streams.state.detect.arrived import Arrived
from streams.state.detect.lanes import lanes
from streams.state.detect.leaving import Ways, ways_of
from streams.state.detect.rulebook import Rulebook
from streams.state.partition import Position, take_up

#: Origins publish their watermark so often, ms of processing time, and all at the same moments: one transaction
#: carries those of all partitions, and none waits for the slowest of many.
PUBLISH_EVERY = 1_000
#: A partition without events looks so often whether the control state has changed.
QUIET_TICK = 10_000
#: One in which a timer waits for an idle watermark is looked at no more often than so.
TIMER_TICK = 100
#: Sets of arms whose ways are kept: events of a kind match the same ones.
_MAX_WAYS = 4_096

_encode = msgspec.json.Encoder().encode


class DetectState:
    """Satisfies ``PartitionState``. Tables hold the state of rules that are local to the source's key."""

    def __init__(
        self,
        source: Source,
        partition: int,
        rekeyed_partitions: int,
        program: Callable[[RuleSet, Source], Program],
        max_keys: int = 1_000_000,
        locate: Callable[[Any], str] | None = None,
    ) -> None:
        """``locate``: how the position of an offset is written, where it is not ``topic/partition/offset``."""
        self.source = source
        self.topic = source.topic
        self.partition = partition
        self.position = Position(committed=0, next=0)
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.timings: list[tuple[str, int]] = []  #: (rule, ns) while there is a stopwatch; whoever set it empties it
        self.stirred = False
        self.stopwatch: Callable[[], int] | None = None
        self.clock = Watermark(source.max_disorder, source.max_skew)
        self.locate: Callable[[Any], str] = locate or (lambda offset: position(source.topic, partition, offset))
        self.control: Control | None = None
        self.program: Program
        self.book = Rulebook(max_keys)
        self.hops = False  #: whether any rule in force needs another key
        self.sent = False  #: copies were sent since the last publication
        self.hand: Callable[[Arrived], None] | None = None  #: who takes copies in place of ``rekeyed``, in a replay
        self.ways: dict[tuple[int, ...], Ways] = {}  #: by the arms that an event matched
        self._compile = program
        self._rekeyed = rekeyed_partitions
        self._last: int | None = None  # now of the last record
        self._since: int | None = None  # since when it is known to be at its end without ever an event
        self._ticked = 0
        self._published: tuple[int, int | None, bool] | None = None  # now, watermark, idle

    # -- what is loaded, what is written -------------------------------------------------------------------------

    def load(self, key: bytes, value: bytes) -> None:
        self.book.load(key, value)

    def load_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        self.book.load_all(keys, values)

    def unload(self, key: bytes) -> None:
        self.book.unload(key)

    def loaded(self) -> None:
        stage = self.position.stage
        self.clock.newest, self.clock.floor = stage.get("newest", NEVER), stage.get("floor", NEVER)
        self._last, self._since, self._ticked = stage.get("last"), stage.get("since"), stage.get("ticked", 0)
        self.sent = stage.get("sent", False)
        if (published := stage.get("published")) is not None:
            self._published = published[0], published[1], published[2]
        self.hops = stage.get("hops", False)
        self.book.loaded(stage.get("dropping", ()))

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        return self.book.changes()

    def forget(self) -> None:
        """Forget what has changed, in place of ``changes``, where nobody stores it."""
        self.book.forget()

    # -- a step --------------------------------------------------------------------------------------------------

    def begin(self, control: Control) -> None:
        """Adopt the control state if it is another one. State of rules that did not change is kept."""
        if control is self.control:
            return
        take_up(self.position, control, f"{self.topic}/{self.partition}")
        self.control = control
        ruleset = control.ruleset
        rules = ruleset.reading(self.source.name)
        self.book.adopt(ruleset, self.source.name)
        self.compile()
        hops = any(not rule.is_local(self.source.partition_by) for rule in rules)
        if hops and not self.hops:
            self._published = None
        self.hops = hops

    def compile(self) -> None:
        """Make the program of the rules in force, without those that are off."""
        assert self.control is not None
        ruleset = self.control.ruleset
        on = tuple(rule for rule in ruleset.rules if not self.book.is_off(rule.ref))
        same = len(on) == len(ruleset.rules)
        self.program = self._compile(ruleset if same else replace(ruleset, rules=on), self.source)
        self.lanes = lanes(self.program, ruleset, self.source, self.book, self.counts)
        self.ways = {}

    def found_ways(self, matched: tuple[int, ...]) -> Ways:
        """The ways of an event that matched these arms; they are few sets, and known from then on."""
        if len(self.ways) >= _MAX_WAYS:
            self.ways.clear()
        ways = self.ways[matched] = ways_of(self.lanes, matched)
        return ways

    def came(self, now: int, next_offset: int) -> None:
        """A batch of records has been stepped."""
        self.position.committed = self.position.next = next_offset
        self._last, self._since = now, None

    def finish(self, now: int, budget: int) -> list[Output]:
        """Forget what has expired, publish if it is time, and bring the position up to date."""
        outputs = self._publish(now) if self.hops else []
        mark = self.clock.mark
        self.position.now = max(self.position.now, now)
        self.book.sweep(mark, budget)
        stage: dict[str, Any] = {"newest": self.clock.newest, "floor": self.clock.floor, "last": self._last}
        stage["ticked"] = self._ticked
        if mark > NEVER:
            stage["watermark"] = mark
        if self.hops:
            stage |= {"hops": True, "sent": self.sent, "published": self._published}
        if self._since is not None:  # rules that need another key may come later, and must find the same after a crash
            stage["since"] = self._since
        if dropping := self.book.dropping:
            stage["dropping"] = dropping
        self.position.stage = stage
        return outputs

    # -- time without events -------------------------------------------------------------------------------------

    def due(self) -> int | None:
        """Now, where no control state was adopted yet. Origins of copies: when there is something to publish."""
        if self.control is None:
            return 0
        quiet = max(self._ticked, self._last or 0) + QUIET_TICK
        if self.book.wake < FOREVER and self._last is not None and self.clock.newest != NEVER:
            missing = self.book.wake + self.source.max_disorder - self.clock.newest
            quiet = min(quiet, max(self._ticked + TIMER_TICK, self._last + max(missing, self.source.idle_after)))
        if not self.hops:
            return quiet
        soon = _next_publication(max(self._ticked, self._published[0] if self._published else 0))
        if self.sent or self._published is None or self._told() != self._published[1:]:
            return soon
        if self.clock.newest == NEVER:
            return quiet  # idle, and said so
        return min(quiet, max(soon, (self._last or 0) + self.source.idle_after))

    def tick(self, now: int, *, at_end: bool) -> None:
        """Let time pass over a partition that has been read to its end."""
        self._ticked = now
        if not at_end:
            self._since = None
        elif self.clock.newest != NEVER and self._last is not None:
            if now - self._last >= self.source.idle_after:
                self.clock.idle(now - self._last)
        elif self._since is None:
            self._since = now

    def _told(self) -> tuple[int | None, bool]:
        """What there is to publish: the watermark, or that nothing has ever come."""
        mark = self.clock.mark
        return (None, True) if mark == NEVER else (mark, False)

    def _publish(self, now: int) -> list[Output]:
        watermark, idle = self._told()
        if idle and (self._since is None or now - self._since < self.source.idle_after):
            return []
        if self._published is not None:
            if now < _next_publication(self._published[0]):
                return []
            if (watermark, idle) == self._published[1:] and not self.sent:
                return []
        self._published, self.sent = (now, watermark, idle), False
        mark = hop.Mark(topic=self.topic, partition=self.partition, watermark=watermark, idle=idle)
        key, value = _encode([self.topic, self.partition]), _encode(mark)
        return [Output("rekeyed", key, value, partition) for partition in range(self._rekeyed)]


def _next_publication(after: int) -> int:
    return (after // PUBLISH_EVERY + 1) * PUBLISH_EVERY
