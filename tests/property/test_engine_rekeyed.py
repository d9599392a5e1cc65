"""Every kind over ``rekeyed``, and rules over two topics: no matter who was faster, crashed, or how many they were."""

from __future__ import annotations

import random
import zlib

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.model import Batch, Control, Output
from streams.state.detect.rekeyed import RekeyedState
from tests.detecting import BASE, Changelog, detecting, records
from tests.everykind import BY_IP, LOCAL, OVER_SOURCES, TRADE, every_kind, river, trades

ALL = every_kind(*OVER_SOURCES)
ORIGINS = ((BY_IP, 0), (BY_IP, 1), (TRADE, 0))
Log = list[tuple[int, bytes | None, int]]


def origins_of(_: object) -> frozenset[tuple[str, int]]:
    return frozenset((source.topic, number) for source, number in ORIGINS)


def origin_logs(rnd: random.Random, length: int) -> list[Log]:
    rivers = [river(rnd, rnd.randrange(length) + 5), river(rnd, rnd.randrange(length) + 5), trades(rnd, length)]
    return [records([*payloads]) for payloads in rivers]


def sent(logs: list[Log], in_force: Control, rnd: random.Random, partitions: int) -> list[list[list[bytes]]]:
    """By origin and rekeyed partition: what it sends, in batches and at times of its own, with crashes between."""
    streams = []
    for (source, number), log in zip(ORIGINS, logs, strict=True):
        lanes: list[list[bytes]] = [[] for _ in range(partitions)]
        at, now, changelog = 0, BASE, Changelog()
        state = changelog.reborn(detecting(source, number))
        while at < len(log):
            size = rnd.randrange(1, 30)
            now += rnd.randrange(0, 3) * 500
            state._rekeyed = partitions
            outputs = pipeline.detect(state, Batch(log[at : at + size]), now, in_force)
            at += size
            changelog.commit(state)
            if rnd.random() < 0.2:
                state = changelog.reborn(detecting(source, number))
            for output in outputs:
                if output.topic == "rekeyed":
                    lane = zlib.crc32(output.key or b"") % partitions if output.partition is None else output.partition
                    lanes[lane].append(output.value)
                else:
                    assert output.topic in ("late", "dead-letter"), output
        streams.append(lanes)
    return streams


def interleaved(lanes: list[list[bytes]], rnd: random.Random) -> Log:
    """One rekeyed partition: the origins' records in their own order, and in any order among each other."""
    waiting, log = [list(reversed(lane)) for lane in lanes if lane], Log()
    while waiting:
        lane = rnd.choice(waiting)
        for _ in range(rnd.randrange(1, 20)):
            if lane:
                log.append((len(log), lane.pop(), 0))
        waiting = [lane for lane in waiting if lane]
    return log


def evaluated(log: Log, in_force: Control, rnd: random.Random, crashes: float) -> tuple[list[Output], RekeyedState]:
    outputs, changelog, at = list[Output](), Changelog(), 0
    state = changelog.reborn(RekeyedState(0, origins_of))
    while at < len(log):
        size = rnd.randrange(1, 60)
        outputs += pipeline.rekeyed(state, Batch(log[at : at + size]), BASE, in_force)
        at += size
        changelog.commit(state)
        if rnd.random() < crashes:
            state = changelog.reborn(RekeyedState(0, origins_of))
            at = state.position.committed
    return outputs + pipeline.rekeyed_end(state, BASE, in_force, mark=BASE + 10**7), state


def by_key(outputs: list[Output]) -> dict[str, list[bytes]]:
    """Findings of one key in their order; between keys, which live in different partitions, there is none."""
    keyed: dict[str, list[bytes]] = {}
    for output in outputs:
        if output.topic == "alert-input":
            document = msgspec.json.decode(output.value)
            name = repr((document["rule"], document["tenant"], document["key"]))
            keyed.setdefault(name, []).append(output.value)
    return keyed


def roomy(in_force: Control) -> Control:
    """Without the rules whose room is bounded: it is so for each partition, so that what goes depends on their number."""
    chosen = [one for one in (*LOCAL, *OVER_SOURCES) if "budget" not in one]
    return every_kind(*OVER_SOURCES, of=[one for one in chosen if one not in OVER_SOURCES])


ROOMY = roomy(ALL)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((1, 2, 4)), st.sampled_from((0.0, 0.3)))
def test_nothing_depends_on_who_was_faster_and_how_many_they_were(seed: int, partitions: int, crashes: float) -> None:
    rnd = random.Random(seed)
    logs = origin_logs(rnd, 40)
    whole, _ = evaluated(
        interleaved([lanes[0] for lanes in sent(logs, ROOMY, random.Random(1), 1)], random.Random(2)),
        ROOMY, random.Random(3), 0.0,
    )  # fmt: skip
    others, parts = sent(logs, ROOMY, rnd, partitions), list[Output]()
    for number in range(partitions):
        parts += evaluated(interleaved([lanes[number] for lanes in others], rnd), ROOMY, rnd, crashes)[0]
    assert by_key(parts) == by_key(whole)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((0.0, 0.3)))
def test_in_one_partition_evictions_do_not_depend_on_the_order_of_arrival_either(seed: int, crashes: float) -> None:
    rnd = random.Random(seed)
    lanes = sent(origin_logs(rnd, 40), ALL, random.Random(1), 1)
    one, first = evaluated(interleaved([lane[0] for lane in lanes], random.Random(2)), ALL, random.Random(3), 0.0)
    other, then = evaluated(interleaved([lane[0] for lane in lanes], rnd), ALL, rnd, crashes)
    assert by_key(other) == by_key(one)
    assert then.limit == first.limit


def test_the_streams_of_these_tests_bring_findings_of_every_rule() -> None:
    found = set()
    for seed in range(6):
        lanes = sent(origin_logs(random.Random(seed), 60), ALL, random.Random(1), 1)
        outputs, _ = evaluated(interleaved([lane[0] for lane in lanes], random.Random(2)), ALL, random.Random(3), 0.3)
        found |= {msgspec.json.decode(output.value)["rule"] for output in outputs if output.topic == "alert-input"}
    assert found == {one["id"] for one in (*LOCAL, *OVER_SOURCES)}
    assert not any(one.is_local(BY_IP.partition_by) for one in ALL.ruleset.reading("audit"))
