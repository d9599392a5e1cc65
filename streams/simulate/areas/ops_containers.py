"""Containers, configuration and errors: releases, restarts and drift as they happen every day, and loops of them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from streams.simulate.gauges import HOUR, MINUTE, Fleet, Gauge, host_of, key_of, reading
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "metric"
_NAMES = ("api", "worker", "cache", "sidecar")
_BOX = Gauge("container", ("container",), (1, 1), 1, (0, 0), label="container", values=_NAMES, parts=("container",))
_DRIFT = Gauge("configuration-drift", ("configuration_drift",), (0, 0), 0, (1, 1), parts=("subject",))
_ODD = Gauge("metric-anomaly", ("threads",), (80, 120), 0, (0, 0), parts=())


def _box(who: int, container: str, type_: str = "metric", value: float = 1, name: str = "", **more: Any) -> Event:
    return reading(_BOX, who, value, name=name or type_, at=container, type=type_, **more)


class Containers:
    """Releases that restart each container once, health checks that pass, counters that stand, no drift."""

    source = SOURCE
    share = 3

    def __init__(self) -> None:
        self._turn = 0
        self._restarts: dict[int, tuple[int, int]] = {}
        self._fleet = Fleet((_ODD, Gauge("", ("open_files",), (200, 900), 0, (0, 0))), 30)

    def background(self, rng: Random, at: int) -> Event:
        dice = rng.random()
        self._turn += 1
        who, container = self._turn % 200, _NAMES[self._turn // 200 % 4]
        place = who * 4 + self._turn // 200 % 4
        last, count = self._restarts.get(place, (at, who % 30))
        if dice < 0.02 and at - last > HOUR:
            self._restarts[place] = at, count + 1
            return _box(who, container, "container.restart", reason="release")
        if dice < 0.3:
            self._restarts.setdefault(place, (at, count))
            return _box(who, container, value=count, name="container_restarts_total")
        if dice < 0.5:
            status = "starting" if rng.random() < 0.03 else "healthy"
            return _box(who, container, "container.health", status=status)
        if dice < 0.6:
            return reading(_DRIFT, who, 0)
        return self._fleet.read(rng, at)


def _restarts(who: int, container: str, times: list[int], completes: int | None) -> Attack:
    events = [(t, _box(who, container, "container.restart", exit_code=137)) for t in times]
    return Attack(tenant(who), key_of(_BOX, events[0][1]), events, completes)


def _loops(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A container that is killed again and again."""
    return _restarts(who, rng.choice(_NAMES), spread(rng, rng.randrange(3, 8), 13 * MINUTE), completes=2)


def _twice(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Every eight minutes: never three within a quarter of an hour."""
    return _restarts(who, rng.choice(_NAMES), [n * 8 * MINUTE for n in range(5)], completes=None)


def _release(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A release restarts every container once or twice."""
    events = [
        (t, _box(who, f"{rng.choice(_NAMES)}-{n // 2}", "container.restart", reason="release"))
        for n, t in enumerate(spread(rng, 12, 10 * MINUTE))
    ]
    return Attack(tenant(who), key_of(_BOX, events[0][1]), events, completes=None)


def _counted(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A counter of restarts rises by one every two or three minutes, from whatever it was."""
    counts = [rng.randrange(40)] * 5
    while counts[-1] < counts[0] + 4:
        counts += [counts[-1] + 1] * rng.randrange(1, 3)
    return _counter(who, counts, counts.index(counts[0] + 3))


def _set_back(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two restarts, then the pod is made anew and its counter begins at 0."""
    return _counter(who, [7, 7, 8, 9, 9, 0, 0, 0], None)


def _large(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A counter that is large for things long past."""
    return _counter(who, [rng.randrange(100, 9_000)] * 20, None)


def _counter(who: int, counts: list[int], completes: int | None) -> Attack:
    events = [
        (n * MINUTE, _box(who, "api", value=count, name="kube_pod_container_status_restarts_total"))
        for n, count in enumerate(counts)
    ]
    return Attack(tenant(who), key_of(_BOX, events[0][1]), events, completes)


def _words(who: int, words: list[str], completes: int | None) -> Attack:
    events = [(n * MINUTE, _box(who, "api", "container.health", status=word)) for n, word in enumerate(words)]
    return Attack(tenant(who), key_of(_BOX, events[0][1]), events, completes)


def _sick(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A health check fails as often as it may."""
    well = rng.randrange(4)
    return _words(who, ["healthy"] * well + [rng.choice(("unhealthy", "OOMKilled"))] * 3, completes=well)


def _starting(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Slow to start, and well in the end."""
    return _words(who, ["starting"] * rng.randrange(2, 9) + ["healthy"], completes=None)


def _stopped(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Stopped and removed on purpose."""
    return _words(who, ["healthy", "exited", "removed"], completes=None)


def _values(
    gauge: Gauge, who: int, values: Sequence[float], every: int, completes: int | None, name: str = ""
) -> Attack:
    events = [(n * every, reading(gauge, who, value, name=name)) for n, value in enumerate(values)]
    return Attack(tenant(who), key_of(gauge, events[0][1]), events, completes)


def _drifts(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody changes a setting by hand."""
    before = rng.randrange(4)
    return _values(_DRIFT, who, [0] * before + [rng.randrange(1, 9)] * 4, HOUR, completes=before)


def _none(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Compared again and again, and never a difference."""
    return _values(_DRIFT, who, [0] * 8, HOUR, completes=None)


def _clocks(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A clock drifts, which is another thing."""
    return _values(_DRIFT, who, [3, 7, 12, 40], HOUR, completes=None, name="clock_drift_ms")


def _error(type_: str, completes: int | None) -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        events = [
            (n * MINUTE, _box(who, "api", type_, error="disk write failed", component="storage")) for n in range(3)
        ]
        return Attack(tenant(who), {"host": host_of(who)}, events, completes)

    return plan


BACKGROUNDS = (Containers,)
_LOOK, _NEAR = Nature.LOOK_ALIKE, Nature.NEAR_MISS
SCENARIOS = (
    Scenario("container-restarting", "ops.container-restarting", 15 * MINUTE, _loops),
    Scenario("container-restarts-apart", "ops.container-restarting", 40 * MINUTE, _twice, _NEAR),
    Scenario("container-release", "ops.container-restarting", 15 * MINUTE, _release, _LOOK),
    Scenario("container-restart-counter", "ops.container-restart-counter", 30 * MINUTE, _counted),
    Scenario("container-counter-set-back", "ops.container-restart-counter", 30 * MINUTE, _set_back, _NEAR),
    Scenario("container-counter-large", "ops.container-restart-counter", 30 * MINUTE, _large, _LOOK),
    Scenario("container-unhealthy", "ops.container-unhealthy", 10 * MINUTE, _sick),
    Scenario("container-starting", "ops.container-unhealthy", 10 * MINUTE, _starting, _NEAR),
    Scenario("container-stopped", "ops.container-unhealthy", 10 * MINUTE, _stopped, _LOOK),
    Scenario("configuration-drift", "ops.configuration-drift", 8 * HOUR, _drifts),
    Scenario("configuration-as-declared", "ops.configuration-drift", 8 * HOUR, _none, _NEAR),
    Scenario("clock-drift", "ops.configuration-drift", 8 * HOUR, _clocks, _LOOK),
    Scenario("system-error-fatal", "ops.system-error", 5 * MINUTE, _error("fatal_error", 0)),
    Scenario("system-warning", "ops.system-error", 5 * MINUTE, _error("system.warning", None), _NEAR),
    Scenario("application-error", "ops.system-error", 5 * MINUTE, _error("app.error", None), _LOOK),
)
