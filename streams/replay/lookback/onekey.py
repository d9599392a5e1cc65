"""One rule over one key: which of a log's events stepped it, with its state before and after each, and what it found.

The same pure core as everywhere. All events are stepped, for they move the watermark; those of the key one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from streams import pipeline
from streams.detect.base import NEVER, State
from streams.detect.clock import EVERY_TENANT
from streams.detect.hop import Copy
from streams.detect.hop import read as read_copy
from streams.model import Batch, Control, Finding, Output, Source
from streams.rules.program import Key
from streams.rules.rule import LIVE, Rule, RuleSet
from streams.runtime.stages import program
from streams.state.detect.arrived import Arrived, arrived, turn_of
from streams.state.detect.detecting import DetectState
from streams.state.detect.hits import copied
from streams.state.detect.judging import lapsed
from streams.state.detect.keys import Row, bounded, row_of, too_long, values_of
from streams.state.detect.rekeyed import RekeyedState
from streams.state.tables import Table

#: Events of the key that are kept to be shown: the last so many.
MOST = 1_000
_finding = msgspec.json.Decoder(Finding)


@dataclass
class Stepped:
    """One event that came to the key. ``before`` and ``after``: the rule's state of it; None: nothing remembered."""

    position: str
    at: int
    event_id: str
    event: dict[str, Any]
    before: State | None
    after: State | None
    findings: list[Finding] = field(default_factory=list)  #: named after this event, whenever they were found


def alone(ruleset: RuleSet, rule: Rule) -> RuleSet:
    """The rule set with this rule alone, live, as it holds for every tenant."""
    on = replace(rule, stage=LIVE, enabled=True)
    of = ruleset.variants.get(rule.id, {})
    variants = {rule.id: {name: one and replace(one, stage=LIVE) for name, one in of.items()}} if of else {}
    return RuleSet((on,), variants, ruleset.overrides, ruleset.lists)


class OneKey:
    """Feed it logs, a source partition at a time; ``settle`` when all are read; then look."""

    def __init__(self, ruleset: RuleSet, tenant: str, key: Callable[[Sequence[Any]], bool]) -> None:
        """``ruleset``: as ``alone`` makes it. ``key``: whether these values of ``group_by`` are those of the key."""
        (self.rule,) = ruleset.rules
        self.tenant = EVERY_TENANT if self.rule.scope == "global" else tenant
        self.steps: deque[Stepped] = deque(maxlen=MOST)
        self.findings: list[Finding] = []
        self.read = self.own = 0
        self.stop: Callable[[], bool] = lambda: False  #: asked after each event of the key
        self.last_fed: tuple[Source, int] | None = None  #: where the key's last event stood
        self.offset = 0  #: the highest that was read
        self.clock = NEVER  #: the last record's time
        self._control = Control(position=1, ruleset=ruleset)
        variant = ruleset.variants.get(self.rule.id, {}).get(self.tenant, self.rule)
        self._ref = (variant or self.rule).ref
        self._is_key = key
        self._row: Row | None = None
        self._copies: list[Arrived] = []
        self._states: dict[tuple[str, int], DetectState] = {}
        self._sources: dict[tuple[str, int], Source] = {}
        self._hop = RekeyedState(0, origins=lambda _: frozenset({("nobody", 0)}))
        self._hop.loaded()

    @property
    def state(self) -> State | None:
        """What the rule remembers of the key now."""
        if self._row is None:
            return None
        for state in self._all():
            table = state.book.table(self._ref) if state.control is not None else None
            if (found := self._found(table)) is not None:
                return found
        return None

    @property
    def table(self) -> Table | None:
        """The table in which the key stands, or would stand."""
        tables = [state.book.table(self._ref) for state in self._all() if state.control is not None]
        return next((one for one in tables if self._found(one) is not None), tables[0] if tables else None)

    @property
    def mark(self) -> int:
        """How far the watermark of the key's partition has come; of several the least."""
        return min((state.clock.mark for state in self._states.values()), default=NEVER)

    def feed(
        self, source: Source, partition: int, batches: Iterable[Batch], locate: Callable[[Any], str] | None = None
    ) -> None:
        """Records of one partition, in their order; the same partition may be fed again with what follows."""
        state = self._states.get((source.name, partition))
        if state is None:
            state = DetectState(source, partition, rekeyed_partitions=1, program=program, locate=locate)
            state.loaded()
            state.begin(self._control)
            self._states[source.name, partition] = state
        for batch in batches:
            if self.stop():
                return
            self.read += len(batch.records)
            self._sources[source.topic, partition] = source
            self.clock = max(self.clock, *(stamp for _, _, stamp in batch.records)) if batch.records else self.clock
            self.offset = max(self.offset, batch.records[-1][0]) if batch.records else self.offset
            if not any(lane.local for lane in state.lanes):  # the key is met after the hop
                self._step(state, batch, 0, len(batch.records))
                continue
            begin = 0
            for place, (_, raw, _) in enumerate(batch.records):
                if self._mine(state, batch, place, raw):
                    self._step(state, batch, begin, place)
                    self._one(state, batch, place)
                    begin = place + 1
                    if self.stop():
                        return
            self._step(state, batch, begin, len(batch.records))

    def settle(self) -> None:
        """Copies for a rule of another key, in their one order. What is fed later must be settled again."""
        copies, self._copies = sorted(self._copies, key=turn_of), []
        waiting: list[Arrived] = []
        for copy in copies:
            if not self._is_own(copy.tenant, copy.key):
                waiting.append(copy)
                continue
            self._take(self._drain(waiting))
            waiting = []
            before = _snapshot(self.state)
            self._row = row_of(copy.key)
            outputs = self._drain([copy])
            event = copy.document()
            self.last_fed = self._sources[copy.topic, copy.partition], copy.partition
            self._note(Stepped(copy.position, copy.at, copy.event_id, event, before, _snapshot(self.state)))
            self._take(outputs)
            if self.stop():
                return
        self._take(self._drain(waiting, self.mark))

    def _all(self) -> list[DetectState | RekeyedState]:
        return [*self._states.values(), self._hop]

    def imagine(self) -> None:
        """From here on records of higher offsets than were read stand nowhere, and are located so."""
        for state in self._states.values():
            state.locate = _located(state.locate, self.offset)

    # -- one by one ----------------------------------------------------------------------------------------------

    def _found(self, table: Table | None) -> State | None:
        return None if table is None or self._row is None else table.written(self.tenant, self._row)

    def _is_own(self, tenant: str, key: Key) -> bool:
        return tenant == self.tenant and self._is_key(values_of(key))

    def _mine(self, state: DetectState, batch: Batch, place: int, raw: bytes | None) -> bool:
        """Whether the record steps the key here; one that is refused does not."""
        try:
            event = self._event(state, batch, place, raw)
            for index in state.program.match(event) or ():
                key = state.program.key(index)(event)
                lane = state.lanes[index]
                if key is None or not lane.local:
                    continue
                tenant = event.tenant if isinstance(event.tenant, str) and event.tenant else state.source.default_tenant
                key = bounded(key) if too_long(key) else key
                if self._is_own(EVERY_TENANT if lane.of_all else tenant, key):
                    self._row = row_of(key)
                    return True
        except Exception:  # the core refuses it, and says why
            return False
        return False

    def _event(self, state: DetectState, batch: Batch, place: int, raw: bytes | None) -> Any:
        join = state.source.join
        assert raw is not None
        return state.program.decode(raw if join is None else join(raw, batch.original(place)))

    def _one(self, state: DetectState, batch: Batch, place: int) -> None:
        offset, raw, stamp = batch.records[place]
        before = _snapshot(self.state)
        outputs = self._step(state, batch, place, place + 1, note=False)
        assert raw is not None
        join = state.source.join
        self.last_fed = state.source, state.partition
        payload = raw if join is None else join(raw, batch.original(place))
        event = state.program.document(payload)
        at = event.get("event_time")
        self._note(
            Stepped(
                state.locate(offset),
                at if isinstance(at, int) else stamp,
                str(event.get("event_id") or ""),
                event,
                before,
                _snapshot(self.state),
            )
        )
        self._take(outputs)

    def _note(self, stepped: Stepped) -> None:
        self.own += 1
        self.steps.append(stepped)

    def _step(self, state: DetectState, batch: Batch, begin: int, end: int, *, note: bool = True) -> list[Output]:
        if begin >= end:
            return []
        records = batch.records[begin:end]
        part = Batch(records, lambda index: batch.original(begin + index))
        outputs = pipeline.detect(state, part, max(stamp for _, _, stamp in records), self._control)
        state.forget()
        for output in outputs:
            if output.topic == "rekeyed" and isinstance(copy := read_copy(output.value), Copy):
                self._copies.append(arrived(copy))
        if note:
            self._take(outputs)
        return outputs

    def _drain(self, copies: Sequence[Arrived], mark: int = NEVER) -> list[Output]:
        """Copies through DETECT's second half, as ``pipeline`` steps those that every origin has passed."""
        hop, outputs = self._hop, list[Output]()
        hop.begin(self._control)
        for copy in copies:
            outputs += copied(hop, copy, copy.order, self.clock)
        outputs += lapsed(hop, mark, self.clock, locate=str)
        hop.forget()
        return outputs

    def _take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if output.topic != "alert-input":
                continue
            found = _finding.decode(output.value)
            if self.rule.scope != "global" and found.tenant != self.tenant:
                continue
            if found.rule == self.rule.id and self._is_key(tuple(found.key.values())):
                self.findings.append(found)
                for stepped in reversed(self.steps):
                    if stepped.position == found.position:
                        stepped.findings.append(found)
                        break


def _located(known: Callable[[Any], str], last: int) -> Callable[[Any], str]:
    return lambda ref: known(ref) if ref <= last else f"imagined/{ref - last}"


def _snapshot(state: State | None) -> State | None:
    return None if state is None else list(state)


def given_key(rule: Rule, given: Mapping[str, str]) -> Callable[[Sequence[Any]], bool]:
    """Whether values are those that a person wrote for the parts of the key, as text. Raises ValueError."""
    if set(given) != set(rule.group_by):
        names = ", ".join(rule.group_by) or "none: it has one key for everything"
        raise ValueError(f"the parts of the key of {rule.id} are {names}")
    wanted = [given[name] for name in rule.group_by]
    return lambda values: [_text(value) for value in values] == wanted


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
