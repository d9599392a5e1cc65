"""One dead sink beside nine good ones, in one process: what the nine deliver with and without it, in turn.

Two figures for each state of the tenth: notifications a second while ``count`` that came at once are worked off, and
how late they are (from the record's production to the receiver) when they come one by one at a steady pace.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import msgspec

from connectors.testing import SECRET, sample_notification
from tests.bench.sinks.hooks import a_second, hook, notes, topics
from tests.bench.sinks.receiver import Receiver, Seen, receiver
from tests.integration.delivering import Bench, eventually, up

GOOD = [f"good-{n}" for n in range(9)]
DEAD = "dead"
STATES = ("without", "refusing", "hanging")
_PER_SECOND, _SECONDS = 100, 6


@dataclass
class Measured:
    """Rounds of one state. Latencies in ms."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)  #: of the process, for each that one of the nine delivered
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def _tenth(state: str, to: Receiver) -> list[dict[str, Any]]:
    match state:
        case "refusing":
            return [hook(DEAD, "http://127.0.0.1:9/")]
        case "hanging":
            return [hook(DEAD, f"{to.url}/hang", timeout="2s")]
    return []


def _paced(bench: Bench, to: Receiver, first: int) -> list[float]:
    """A tenth of them for the dead sink. How late each came, ms."""
    count, at, goods = _PER_SECOND * _SECONDS, {}, 0
    begun = time.monotonic()
    for n in range(count):
        receiver_ = [*GOOD, DEAD][n % 10]
        note = sample_notification(first + n, receiver_)
        time.sleep(max(0.0, begun + n / _PER_SECOND - time.monotonic()))
        at[note.id] = time.time() * 1000
        bench.send("notifications", note.alert_id.encode(), msgspec.json.encode(note))
        goods += receiver_ != DEAD
    bench.flush()
    seen = to.wait(goods, 60)
    return [came - at[id_] for ids in seen.arrived.values() for id_, came in ids.items()]


def _round(bench: Bench, to: Receiver, state: str, count: int, into: Measured) -> None:
    sinks = [*(hook(name, f"{to.url}/{name}") for name in GOOD), *_tenth(state, to)]
    with bench.role(*sinks, HOOK=SECRET) as role:
        up(role, *GOOD)
        if state != "without":
            bench.notify(sample_notification(10**9, DEAD))
            eventually(lambda: role.health()[DEAD]["error"])
        bench.notify(*notes(count, *GOOD, DEAD))
        used = time.process_time()
        burst: Seen = to.wait(count * 9 // 10, 120)
        into.cpu_us.append((time.process_time() - used) / burst.count * 1e6)
        into.rates.append(a_second(burst))
        late = quantiles(_paced(bench, to, count), n=100)
        into.p50.append(late[49])
        into.p99.append(late[98])
        assert (burst.refused, burst.repeated) == (0, 0)


def _ratio(found: list[float], alone: list[float]) -> float:
    """The median over the rounds."""
    return round(median(one / other for one, other in zip(found, alone, strict=True)), 3)


def run(kafka: str, directory: Path, count: int, rounds: int) -> list[dict[str, Any]]:
    """One row for each state of the tenth sink: rates, CPU and latencies of each round, and how rates and CPU compare
    to those without it, in the median of the rounds.
    """
    found = {state: Measured() for state in STATES}
    with receiver() as to:
        _round(topics(kafka, directory), to, "hanging", count, Measured())  # the broker's Java is slow at first
        for number in range(rounds):
            for turn in range(len(STATES)):  # each state comes first once in three rounds
                state = STATES[(number + turn) % len(STATES)]
                _round(topics(kafka, directory), to, state, count, found[state])
    alone = found["without"]
    return [
        {
            "what": f"nine sinks, the tenth {state}" if state != "without" else "nine sinks, no tenth",
            "unit": "notifications/s", "rates": [round(rate) for rate in measured.rates],
            "p50_ms": [round(ms) for ms in measured.p50], "p99_ms": [round(ms) for ms in measured.p99],
            "cpu_us": [round(us) for us in measured.cpu_us],
            "ratio": _ratio(measured.rates, alone.rates), "cpu_ratio": _ratio(measured.cpu_us, alone.cpu_us),
        }
        for state, measured in found.items()
    ]  # fmt: skip
