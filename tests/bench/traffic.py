"""The benchmark's events, and the few things every benchmark does."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.runtime.names import Names

ROOT = Path(__file__).parents[2]
PARTITIONS = 4


def event(rnd: random.Random, number: int, at: int, matches: float, actors: int = 50_000) -> dict[str, Any]:
    """An audit event of about 390 bytes as JSON; a share of ``matches`` is a failed login."""
    failed = rnd.random() < matches
    return {
        "event_id": f"{number:012x}",
        "event_time": at,
        "tenant": "acme",
        "source": "idp",
        "type": "authentication",
        "actor": f"user-{rnd.randrange(actors)}",
        "source_ip": f"10.{rnd.randrange(256)}.{rnd.randrange(256)}.7",
        "action": "login" if failed or number % 2 else "read",
        "outcome": "failure" if failed else "success",
        "resource": f"app/{rnd.randrange(1000)}",
        "session": {"id": f"{rnd.randrange(1 << 60):015x}", "mfa": True},
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "region": "eu-central-1",
        "request": f"{rnd.randrange(1 << 40):x}",
    }


def fill(bootstrap: str, topic: str, n: int, matches: float, seed: int = 1) -> float:
    """Publish ``n`` events, one millisecond of event time apart; returns the mean size in bytes."""
    rnd, size = random.Random(seed), 0
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 500_000,
            "batch.size": 1 << 20,
        }
    )
    base = time.time_ns() // 1_000_000 - n
    for number in range(n):
        entry = event(rnd, number, base + number, matches)
        value = orjson.dumps(entry)
        size += len(value)
        while True:
            try:
                producer.produce(topic, value, entry["actor"])
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(120)
    return size / n


class Job:
    """A worker of ours over its own topics."""

    def __init__(
        self,
        bootstrap: str,
        directory: Path,
        rules: list[str],
        roles: str = "detect,alert",
        policy: dict[str, Any] | None = None,
    ) -> None:
        self.bootstrap = bootstrap
        self.names = Names("b", f"bench-{time.time_ns() // 1_000_000 % 10**9}.")
        self.directory = directory / self.names.prefix.rstrip(".")
        self.directory.mkdir(parents=True)
        self.roles = roles
        self._group: Consumer | None = None
        config = {
            "kafka": {"bootstrap_servers": bootstrap},
            "app": self.names.app,
            "topic_prefix": self.names.prefix,
            "data_dir": str(self.directory / "data"),
            "rules": rules,
            "policy": policy or {"receivers": []},
        }
        (self.directory / "tocsin.yaml").write_text(yaml.safe_dump(config))
        subprocess.run(
            self.command("topics", "create", "--partitions", str(PARTITIONS)), cwd=ROOT, check=True, capture_output=True
        )

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "streams.cli", "--config", str(self.directory / "tocsin.yaml"), *args]

    def topic(self, logical: str) -> str:
        return self.names.topic(logical)

    def start(self, worker: str = "0") -> subprocess.Popen[bytes]:
        log = open(self.directory / f"worker.{worker}.log", "ab")  # noqa: SIM115 - the child keeps it
        command = self.command("run", "--worker-id", worker, "--roles", self.roles, "--no-http")
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def committed(self) -> tuple[int, int]:
        """(committed, end) over all partitions of audit.events."""
        if self._group is None:  # one for all looks: the benchmark's own work must not show
            self._group = Consumer(
                {
                    "bootstrap.servers": self.bootstrap,
                    "group.id": self.names.group("detect"),
                    "isolation.level": "read_uncommitted",
                }
            )
        tps = [TopicPartition(self.topic("audit.events"), n) for n in range(PARTITIONS)]
        try:
            ends = sum(self._group.get_watermark_offsets(tp, 10)[1] for tp in tps)
            return sum(max(0, tp.offset) for tp in self._group.committed(tps, 10)), ends
        except KafkaException:  # topics that are still being made
            return -1, 0


def usage(pid: int) -> tuple[float, float]:
    """(CPU seconds, RSS in MiB) of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    rss = next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"), rss / 1024


def create(bootstrap: str, *topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics]).values():
        future.result(20)


def raw(bootstrap: str, topic: str, n: int) -> tuple[float, float, float]:
    """Consume ``n`` records and ``orjson.loads`` each, as its own process: (wall, CPU, RSS)."""
    code = f"""
import os, sys, time, orjson
from confluent_kafka import Consumer, TopicPartition
c = Consumer({{"bootstrap.servers": {bootstrap!r}, "group.id": "raw", "enable.auto.commit": False, "auto.offset.reset": "earliest",
    "fetch.queue.backoff.ms": 5, "fetch.max.bytes": 8 << 20, "queued.max.messages.kbytes": 65536}})
c.assign([TopicPartition({topic!r}, p, 0) for p in range({PARTITIONS})])
n, loads = 0, orjson.loads
while n == 0:
    ms = c.consume(5000, 0.005); n = len(ms)
w, u = time.monotonic(), time.process_time()
first = n
while n < {n}:
    for m in c.consume(5000, 0.005):
        if m.error() is None:
            loads(m.value()); n += 1
w, u = time.monotonic() - w, time.process_time() - u
rss = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmRSS")) / 1024
k = {n} / ({n} - first)
print("RESULT", w * k, u * k, rss)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "RESULT" in out.stdout, out.stderr
    wall, cpu, rss = map(float, out.stdout.split("RESULT")[1].split())
    return wall, cpu, rss


def write(name: str, rows: list[dict[str, Any]]) -> Path:
    """``build/bench/NAME.json``."""
    path = ROOT / "build" / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")
    return path


__all__ = ["PARTITIONS", "ROOT", "Job", "create", "event", "fill", "raw", "usage", "write"]
