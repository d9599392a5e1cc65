"""``absence: {within: 5m}``: fires when a key that was seen is silent for so long, clears when it is heard again.

absence: {within: 5m, forget: 7d}                                # a heartbeat of each key that was ever seen
absence: {within: 1h, after: {where: {type: authorised}}, expect: {where: {type: settled}}}  # what must follow

It is a statement about everything that could have come, so it is made only when the watermark, less the allowed
lateness, has passed the end of the wait: a source that lags has a watermark that lags, and nothing fires.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect.base import Option, Settings
from streams.detect.patterns.steps import WAY_OPTIONS
from streams.detect.silence import Awaiting, Listening
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.keyed import parse_key
from streams.rules.rule import ArmSpec, Ladder
from streams.rules.where import parse_where

_FORGET = 7 * 86_400_000
_EVERY = ArmSpec()

OPTIONS = (
    Option("within", "duration", None, "so long a silence fires"),
    Option("after", "step", "", "the wait begins with each such event; else with every event", WAY_OPTIONS),
    Option("expect", "step", "every event", "what must come after that", WAY_OPTIONS),
    Option("forget", "duration", "7d", "how long a key without events is remembered; an open alert of it stays open"),
)

EXAMPLE = """
id: example.heartbeat-lost
title: "{host} has been silent for {within}"
source: metric
where: {name: heartbeat}
group_by: [host]
detect: {absence: {within: 5m}}
severity: high
type: system
tests:
  - name: one host falls silent while another goes on
    events:
      - {at: 0s, host: a, name: heartbeat, times: 3, every: 1m}
      - {at: 0s, host: b, name: heartbeat, times: 20, every: 1m}
    expect: [{at: 7m, host: a}]
"""


@dataclass(frozen=True, slots=True)
class Absence(Settings):
    """Fires for a key when nothing of it came in ``(t, t + within]`` after its event of time t.

    With ``after``: when nothing came in ``[t, t + within]`` after such an event; each of them is a wait of its own.
    The finding's time is the end of the wait, its value the length of the wait in seconds. What comes after the end
    clears. An event whose own wait is over and closed when it arrives begins none, unless the key was unknown.
    """

    within: int
    forget: int = _FORGET
    after: ArmSpec | None = None
    expect: ArmSpec = _EVERY

    @property
    def name(self) -> str:
        return "absence"

    @property
    def keeps(self) -> int:
        return max(self.forget, self.within + 1)  # no key goes before its silence can be proven

    @property
    def timed(self) -> bool:
        return True

    def arms(self) -> tuple[ArmSpec, ...]:
        return () if self.after is None else (self.after, self.expect)

    def document(self) -> dict[str, Any]:
        return {
            "within": format_duration(self.within), "forget": format_duration(self.forget),
            "arms": [arm.document() for arm in self.arms()],
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        if ladder.top is None:
            return []
        return ["takes one word: a silence is reported once, as soon as it is long enough"]

    def detector(self, ladder: Ladder) -> Listening | Awaiting:
        return Listening(self.within) if self.after is None else Awaiting(self.within, self.forget)


def parse(block: Mapping[str, Any]) -> Absence:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    within, forget = read.duration("within", least=1), read.duration("forget", _FORGET, least=1)
    after, expect = read.read("after", _step, None), read.read("expect", _step, None)
    if expect is not None and after is None:
        read.problem("expect", "needs an 'after' that begins the wait; without it the rule's where says what must come")
    if within and forget and forget < within:
        read.problem("forget", f"is shorter than the wait of {format_duration(within)}: nothing could ever fire")
    read.check()
    return Absence(within, forget, after, _EVERY if expect is None else expect)


def _step(raw: Any) -> ArmSpec:
    read = Block(raw)
    where = read.read("where", parse_where, None)
    source, by = read.text("source", ""), read.read("by", parse_key, None)
    if isinstance(raw, Mapping) and where is None and not source and not read.problems:
        read.problem("", "says neither where nor source")
    read.check()
    return ArmSpec(where, source, by)
