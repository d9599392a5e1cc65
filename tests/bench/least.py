"""What the traffic of job "replay" costs at the least in Python: its events read and matched by all rules, and then one
look-up and one append for each rule that matched; without windows, order, hop, duplicates or findings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streams.config import event_sources, load_config
from streams.detect.registry import KINDS
from streams.rules.compiled import CompiledProgram, compiled
from streams.rules.load import load_rules

#: By rule, then by key: the times of its events.
Kept = list[dict[Any, list[int]]]


class Least:
    """The events of a folder of JSON lines, a file a source, and the programs of all rules over them."""

    def __init__(self, packs: Path, lines: Path, sources: Sequence[str]) -> None:
        ruleset = load_rules([packs], KINDS)
        known = {source.name: source for source in event_sources(load_config(None, {}))}
        self._programs = {name: compiled(ruleset, known[name]) for name in sources}
        self._events = {name: (lines / f"{name}.jsonl").read_bytes().splitlines() for name in sources}

    def matched(self) -> float:
        """CPU s of the projection decode and the generated match alone."""
        began = time.process_time()
        for name, program in self._programs.items():
            decode, match = program.decode, program.match
            for raw in self._events[name]:
                match(decode(raw))
        return time.process_time() - began

    def looked_up(self) -> float:
        """The same, and for each rule that matched and has a key its time appended to what is kept under that."""
        began = time.process_time()
        for name, program in self._programs.items():
            _look_up(program, self._events[name])
        return time.process_time() - began

    def by_source(self) -> Iterator[tuple[str, int, float, float]]:
        """Source, events, and by event: rules matched, and those of them that have a key, which is a step each."""
        for name, program in self._programs.items():
            rows, rules = (
                [program.row(index) for index in range(len(program.arms))],
                [arm.rule.id for arm in program.arms],
            )
            matched = stepped = 0
            for raw in self._events[name]:
                event = program.decode(raw)
                arms = program.match(event) or ()
                matched += len({rules[index] for index in arms})
                stepped += len({rules[index] for index in arms if rows[index](event) is not None})
            events = len(self._events[name])
            yield name, events, matched / events, stepped / events


def _look_up(program: CompiledProgram, events: Sequence[bytes]) -> Kept:
    decode, match = program.decode, program.match
    kept: Kept = [{} for _ in program.arms]
    rows = [program.row(index) for index in range(len(program.arms))]
    for raw in events:
        event = decode(raw)
        arms = match(event)
        if arms is None:
            continue
        at = event.event_time
        for index in arms:
            row = rows[index](event)
            if row is not None:
                entries = kept[index].get(row)
                if entries is None:
                    kept[index][row] = [at]
                else:
                    entries.append(at)
    return kept
