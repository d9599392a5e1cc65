"""What the tests of DETECT share: rules from short documents, events, and a partition that can be cut anywhere."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from streams import pipeline
from streams.detect.registry import KINDS
from streams.model import Batch, Control, Output, Source
from streams.model.flow import Original
from streams.rules.compiled import compiled
from streams.rules.load import ruleset_from_documents
from streams.rules.plain import plain
from streams.rules.program import Program
from streams.rules.rule import RuleSet
from streams.state.detect.detecting import DetectState
from streams.state.detect.rekeyed import RekeyedState
from streams.state.partition import Position

BASE = 1_700_000_000_000
AUDIT = Source("audit", "audit.events", ("tenant", "actor"), max_disorder=5_000)

S = TypeVar("S", DetectState, RekeyedState)
Programs = Callable[[RuleSet, Source], Program]
PROGRAMS: tuple[Programs, ...] = (plain, compiled)


def rule(id: str, detect: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A rule's document with what every rule must have."""
    return {
        "id": id, "title": "{actor}: {count}", "source": "audit", "where": {"action": "login"}, "group_by": ["actor"],
        "detect": detect, "severity": "high", "type": "security", "description": "why it matters",
        "tests": [{"name": "it fires", "events": [{"at": "0s", "action": "login"}], "expect": [{"at": "0s"}]}], **more,
    }  # fmt: skip


def control(*documents: dict[str, Any], position: int = 1) -> Control:
    return Control(position, ruleset_from_documents(documents, KINDS))


def event(at: int, number: int | str, **fields: Any) -> bytes:
    """An audit event at ``BASE + at`` ms; a field given as ... is left out."""
    whole = {
        "event_id": f"e{number}", "event_time": BASE + at, "tenant": "acme", "actor": "ada", "action": "login", **fields,
    }  # fmt: skip
    return msgspec.json.encode({name: value for name, value in whole.items() if value is not ...})


def records(payloads: Iterable[bytes | None], stamp: int = BASE + 3_600_000) -> list[tuple[int, bytes | None, int]]:
    """Payloads as records; they come an hour after the base, so that none of them is skewed."""
    return [(offset, payload, stamp) for offset, payload in enumerate(payloads)]


def batch(payloads: Iterable[bytes | None], **more: Any) -> Batch:
    return Batch(records(payloads, **more), lambda index: Original(b"key%d" % index, (("h", b"%d" % index),)))


def detecting(source: Source = AUDIT, partition: int = 0, program: Programs = compiled, **more: Any) -> DetectState:
    state = DetectState(source, partition, 2, program, **more)
    state.loaded()
    return state


class Changelog:
    """The changelog and ``__position`` of one partition; ``reborn`` makes a state from them, as after a crash."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.position = b""

    def commit(self, state: DetectState | RekeyedState) -> None:
        for key, value in state.changes():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.position = msgspec.json.encode(state.position)

    def reborn(self, state: S) -> S:
        for key, value in self.rows.items():
            state.load(key, value)
        if self.position:
            state.position = msgspec.json.decode(self.position, type=Position)
        state.loaded()
        return state


def detect_cut(
    make: Callable[[], DetectState], incoming: Sequence[tuple[int, bytes | None, int]], cuts: Iterable[int],
    in_force: Callable[[int], Control], *, crash: bool, now: int = BASE,
) -> tuple[list[Output], DetectState, Changelog]:  # fmt: skip
    """All outputs with the stream cut before the given records; with ``crash`` the state is made anew at each cut."""
    log, outputs = Changelog(), []
    state = log.reborn(make())
    edges = [0, *sorted(cuts), len(incoming)]
    for begin, end in pairwise(edges):
        outputs += pipeline.detect(state, Batch(list(incoming[begin:end])), now, in_force(begin))
        log.commit(state)
        if crash:
            state = log.reborn(make())
    return outputs, state, log


def findings(outputs: Iterable[Output]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(output.value) for output in outputs if output.topic == "alert-input"]


def letters(outputs: Iterable[Output], topic: str = "dead-letter") -> list[dict[str, Any]]:
    return [msgspec.json.decode(output.value) for output in outputs if output.topic == topic]


def original_value(letter: dict[str, Any]) -> bytes:
    return base64.b64decode(letter["value"])
