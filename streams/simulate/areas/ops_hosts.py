"""Hosts: load, memory, disks and network, as an agent reads them, and machines that run full."""

from __future__ import annotations

from random import Random

from streams.simulate.gauges import HOUR, MINUTE, Fleet, Gauge, host_of, key_of, reading, scenarios
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "metric"
_MOUNTS = ("/", "/data", "/var/log")
_PEERS = ("fra-1", "syd-2", "iad-1")
DISK = Gauge(
    "disk", ("disk_percent", "filesystem_used_percent"), (12, 54), 60, (62, 99), percent=True, label="mount",
    values=_MOUNTS, parts=("mount",), alike="disk_io_busy_percent",
)  # fmt: skip
GAUGES = (
    Gauge("cpu", ("cpu_percent", "cpu_usage_percent"), (3, 52), 60, (70, 100), 5 * MINUTE, percent=True),
    Gauge(
        "memory", ("memory_percent", "memory_used_percent"), (15, 53), 60, (62, 97), percent=True,
        alike="memory_cache_percent",
    ),
    DISK,
    Gauge("load-average", ("load_per_core",), (0.05, 1.2), 2, (2.6, 9), 10 * MINUTE),
    Gauge(
        "packet-loss", ("packet_loss_percent",), (0, 0.3), 1, (1.6, 30), 5 * MINUTE, percent=True, label="peer",
        values=_PEERS, parts=("peer",),
    ),
    Gauge(
        "network-latency", ("network_latency_ms", "network_rtt_ms"), (0.3, 160), 250, (320, 4_000), 5 * MINUTE,
        label="peer", values=_PEERS, parts=("peer",),
    ),
)  # fmt: skip
HEARTBEAT = Gauge("heartbeat-lost", ("heartbeat",), (1, 1), 1, (0, 0))


class Hosts:
    """Forty machines that are well, each measured in turn."""

    source = SOURCE
    share = 6

    def __init__(self) -> None:
        self._fleet = Fleet(GAUGES, 40)

    def background(self, rng: Random, at: int) -> Event:
        return self._fleet.read(rng, at)


def _filling(rng: Random, who: int, per_hour: float, begin: float) -> tuple[list[tuple[int, Event]], dict[str, object]]:
    mount = rng.choice(_MOUNTS)
    step = rng.choice((2, 5)) * MINUTE
    events = []
    for n in range(int(1.5 * HOUR / step)):
        used = begin + per_hour * n * step / HOUR + rng.uniform(-0.05, 0.05)
        events.append((n * step, reading(DISK, who, round(min(used, 100), 3), at=mount)))
    return events, key_of(DISK, events[0][1])


def _fills(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A log that nobody rotates: full in two or three hours."""
    start = rng.uniform(66, 76)
    events, key = _filling(rng, who, (100 - start) / rng.uniform(1.8, 3.2), start)
    return Attack(tenant(who), key, events, completes=11)


def _grows(rng: Random, who: int, begin: int, span: int) -> Attack:
    """It grows, but there are more than five hours left even at the end."""
    start = rng.uniform(62, 70)
    events, key = _filling(rng, who, (100 - start) / rng.uniform(7.5, 12), start)
    return Attack(tenant(who), key, events, completes=None)


def _copies(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A dump is written to an empty disk and taken away again."""
    events = [
        (n * 2 * MINUTE, reading(DISK, who, round(18 + 0.9 * n + rng.random(), 2), at="/data")) for n in range(40)
    ]
    events += [((40 + n) * 2 * MINUTE, reading(DISK, who, 18.2, at="/data")) for n in range(5)]
    return Attack(tenant(who), key_of(DISK, events[0][1]), events, completes=None)


def _beats(who: int, times: list[int], *, goodbye: bool) -> list[tuple[int, Event]]:
    """Heartbeats; the last of a host that is switched off on purpose says so."""
    events = [(t, reading(HEARTBEAT, who, 1, status="up")) for t in times]
    if goodbye:
        events[-1][1]["status"] = "stopping"
    return events


def _silent(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A host dies, and another of the tenant goes on."""
    every, last = rng.choice((15, 30, 60)) * 1_000, rng.randrange(5, 20)
    mine = _beats(who, [n * every for n in range(last)], goodbye=False)
    other = _beats(who + 8 * 3_000_000, [n * MINUTE for n in range(40)], goodbye=True)
    events = sorted([*mine, *other], key=lambda one: one[0])
    completes = max(n for n, (_, event) in enumerate(events) if event["host"] == host_of(who))
    return Attack(tenant(who), {"host": host_of(who)}, events, completes)


def _late(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Heartbeats that come just in time, until the host is switched off."""
    times = [n * 295_000 + rng.randrange(4_000) for n in range(8)]
    return Attack(tenant(who), {"host": host_of(who)}, _beats(who, times, goodbye=True), completes=None)


def _leaves(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Heartbeats at uneven times, and a host that is taken out of service and says so."""
    times = [0]
    while len(times) < 12:
        times.append(times[-1] + rng.randrange(5_000, 240_000))
    return Attack(tenant(who), {"host": host_of(who)}, _beats(who, times, goodbye=True), completes=None)


BACKGROUNDS = (Hosts,)
SCENARIOS = (
    *(scenario for gauge in GAUGES for scenario in scenarios(gauge)),
    Scenario("disk-full-soon", "ops.disk-full-soon", 2 * HOUR, _fills),
    Scenario("disk-grows-slowly", "ops.disk-full-soon", 2 * HOUR, _grows, Nature.NEAR_MISS),
    Scenario("dump-on-an-empty-disk", "ops.disk-full-soon", 2 * HOUR, _copies, Nature.LOOK_ALIKE),
    Scenario("heartbeat-lost", "ops.heartbeat-lost", 45 * MINUTE, _silent),
    Scenario("heartbeat-late", "ops.heartbeat-lost", 45 * MINUTE, _late, Nature.NEAR_MISS),
    Scenario("heartbeat-goodbye", "ops.heartbeat-lost", 45 * MINUTE, _leaves, Nature.LOOK_ALIKE),
)
