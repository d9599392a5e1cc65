"""Rekeyed rules find the same whatever the batches, the delays between origins, the crashes and the partitions."""

from __future__ import annotations

import random
import zlib

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.model import Batch, Control, Output, Source
from streams.state.detect.rekeyed import RekeyedState
from tests.detecting import BASE, Changelog, control, detecting, event, rule

SOURCE = Source("audit", "audit.events", ("tenant", "actor"), max_disorder=2_000, idle_after=3_000)
ORIGINS = 3
RULES = (
    rule("by-ip", {"count": {"at_least": 3, "within": "10s"}}, group_by=["ip"], title="{ip}", allowed_lateness="4s"),
    rule("actors", {"distinct": {"field": "actor", "at_least": 2, "within": "5s"}}, group_by=["ip"]),
    rule("level", {"level": {"value": "n", "above": 5, "forget": "1h"}}, group_by=["ip"], title="{value}"),
    rule("local", {"count": {"at_least": 2, "within": "3s"}}),
    rule("everybody", {"count": {"at_least": 5, "within": "5s"}}, scope="global", group_by=["ip"]),
)
Log = list[tuple[int, bytes | None, int]]


def origin_log(rnd: random.Random, length: int) -> Log:
    """Events mostly in order, some beyond the disorder, some far in the future, some that are none."""
    now, log = 0, []
    for offset in range(length):
        now += rnd.randrange(0, 3) * 500
        late = rnd.choice((0, 0, 0, rnd.randrange(0, 4) * 500, rnd.randrange(0, 80) * 500))
        at = 10**12 if rnd.random() < 0.02 else max(-BASE, now - late)
        payload = event(
            at, rnd.randrange(10**6), actor=rnd.choice("abc"), ip=f"10.0.0.{rnd.randrange(3)}", n=rnd.randrange(8),
        )  # fmt: skip
        log.append((offset, payload if rnd.random() < 0.97 else b"?", BASE + now))
    return log


def origins_of(_: object) -> frozenset[tuple[str, int]]:
    return frozenset((SOURCE.topic, number) for number in range(ORIGINS))


def sent(logs: list[Log], in_force: Control, rnd: random.Random, partitions: int) -> list[list[list[Output]]]:
    """What each origin sends to each rekeyed partition, with batches and publication times of its own."""
    streams = []
    for number, log in enumerate(logs):
        state, at, now, lanes = detecting(SOURCE, number), 0, BASE, [[] for _ in range(partitions)]
        state._rekeyed = partitions
        while at < len(log):
            size = rnd.randrange(1, 30)
            now += rnd.randrange(0, 3) * 500
            outputs = pipeline.detect(state, Batch(log[at : at + size]), now, in_force)
            at += size
            for output in outputs:
                if output.topic == "rekeyed":
                    lane = zlib.crc32(output.key) % partitions if output.partition is None else output.partition
                    lanes[lane].append(output)
        streams.append(lanes)
    return streams


def interleaved(lanes: list[list[Output]], rnd: random.Random) -> Log:
    """One rekeyed partition: the origins' records in their own order, and in any order among each other."""
    waiting, log = [list(reversed(lane)) for lane in lanes if lane], []
    while waiting:
        lane = rnd.choice(waiting)
        for _ in range(rnd.randrange(1, 20)):
            if lane:
                log.append((len(log), lane.pop().value, 0))
        waiting = [lane for lane in waiting if lane]
    return log


def evaluated(log: Log, in_force: Control, rnd: random.Random, crashes: float) -> list[Output]:
    outputs, changelog = [], Changelog()
    state, at = changelog.reborn(RekeyedState(0, origins_of)), 0
    while at < len(log):
        size = rnd.randrange(1, 40)
        outputs += pipeline.rekeyed(state, Batch(log[at : at + size]), BASE, in_force)
        at += size
        changelog.commit(state)
        assert state.position.committed <= state.position.next
        if rnd.random() < crashes:
            state = changelog.reborn(RekeyedState(0, origins_of))
            at = state.position.committed
    while at < len(log):
        outputs += pipeline.rekeyed(state, Batch(log[at:]), BASE, in_force)
        at = len(log)
    return outputs + pipeline.rekeyed_end(state, BASE, in_force, mark=0)


def found(outputs: list[Output]) -> list[bytes]:
    assert {output.topic for output in outputs} <= {"alert-input", "late"}
    return [output.value for output in outputs if output.topic == "alert-input"]


def by_key(values: list[bytes]) -> dict[str, list[bytes]]:
    """Findings of one key in their order; between keys, which live in different partitions, there is none."""
    keyed: dict[str, list[bytes]] = {}
    for value in values:
        document = msgspec.json.decode(value)
        keyed.setdefault(repr((document["rule"], document["tenant"], document["key"])), []).append(value)
    return keyed


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 60), st.sampled_from((1, 2, 4)), st.sampled_from((0.0, 0.3)))
def test_nothing_depends_on_who_was_faster(seed: int, length: int, partitions: int, crashes: float) -> None:
    rnd, in_force = random.Random(seed), control(*RULES)
    logs = [origin_log(rnd, rnd.randrange(length) + 5) for _ in range(ORIGINS)]
    plain = sent(logs, in_force, random.Random(1), 1)
    whole = found(
        evaluated(interleaved([lanes[0] for lanes in plain], random.Random(2)), in_force, random.Random(3), 0.0)
    )
    other = sent(logs, in_force, rnd, partitions)
    parts = []
    for number in range(partitions):
        log = interleaved([lanes[number] for lanes in other], rnd)
        parts += found(evaluated(log, in_force, rnd, crashes))
    assert by_key(parts) == by_key(whole)


def test_the_logs_of_this_test_bring_findings_of_every_rule() -> None:
    in_force = control(*RULES)
    logs = [origin_log(random.Random(seed), 60) for seed in range(ORIGINS)]
    lanes = sent(logs, in_force, random.Random(1), 1)
    outputs = evaluated(interleaved([lane[0] for lane in lanes], random.Random(2)), in_force, random.Random(3), 0.3)
    rules = {msgspec.json.decode(value)["rule"] for value in found(outputs)}
    assert rules == {"by-ip", "actors", "level", "everybody"}
