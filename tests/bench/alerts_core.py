"""ALERT in the process, all alerts in one partition: what an alert, a finding and a status change cost."""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from streams import pipeline
from streams.model import Batch, Control
from streams.state.alerts.alerting import AlertState
from tests.bench.alert_population import MINUTE, encoded, finding, policy, status_change

BEGIN = 1_760_000_000_000
BATCH = 500  #: records a step, as they come at 10,000 a second


class Partition:
    """One partition, its changelog as compaction leaves it, and the CPU its steps took."""

    def __init__(self) -> None:
        self.state = AlertState(0)
        self.state.loaded()
        self.control = Control(1, None, {"policy/default": policy(BEGIN)})
        self.changelog: dict[bytes, bytes] = {}
        self.now, self.offset, self.spent, self.encoding = BEGIN, 0, 0.0, 0.0
        self.outputs: dict[str, int] = {}

    def give(self, records: Sequence[bytes], *, keep: bool = False) -> float:
        """One step and the reading of its changes; returns its CPU seconds."""
        batch = Batch([(self.offset + n, value, self.now) for n, value in enumerate(records)])
        self.offset += len(records)
        began = time.thread_time()
        outputs = pipeline.alert(self.state, batch, self.now, self.control)
        return self._ended(began, outputs, keep)

    def tick(self, *, keep: bool = False) -> float:
        """Time passes."""
        began = time.thread_time()
        outputs = pipeline.alert_tick(self.state, self.now, self.control, at_end=True)
        return self._ended(began, outputs, keep)

    def pass_time(self, until: int) -> tuple[int, float]:
        """All timers up to a moment, each in its time; returns how many steps and CPU seconds."""
        steps, spent = 0, 0.0
        while (due := self.state.due()) is not None and due <= until:
            self.now = max(self.now, due)
            spent += self.tick(keep=True)
            steps += 1
        self.now = until
        return steps, spent

    def _ended(self, began: float, outputs: Iterable[Any], keep: bool) -> float:
        changes = list(self.state.changes())
        spent = time.thread_time() - began
        for output in outputs:
            self.outputs[output.topic] = self.outputs.get(output.topic, 0) + 1
        for key, value in changes if keep else ():
            if value is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = value
        return spent


def rss() -> float:
    """MiB of this process."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def opened(partition: Partition, alerts: int) -> float:
    """Open so many, a thousand a second; returns CPU seconds."""
    spent = 0.0
    for begin in range(0, alerts, BATCH):
        partition.now += BATCH
        made = [encoded(finding(n, 0, partition.now)) for n in range(begin, min(begin + BATCH, alerts))]
        spent += partition.give(made)
    return spent


def folded(partition: Partition, chosen: Sequence[int], number: int) -> float:
    """Findings about alerts that stand, 10,000 a second; CPU us each."""
    spent = 0.0
    for begin in range(0, len(chosen), BATCH):
        partition.now += BATCH // 10
        batch = chosen[begin : begin + BATCH]
        spent += partition.give([encoded(finding(n, number + begin + k, partition.now)) for k, n in enumerate(batch)])
    return spent / len(chosen) * 1e6


def reference(values: Sequence[bytes]) -> float:
    """Decode and encode the JSON of the same alerts once; CPU us each."""
    began = time.thread_time()
    for value in values:
        orjson.dumps(orjson.loads(value))
    return (time.thread_time() - began) / len(values) * 1e6


def adopted(partition: Partition, **sections: Any) -> float:
    """Another control record comes, with these sections of the policy otherwise; CPU ms of the step that adopts it."""
    document = {**partition.control.records["policy/default"], **sections}
    partition.control = Control(partition.control.position + 1, None, {"policy/default": document})
    return partition.tick() * 1e3


def restored(changelog: dict[bytes, bytes]) -> float:
    """CPU seconds of loading it."""
    state = AlertState(0)
    began = time.thread_time()
    for key, value in changelog.items():
        state.load(key, value)
    state.loaded()
    return time.thread_time() - began


def measure(alerts: int = 100_000, findings: int = 50_000) -> dict[str, Any]:
    """All figures, by name. The garbage collector is set as a worker sets it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1000)
    rnd, partition = random.Random(1), Partition()
    before = rss()
    opening = opened(partition, alerts)
    size = (rss() - before) * 1024 / alerts
    entries = partition.state.book.entries
    value = sum(len(entry.value) for entry in entries.values()) / len(entries) / 1024
    sample = [entries[name].value for name in rnd.sample(sorted(entries), min(20_000, alerts))]
    base = reference(sample)
    ticks, ticking = partition.pass_time(partition.now + 2 * MINUTE)
    cold = folded(partition, [rnd.randrange(alerts) for _ in range(findings)], 1)
    hot = folded(partition, [rnd.randrange(min(1_000, alerts)) for _ in range(findings)], findings + 1)
    chosen = rnd.sample(range(alerts), min(1_000, alerts))
    changes = [
        partition.give([encoded(status_change(n, turn, partition.now)) for n in chosen]) * 1e3 for turn in (0, 1)
    ]
    singles = sorted(partition.give([encoded(status_change(n, 2, partition.now))]) * 1e3 for n in chosen)
    inhibit = partition.control.records["policy/default"]["inhibit"]
    same = adopted(partition)
    silence = adopted(partition, silences={})
    other = adopted(partition, inhibit=inhibit[:9])
    snapshot = {orjson.dumps(["alert", name]): entry.value for name, entry in entries.items()}
    return {
        "alerts": alerts, "entries": len(entries), "kib_an_alert": round(size, 2), "stored_kib": round(value, 2),
        "reference_us": round(base, 2), "open_us": round(opening / alerts * 1e6, 1), "fold_cold_us": round(cold, 1),
        "fold_hot_us": round(hot, 1), "ticks": ticks, "ticks_s": round(ticking, 2),
        "thousand_changes_ms": round(max(changes), 1), "one_change_ms_p50": round(singles[len(singles) // 2], 2),
        "one_change_ms_p99": round(singles[int(len(singles) * 0.99)], 2), "adopt_same_ms": round(same, 1),
        "adopt_silences_ms": round(silence, 1), "adopt_inhibitions_ms": round(other, 1),
        "restore_s": round(restored(snapshot), 2), "outputs": dict(partition.outputs),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:])), indent=1))
