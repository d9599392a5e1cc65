"""``tocsin demo``: the whole river on this machine, in under a minute."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import msgspec
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console
from rich.markup import escape

from streams.cli.demo_summary import Seen, show, summary
from streams.config import event_sources, load_config
from streams.config.rules import written_rules
from streams.errors import FAILED, TocsinError
from streams.local.servers import kafka
from streams.model import Alert, Delivery, Evidence
from streams.rules.template import shown
from streams.simulate import generate

PARTITIONS, WORKERS = 4, 2
BUILD = Path("build")
TOPICS = {"audit": "audit.events", "trade": "trade.events", "chain": "chain.events", "metric": "metric.events"}
COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
_alert = msgspec.json.Decoder(Alert)
_delivery = msgspec.json.Decoder(Delivery)


@click.command("demo")
@click.option("--seconds", default=15, show_default=True, help="Length of the simulated traffic.")
@click.option("--rate", default=400, show_default=True, help="Background events a second.")
@click.option("--seed", default=7, show_default=True, help="The same seed makes the same traffic.")
@click.option("--keep", is_flag=True, help="Stay up afterwards, until Ctrl-C.")
@click.option("--quiet", is_flag=True, help="Only the summary.")
def command(seconds: int, rate: int, seed: int, keep: bool, quiet: bool) -> None:
    """See it work on this machine: a real Kafka, simulated attacks, delivered alerts; in under a minute.

    \b
    Examples:
      tocsin demo
      tocsin demo --seconds 60 --rate 1000 --keep
    """
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.1f} s[/] {text}")

    name = f"demo-{int(time.time())}"
    directory = (BUILD / name).absolute()
    directory.mkdir(parents=True)
    say("starting a real Kafka broker (the first time, it is fetched)")
    with kafka() as bootstrap:
        config = _config(directory, name, bootstrap)
        tocsin = [sys.executable, "-m", "streams.cli", "--config", str(config)]
        say(f"creating topics on {bootstrap}, prefix {name}.")
        _must([*tocsin, "topics", "create", "--partitions", str(PARTITIONS)])
        say(f"starting {WORKERS} workers with all roles; logs in {directory}/worker-*.log")
        workers = [_worker(tocsin, directory, number) for number in range(WORKERS)]
        try:
            seen = Seen(hopping=_hopping(config))
            _wait_until_ready(tocsin, workers, directory)
            reader = threading.Thread(
                target=_read, args=(bootstrap, name, seen, None if quiet else console.print), daemon=True
            )
            reader.start()
            say(f"sending {rate} events/s for {seconds} s over four domains, with attacks among them")
            _send(bootstrap, name, seen, seed, seconds, rate)
            say(f"sent {seen.sent:,} events with {len(seen.labels)} attacks; waiting for the last alerts")
            _settle(seen)
            summed = summary(seen, name, bootstrap, directory, time.monotonic() - began)
            show(console, summed, config)
            (BUILD / "demo.json").write_text(json.dumps(summed, indent=1) + "\n")
            say(f"left {BUILD / 'demo.json'}")
            if keep:
                say("staying up; Ctrl-C ends it")
                with suppress(KeyboardInterrupt):
                    signal.pause()
            seen.reading = False
            reader.join(5)
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                with suppress(subprocess.TimeoutExpired):
                    worker.wait(25)
    missed = [row for row in summed["rules"] if row["found"] < row["injected"]]
    if missed:
        raise TocsinError(
            f"not every attack was found: {', '.join(row['rule'] for row in missed)}", f"look at {directory}"
        )


def _config(directory: Path, name: str, bootstrap: str) -> Path:
    path = directory / "tocsin.yaml"
    path.write_text(yaml.safe_dump({
        "kafka": {"bootstrap_servers": bootstrap},
        "app": "tocsin",
        "topic_prefix": f"{name}.",
        "data_dir": str(directory / "data"),
        "policy": {"receivers": [{"name": "on-call", "min_severity": "medium"}], "remind_after": "10m"},
        "sinks": [
            {"name": "on-call", "type": "console", "path": str(directory / "on-call.txt")},
            {"name": "archive", "type": "sqlite", "path": str(directory / "alerts.db")},
        ],
    }))  # fmt: skip
    return path


def _hopping(config: Path) -> frozenset[str]:
    """The rules whose key is not their topic's, or that read several topics."""
    loaded = load_config(config, {})
    partition_by = {source.name: source.partition_by for source in event_sources(loaded)}
    return frozenset(rule.id for rule in written_rules(loaded).rules if not rule.is_local(partition_by[rule.source]))


def _must(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise TocsinError(f"`{' '.join(command[3:])}` failed: {done.stderr.strip() or done.stdout.strip()}")


def _worker(tocsin: list[str], directory: Path, number: int) -> subprocess.Popen[bytes]:
    with open(directory / f"worker-{number}.log", "ab") as log:
        command = [*tocsin, "run", "--worker-id", str(number), "--port", "0"]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _wait_until_ready(
    tocsin: list[str], workers: list[subprocess.Popen[bytes]], directory: Path, timeout: float = 45
) -> None:
    """All partitions of both stages restored, by what the workers log. One that ends with the status that asks for it
    is started again, as an orchestrator would.
    """
    wanted, end = PARTITIONS * (len(TOPICS) + 3), time.monotonic() + timeout
    while time.monotonic() < end:
        logs = [(directory / f"worker-{number}.log").read_text(errors="replace") for number in range(len(workers))]
        for number, worker in enumerate(workers):
            if worker.poll() == FAILED:
                workers[number] = _worker(tocsin, directory, number)
            elif worker.poll() is not None:
                raise TocsinError(f"worker {number} ended with status {worker.returncode}:\n{logs[number][-1500:]}")
        if sum(log.count("restored ") for log in logs) >= wanted:
            return
        time.sleep(0.1)
    raise TocsinError(f"the workers were not ready after {timeout:.0f} s", f"look at {directory}/worker-*.log")


def _send(bootstrap: str, name: str, seen: Seen, seed: int, seconds: int, rate: int) -> None:
    """Publish simulated traffic as it would happen, in real time."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "partitioner": "murmur2_random"})
    start = time.time_ns() // 1_000_000
    for simulated in generate(seed, start, seconds * 1000, rate, every_ms=seconds * 1000):
        ahead = simulated.event["event_time"] / 1000 - time.time()
        if ahead > 0:
            producer.poll(0)
            time.sleep(ahead)
        value = msgspec.json.encode(simulated.event)
        seen.sent_at[simulated.event["event_id"]] = time.time()
        producer.produce(f"{name}.{TOPICS[simulated.source]}", value, simulated.key)
        seen.sent += 1
        if simulated.label is not None:
            seen.labels[simulated.label.attack] = simulated.label
    producer.flush(30)


def _read(bootstrap: str, name: str, seen: Seen, show: Callable[[str], None] | None) -> None:
    """Follow the alerts and deliveries topics, as a downstream team would."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "demo-reader", "isolation.level": "read_committed",
        "enable.auto.commit": False, "fetch.wait.max.ms": 20, "auto.offset.reset": "earliest",
    })  # fmt: skip
    alerts, deliveries = f"{name}.alerts", f"{name}.deliveries"
    consumer.assign([TopicPartition(topic, n, 0) for topic in (alerts, deliveries) for n in range(PARTITIONS)])
    while seen.reading:
        for message in consumer.consume(500, 0.05):
            if message.error() is not None:
                continue
            if message.topic() == deliveries:
                delivery = _delivery.decode(message.value())
                seen.delivered[delivery.sink, delivery.outcome.value] += 1
                continue
            alert = _alert.decode(message.value())
            seen.versions += 1
            if alert.why != "acknowledged" and (sent := seen.sent_at.get(alert.last[-1].event_id)) is not None:
                (seen.hopped if alert.rule in seen.hopping else seen.latencies).append(time.time() - sent)
            seen.alerts[alert.id] = alert
            if show is not None and alert.why in ("opened", "severity_raised", "resolved", "reopened"):
                show(_line(alert))
    consumer.close()


def _line(alert: Alert) -> str:
    key = ", ".join(f"{name}={value}" for name, value in alert.key.items())
    observed, threshold = alert.values.get("observed"), alert.values.get("threshold")
    why = f"{shown(observed)} against {shown(threshold)}" if threshold is not None else "matched"
    where = _range(alert.last)
    return (
        f"        [{COLOURS[alert.severity]}]{alert.severity:<8}[/] {alert.why:<15} [bold]{escape(alert.title)}[/]\n"
        f"                 [dim]{alert.rule} · {escape(key)} · {escape(why)} · {where} · id {alert.id[:12]}[/]"
    )


def _range(evidence: tuple[Evidence, ...]) -> str:
    if len(evidence) < 2:
        return evidence[0].position if evidence else ""
    return f"{evidence[0].position} … {evidence[-1].position}"


def _settle(seen: Seen, quiet: float = 2.5, timeout: float = 25) -> None:
    """Until every attack has its alert and nothing new came for a while."""
    end, last, since = time.monotonic() + timeout, -1, time.monotonic()
    while time.monotonic() < end:
        if seen.versions != last:
            last, since = seen.versions, time.monotonic()
        found = {(alert.rule, alert.tenant, json.dumps(alert.key)) for alert in seen.alerts.values()}
        wanted = {(label.rule, label.tenant, json.dumps(label.key)) for label in seen.labels.values()}
        if wanted <= found and time.monotonic() - since > quiet:
            return
        time.sleep(0.1)
