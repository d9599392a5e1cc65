"""One case of a rule's tests through the production engine: the compiled program, DETECT, the hop if need be, ALERT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from streams import pipeline
from streams.detect.hop import Copy, Mark
from streams.detect.hop import read as read_copy
from streams.model import Alert, Batch, Control, Finding, Output, Source, severity_rank
from streams.replay.report import value_text
from streams.rules.compiled import compiled
from streams.rules.durations import format_duration
from streams.rules.lists import bind
from streams.rules.rule import LIVE, Rule, RuleSet
from streams.rules.testing import Arrival, Case
from streams.state.alerts.alerting import AlertState
from streams.state.detect.detecting import DetectState
from streams.state.detect.rekeyed import RekeyedState

#: Steps in which time passes after the last event; several timers of one key may follow on each other.
_STEPS = 100
#: The one origin of copies: the case itself.
_ORIGIN = ("case", 0)

_finding = msgspec.json.Decoder(Finding)
_alert = msgspec.json.Decoder(Alert)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Moment:
    """An alert opened, or its severity rose. ``at``: ms since the beginning of the case."""

    at: int
    what: str
    finding: Finding
    alert: Alert

    def __str__(self) -> str:
        key = ", ".join(f"{name}={value_text(value)}" for name, value in self.finding.key.items())
        observed = self.finding.observed
        return f"{self.what} at {format_duration(self.at)}: {self.alert.severity}, observed {observed} ({key})"


class Engine:
    """The sources that one rule reads, each with one partition, and what comes back over ``rekeyed``."""

    def __init__(self, rule: Rule, sources: Mapping[str, Source], case: Case) -> None:
        enabled = rule if rule.enabled and not rule.is_shadow else replace(rule, enabled=True, stage=LIVE)
        self.findings: list[bytes] = []
        self.refused: list[str] = []
        self._case = case
        self._control = Control(position=1, ruleset=bind(RuleSet((enabled,)), case.lists))
        self._states = {name: _state(sources.get(name) or Source(name, f"{name}.events")) for name in rule.sources}
        self._copies: list[Copy] = []
        self._hop = RekeyedState(0, origins=lambda _: frozenset({_ORIGIN}))
        self._hop.loaded()
        self._hopped = 0

    def run(self) -> None:
        """All events in order of arrival, then time up to where the case ends."""
        now = self._case.start
        for number, arrival in enumerate(self._case.events, 1):
            now = self._case.start + arrival.at
            self._arrive(arrival, number, now)
        newest = max(now, *(state.clock.newest for state in self._states.values()))
        self._hopping(newest)
        if self._case.until is not None:
            self._pass(newest, now, max(newest, self._case.start + self._case.until))

    def _arrive(self, arrival: Arrival, number: int, now: int) -> None:
        state = self._states[arrival.source]
        batch = Batch([(number - 1, _encode(arrival.event), now)])
        for output in pipeline.detect(state, batch, now, self._control):
            self._take(output, f"event {number} (at {format_duration(arrival.at)})")

    def _pass(self, newest: int, now: int, end: int) -> None:
        """Let the watermarks come to ``end``. What is found is told with its own time, however long a step is."""
        for step in range(1, _STEPS + 1):
            mark = newest + (end - newest) * step // _STEPS
            for state in self._states.values():
                # So long after its last event, an idle partition's watermark stands at ``mark``.
                idle = mark - state.clock.newest + state.source.max_disorder if state.clock.newest > 0 else 0
                for output in pipeline.detect_tick(state, now + idle, self._control, at_end=True):
                    self._take(output, "what time brought about")
            self._hopping(mark)

    def _hopping(self, mark: int) -> None:
        """Everything up to and including ``mark`` through the second half of DETECT, in its one order."""
        copies = sorted(self._copies, key=lambda copy: (copy.order, copy.topic, copy.partition, copy.offset))
        self._copies = []
        watermark = Mark(topic=_ORIGIN[0], partition=_ORIGIN[1], watermark=mark + 1)
        values = [*map(_encode, copies), _encode(watermark)]
        batch = Batch([(self._hopped + place, value, mark) for place, value in enumerate(values)])
        self._hopped += len(values)
        for output in pipeline.rekeyed(self._hop, batch, mark, self._control):
            self._take(output, "a copy for another key")

    def _take(self, output: Output, what: str) -> None:
        if output.topic == "alert-input":
            self.findings.append(output.value)
        elif output.topic == "rekeyed":
            if isinstance(copy := read_copy(output.value), Copy):
                self._copies.append(copy)
        elif output.topic == "dead-letter":
            self.refused.append(f"{what} is refused: {_reason(output.value)}")


def moments(rule: Rule, sources: Mapping[str, Source], case: Case) -> tuple[list[Moment], list[str]]:
    """What the rule does with the events of a case; and the events that were refused."""
    engine = Engine(rule, sources, case)
    engine.run()
    return list(_folded(engine, case.start)), engine.refused


def _state(source: Source) -> DetectState:
    # A case is written in Tocsin's own form, whatever the source's producers write.
    plain = replace(source, mapping=None, join=None, idle_after=0)
    state = DetectState(plain, 0, rekeyed_partitions=1, program=compiled)
    state.loaded()
    return state


class _Reason(msgspec.Struct):
    reason: str
    error: str


def _reason(value: bytes) -> str:
    letter = msgspec.json.decode(value, type=_Reason)
    return f"{letter.reason}: {letter.error}"


def _folded(engine: Engine, start: int) -> Iterator[Moment]:
    """ALERT over the findings, one step each, so that every one can be told by what it did."""
    state = AlertState(0)
    state.loaded()
    control = Control(position=1, ruleset=RuleSet(()))
    ranks: dict[str, int] = {}
    now = 0
    for offset, value in enumerate(engine.findings):
        finding = _finding.decode(value)
        now = max(now, finding.event_time)
        for output in pipeline.alert(state, Batch([(offset, value, now)]), now, control):
            if output.topic != "alerts":
                continue
            alert = _alert.decode(output.value)
            rank, before = severity_rank(alert.severity), ranks.get(alert.id)
            ranks[alert.id] = max(rank, before or 0)
            if before is None or rank > before:
                yield Moment(finding.event_time - start, "opened" if before is None else "raised", finding, alert)
