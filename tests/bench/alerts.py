"""Alerts at scale: 100,000 active, 10,000 findings a second about them, 1,000 status changes at once; first in the
process, then through a worker on Kafka."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Producer, TopicPartition
from rich.console import Console
from rich.table import Table

from streams.model import Command, Finding
from tests.bench.alert_population import encoded, finding, policy, status_change
from tests.bench.traffic import PARTITIONS, ROOT, Job, usage, write

RULE = Path(__file__).parent / "rules" / "latency"
_LITTLE = 0.1  #: CPU seconds
_PATIENCE = 600  #: seconds until something that does not come is a failure


class Worker:
    """One worker with the role of alerts alone, and the way to it."""

    def __init__(self, bootstrap: str, directory: Path, now: int) -> None:
        self.job = Job(bootstrap, directory, [str(RULE)], "alert", policy(now))
        options = {"bootstrap.servers": bootstrap}
        self._producer = Producer(
            {**options, "linger.ms": 0, "partitioner": "murmur2_random", "queue.buffering.max.messages": 1_000_000}
        )
        waits = {"fetch.wait.max.ms": 10, "fetch.queue.backoff.ms": 5, "enable.auto.commit": False}
        self._alerts = Consumer({**options, "group.id": "x", "isolation.level": "read_committed", **waits})
        self._group = Consumer({**options, "group.id": self.job.names.group("alert")})
        self.process = self.job.start()

    def send(self, *records: Finding | Command) -> None:
        """Put them on ``alert-input``."""
        topic = self.job.topic("alert-input")
        for record in records:
            self._producer.produce(topic, encoded(record), record.tenant)
            self._producer.poll(0)

    def behind(self) -> tuple[int, int]:
        """(committed, sent) of ``alert-input``; -1 before the group is there."""
        places = [TopicPartition(self.job.topic("alert-input"), n) for n in range(PARTITIONS)]
        try:
            ends = sum(self._group.get_watermark_offsets(place, 10)[1] for place in places)
            return sum(max(0, place.offset) for place in self._group.committed(places, 10)), ends
        except KafkaException:
            return -1, 0

    def settle(self) -> None:
        """Wait until all that was sent is committed."""
        self._producer.flush(60)
        until = time.monotonic() + _PATIENCE
        while (state := self.behind())[0] != state[1]:
            log = self.job.directory / "worker.0.log"
            assert self.process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, f"at {state}\n{log.read_text()[-3000:]}"
            time.sleep(0.05)

    def calm(self) -> None:
        """Wait until the timers and groups that what was sent has set in motion are done: a second with little CPU."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            before = usage(self.process.pid)[0]
            time.sleep(1)
            if usage(self.process.pid)[0] - before < _LITTLE:
                return

    def listen(self) -> None:
        """Hear of versions from now on."""
        topic = self.job.topic("alerts")
        self._alerts.assign([TopicPartition(topic, n, OFFSET_END) for n in range(PARTITIONS)])
        self._alerts.consume(1, 2.0)

    def heard(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """Versions as they come, with the time."""
        for message in self._alerts.consume(500, 0.005):
            if message.error() is None:
                yield time.monotonic(), json.loads(message.value() or b"")

    def restored(self) -> float:
        """Seconds that the restore of the last start took, of the partition that took longest."""
        lines = (self.job.directory / "worker.0.log").read_text().splitlines()
        told = [float(found[1]) for line in lines if (found := re.search(r"restored.*seconds=([0-9.]+)", line))]
        return max(told[-PARTITIONS:], default=0.0)

    def restart(self) -> None:
        self.stop()
        self.process = self.job.start()

    def join(self) -> subprocess.Popen[bytes]:
        """A second worker; returns once it has restored its half of the partitions."""
        other, log = self.job.start("1"), self.job.directory / "worker.1.log"
        until = time.monotonic() + _PATIENCE
        while log.read_text().count("restored") < PARTITIONS // 2:
            assert other.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.1)
        return other

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def latencies(worker: Worker, chosen: list[int], turn: int, rate: float, beside: int, alerts: int) -> list[float]:
    """ms from a status change to its version, ``rate`` a second, with ``beside`` findings a second between them."""
    sent: dict[str, float] = {}
    waits: list[float] = []
    began, folded, rnd = time.monotonic(), 0, random.Random(turn)
    while len(waits) < len(chosen) and time.monotonic() < began + len(chosen) / rate + 30:
        passed, now = time.monotonic() - began, time.time_ns() // 1_000_000
        while len(sent) < min(len(chosen), passed * rate):
            change = status_change(chosen[len(sent)], turn, now)
            sent[change.alert_id] = time.monotonic()
            worker.send(change)
        while folded < passed * beside and len(sent) < len(chosen):
            worker.send(finding(rnd.randrange(alerts), 10_000_000 * turn + folded, now))
            folded += 1
        for at, alert in worker.heard():
            if alert["why"] in ("acknowledged", "unacknowledged") and alert["id"] in sent:
                waits.append((at - sent[alert["id"]]) * 1000)
    assert len(waits) == len(chosen), f"{len(chosen) - len(waits)} status changes were not heard of"
    return sorted(waits)


def measure(bootstrap: str, directory: Path, alerts: int, findings: int, changes: int) -> dict[str, Any]:
    """All figures of one worker that has all partitions, by name. ``telling``: of status changes while it still tells
    what was opened; ``quiet``: afterwards; ``busy``: with 1,000 findings a second beside them.
    """
    rnd = random.Random(3)
    worker = Worker(bootstrap, directory, time.time_ns() // 1_000_000 - 3_600_000)
    second: subprocess.Popen[bytes] | None = None
    try:
        while worker.behind()[0] < 0:
            time.sleep(0.1)
        before = usage(worker.process.pid)[1]
        worker.send(*(finding(n, 0, time.time_ns() // 1_000_000) for n in range(alerts)))
        worker.settle()
        figures: dict[str, Any] = {"alerts": alerts, "rss_mib": round(usage(worker.process.pid)[1])}
        figures["kib_an_alert"] = round((figures["rss_mib"] - before) * 1024 / alerts, 2)
        cpu = usage(worker.process.pid)[0]
        figures["findings_per_s"] = round(throughput(worker, rnd, alerts, findings, 1))
        figures["finding_cpu_us"] = round((usage(worker.process.pid)[0] - cpu) / findings * 1e6, 1)
        worker.listen()
        chosen = rnd.sample(range(alerts), changes)
        for name, turn, beside in (("telling", 0, 0), ("quiet", 1, 0), ("busy", 2, 1_000)):
            waits = latencies(worker, chosen, turn, 20.0, beside, alerts)
            figures |= {f"{name}_p{share}_ms": round(waits[len(waits) * share // 100]) for share in (50, 90, 99)}
            worker.settle()
            worker.calm()
        many = rnd.sample(sorted(set(range(alerts)) - set(chosen)), 1_000)
        waits = latencies(worker, many, 0, 1e9, 0, alerts)
        figures["thousand_p50_ms"], figures["thousand_all_ms"] = round(waits[500]), round(waits[-1])
        began = time.monotonic()
        worker.restart()
        waits = latencies(worker, chosen[:1], 3, 1.0, 0, alerts)
        figures["back_after_s"] = round(time.monotonic() - began, 1)
        figures["restore_s"] = worker.restored()
        figures["rss_after_restart_mib"] = round(usage(worker.process.pid)[1])
        second = worker.join()
        figures["findings_per_s_of_two_workers"] = round(throughput(worker, rnd, alerts, findings, 1 + findings))
        return figures
    finally:
        worker.stop()
        if second is not None:
            second.terminate()
            second.wait(60)


def throughput(worker: Worker, rnd: random.Random, alerts: int, findings: int, first: int) -> float:
    """Findings a second, about alerts that stand, sent as fast as they are taken; numbered from ``first`` on."""
    now = time.time_ns() // 1_000_000
    made = [finding(rnd.randrange(alerts), first + n, now) for n in range(findings)]
    began = time.monotonic()
    worker.send(*made)
    worker.settle()
    return findings / (time.monotonic() - began)


def core(alerts: int) -> dict[str, Any]:
    """The figures of ``alerts_core``, of a process of its own."""
    command = [sys.executable, "-m", "tests.bench.alerts_core", str(alerts), "30000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def run(bootstrap: str, directory: Path, alerts: int = 100_000) -> dict[str, Any]:
    """Print and return all figures."""
    console = Console()
    inside = core(alerts)
    _show(console, "in the process, all in one partition", inside, float(inside["reference_us"]))
    outside = measure(bootstrap, directory, alerts, alerts, 400)
    _show(console, "one worker on Kafka, four partitions", outside, float(inside["reference_us"]))
    figures = {"core": inside, "kafka": outside}
    console.print(f"written to {write('alerts', [figures]).relative_to(ROOT)}")
    return figures


def _show(console: Console, title: str, figures: dict[str, Any], reference: float) -> None:
    table = Table("figure", "", "x decode + encode", title=f"alerts, {title}")
    for name, value in figures.items():
        ratio = f"{value / reference:.1f}" if name.endswith("_us") else ""
        table.add_row(name, str(value), ratio)
    console.print(table)
