"""Every kind in one partition: cut anywhere, crash there, let ticks pass; the same findings in the same order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.detect.base import NEVER
from streams.model import Batch, Control, Output
from streams.state.detect.detecting import DetectState
from tests.detecting import BASE, PROGRAMS, Changelog, Programs, detecting, records
from tests.everykind import AUDIT, every_kind, river

ALL = every_kind()


class Tick(NamedTuple):
    """Between two records, as the journal has it: before the record of this offset, at this time."""

    before: int
    now: int


Incoming = list[tuple[int, bytes | None, int]]


def lived(
    incoming: Incoming, ticks: Iterable[Tick], cuts: Iterable[int], *, crash: bool, in_force: Control = ALL,
    make: Callable[[], DetectState] = lambda: detecting(AUDIT),
) -> tuple[list[Output], DetectState, Changelog]:  # fmt: skip
    """All outputs of a partition, with ticks where the journal has them, cut at the given offsets."""
    log, outputs = Changelog(), list[Output]()
    state = log.reborn(make())
    waiting = sorted(ticks)
    edges = sorted({0, len(incoming), *(tick.before for tick in waiting), *cuts})
    for number, begin in enumerate(edges):
        while waiting and waiting[0].before == begin:
            outputs += pipeline.detect_tick(state, waiting.pop(0).now, in_force, at_end=True)
            log.commit(state)
            if crash:
                state = log.reborn(make())
        end = edges[number + 1] if number + 1 < len(edges) else begin
        now = state.position.now or BASE
        outputs += pipeline.detect(state, Batch(incoming[begin:end]), now, in_force)
        log.commit(state)
        if crash:
            state = log.reborn(make())
    return [output for output in outputs if output.partition is None], state, log


def remembered(state: DetectState, log: Changelog, in_force: Control = ALL) -> tuple[dict[bytes, Any], list[Any]]:
    """What the changelog holds once all that has expired is swept, and every key's next timer."""
    state.begin(in_force)
    timers = []
    for ref in sorted(rule.ref for rule in in_force.ruleset.in_force()):
        table = state.book.table(ref)
        assert table is not None
        table.next_sweep = NEVER
        if table.timed is None:
            continue
        for tenant, shelf in sorted(table.shelves.items()):
            for row, one in sorted(shelf.rows.items(), key=repr):
                timers.append((ref, tenant, row, due := table.timed.due(one)))
                if due is not None:
                    assert shelf.scheduled[row] <= due, "nobody would look in time"
                    assert table.wake <= due + table.rule.allowed_lateness + 1
                    assert state.book.wake <= table.wake
    state.book.sweep(state.clock.mark, 1 << 30)
    log.commit(state)
    rows = {key: msgspec.json.decode(value) for key, value in log.rows.items()}
    for key in [key for key in rows if key.startswith(b'["rule"')]:
        table = state.book.table(msgspec.json.decode(key)[1])
        assert table is not None
        *head, marks = rows[key]
        horizon = state.clock.mark - table.span
        rows[key] = [*head, sorted(mark for mark in marks if mark[2] > horizon)]  # older ones mean nothing any more
    return rows, timers


@st.composite
def streams(draw: st.DrawFn, most: int = 60) -> tuple[Incoming, list[Tick]]:
    rnd = random.Random(draw(st.integers(0, 10**6)))
    payloads: list[bytes | None] = [*river(rnd, draw(st.integers(5, most)))]
    for _ in range(draw(st.integers(0, 2))):
        payloads.insert(rnd.randrange(len(payloads) + 1), draw(st.sampled_from((None, b"", b"{}", b"[1]", b"\xff"))))
    now, ticks = BASE, []
    for before in sorted(rnd.randrange(len(payloads) + 1) for _ in range(draw(st.integers(0, 6)))):
        now += rnd.choice((100, 2_000, 4_000, 30_000))
        ticks.append(Tick(before, now))
    return records(payloads), ticks


few = st.tuples(st.lists(st.integers(0, 60), max_size=6), st.booleans())
each = st.tuples(st.just(range(60)), st.just(False))


@settings(max_examples=60, deadline=None)
@given(streams(), few | each, st.sampled_from((PROGRAMS[1], PROGRAMS[1], PROGRAMS[0])))
def test_a_cut_anywhere_shows_neither_in_the_findings_nor_in_what_is_remembered(
    stream: tuple[Incoming, list[Tick]], cutting: tuple[Sequence[int], bool], program: Programs
) -> None:
    (incoming, ticks), (cuts, crash) = stream, cutting
    make = lambda: detecting(AUDIT, program=program)  # noqa: E731  # said twice
    whole, state, log = lived(incoming, ticks, [], crash=False, make=make)
    parts, again, other = lived(incoming, ticks, [c for c in cuts if c < len(incoming)], crash=crash, make=make)
    assert parts == whole
    assert again.clock == state.clock
    assert remembered(again, other) == remembered(state, log)
