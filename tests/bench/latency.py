"""Latency from produce to the alerts topic at 2,000 events/s, with 1 % and with 50 % of events making findings."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console
from rich.table import Table

from tests.bench.traffic import PARTITIONS, Job, event, usage, write

RULE = Path(__file__).parent / "rules" / "latency"


def measure(bootstrap: str, directory: Path, matches: float, seconds: float, rate: int = 2000) -> dict[str, Any]:
    job = Job(bootstrap, directory, [str(RULE)])
    worker = job.start()
    topic = job.topic("audit.events")
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "partitioner": "murmur2_random"})
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "latency",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 5,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(job.topic("alerts"), p, 0) for p in range(PARTITIONS)])
    try:
        while job.committed()[0] < 0:
            time.sleep(0.05)
        time.sleep(3)
        sent, sending = {}, threading.Event()
        sending.set()

        def send() -> None:
            rnd, number, began = random.Random(7), 0, time.time()
            while time.time() - began < seconds:
                while number < (time.time() - began) * rate:
                    entry = event(rnd, number, time.time_ns() // 1_000_000, matches, actors=5000)
                    sent[entry["event_id"]] = time.time()
                    producer.produce(topic, orjson.dumps(entry), entry["actor"])
                    number += 1
                producer.poll(0)
                time.sleep(0.001)
            producer.flush(10)
            sending.clear()

        threading.Thread(target=send, daemon=True).start()
        seen: list[tuple[float, bytes]] = []
        cpu, end = usage(worker.pid)[0], None
        while end is None or time.time() < end:
            for message in consumer.consume(500, 0.005):
                if message.error() is not None:
                    continue
                seen.append((time.time(), message.value() or b""))
            if end is None and not sending.is_set():
                end = time.time() + 2
        cpu = usage(worker.pid)[0] - cpu
    finally:
        worker.terminate()
        worker.wait(30)
        consumer.close()
    skip = time.time() - 2 - seconds * 0.9  # the first tenth warms up
    waits = sorted(
        1000 * (at - sent[alert["last"][-1]["event_id"]])
        for at, value in seen
        if at > skip
        for alert in [json.loads(value)]
    )
    pick = lambda q: round(waits[min(len(waits) - 1, int(q * len(waits)))], 1)  # noqa: E731 - said once
    return {
        "engine": "tocsin",
        "variant": f"{matches:.0%} findings",
        "events": len(sent),
        "versions": len(seen),
        "p50_ms": pick(0.5),
        "p90_ms": pick(0.9),
        "p99_ms": pick(0.99),
        "max_ms": round(waits[-1], 1),
        "cpu_percent": round(100 * cpu / (seconds + 2)),
    }


def run(bootstrap: str, directory: Path, seconds: float = 30.0) -> list[dict[str, Any]]:
    rows = [measure(bootstrap, directory, matches, seconds) for matches in (0.01, 0.5)]
    table = Table(
        "variant",
        "events",
        "alert versions",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms",
        "CPU %",
        title="produce to alerts, 2,000 events/s",
    )
    for row in rows:
        table.add_row(
            *(
                str(row[name])
                for name in ("variant", "events", "versions", "p50_ms", "p90_ms", "p99_ms", "max_ms", "cpu_percent")
            )
        )
    console = Console()
    console.print(table)
    write("latency", rows)
    return rows
