"""One disturbed run: its topics, its workers (restarted as an orchestrator would), its traffic."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streams.runtime.control import publish as publish_control
from streams.runtime.control import ruleset_record
from streams.runtime.names import Names

RULES = Path(__file__).parent / "rules"
ROOT = Path(__file__).parents[2]
TENANTS = ("acme", "globex", "initech")
DISORDER, IDLE = 1000, 1000
AFTERWARDS = 120_000  #: ms of event time from the last event to the one that closes a partition


class Run:
    """``partitions`` of every topic; everything under ``directory``."""

    def __init__(
        self, name: str, bootstrap: str, directory: Path, partitions: int = 4, replication: int = 1,
        policy: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.policy = policy or {
            "receivers": [{"name": "pager", "min_severity": "high"}], "remind_after": "3s", "max_reminders": 2,
        }  # fmt: skip
        self.asked: tuple[str, ...] = ()  #: more actions that people take
        self.commanded: Counter[str] = Counter()  #: what they did, by action
        self.name, self.bootstrap, self.partitions = name, bootstrap, partitions
        self.names = Names(app="t", prefix=f"{name}-{time.time_ns() // 1_000_000 % 10**8}.")
        self.options = {"bootstrap.servers": bootstrap}
        self.environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap}
        self.directory = directory / self.names.prefix.rstrip(".")
        self.directory.mkdir(parents=True)
        self.lives: dict[str, object] = {}
        self.procs: dict[str, subprocess.Popen[bytes] | None] = {}
        self.exits: list[tuple[str, int, float]] = []
        self.stopping = False
        self.started = time.time()
        self._threads: list[threading.Thread] = []
        self._loading = threading.Event()
        self.sent = 0
        (self.directory / "tocsin.yaml").write_text(yaml.safe_dump(self._config()))
        self.cli("topics", "create", "--partitions", str(partitions), "--replication", str(replication))

    def _config(self) -> dict[str, Any]:
        return {
            "kafka": {"bootstrap_servers": self.bootstrap},
            "app": self.names.app,
            "topic_prefix": self.names.prefix,
            "data_dir": str(self.directory / "data"),
            "rules": [str(RULES / "a")],
            "sources": {
                name: {"max_disorder": f"{DISORDER}ms", "idle_after": f"{IDLE}ms"}
                for name in ("audit", "trade", "alerts")
            },
            "policy": self.policy,
            "sinks": [
                {"name": "store", "type": "sqlite", "path": str(self.directory / "alerts.db")},
                *(
                    {"name": one["name"], "type": "console", "path": str(self.directory / f"{one['name']}.txt")}
                    for one in self.policy["receivers"]
                ),
            ],
        }

    def cli(self, *args: str) -> str:
        command = [sys.executable, "-m", "streams.cli", "--config", str(self.directory / "tocsin.yaml"), *args]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    # -- processes -----------------------------------------------------------------------------------------------

    def spawn(self, slot: str, worker: str | None = None, fault: str | Callable[[], str] = "") -> None:
        """Start a worker and start it again whenever it ends, with back-off where it was fenced."""
        worker, token = worker or slot, object()
        self.lives[slot], self.procs[slot] = token, None

        def life() -> None:
            while not self.stopping and self.lives.get(slot) is token:
                env = {
                    **self.environment,
                    "RUNDIR": str(self.directory),
                    "WORKER": worker,
                    "FAULT": fault() if callable(fault) else fault,
                    "PYTHONPATH": str(ROOT),
                }
                with open(self.directory / f"worker.{slot}.log", "ab") as out:
                    process = subprocess.Popen(
                        [sys.executable, "-m", "tests.chaos.worker"], cwd=ROOT, env=env, stdout=out, stderr=out
                    )
                self.procs[slot] = process
                status = process.wait()
                self.exits.append((slot, status, time.time()))
                if not self.stopping:
                    time.sleep({71: 1.0}.get(status, 0.05))

        thread = threading.Thread(target=life, daemon=True)
        thread.start()

    def end(self, slot: str, signum: int = signal.SIGTERM) -> subprocess.Popen[bytes]:
        """End a worker and do not start it again."""
        self.lives.pop(slot)
        process = self.procs.pop(slot)
        assert process is not None
        process.send_signal(signum)
        return process

    def kill(self, slot: str, signum: int = signal.SIGKILL) -> None:
        process = self.procs[slot]
        assert process is not None
        os.kill(process.pid, signum)

    def stopped(self, slot: str) -> bool:
        process = self.procs.get(slot)
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_text() if process else ""
            return stat.rsplit(")", 1)[-1].split()[0] == "T" if stat else False
        except OSError:
            return False

    def flag(self, worker: str, role: str, what: str) -> None:
        path = self.directory / f"flag.{worker}.{role}"
        path.with_suffix(".tmp").write_text(what)
        path.with_suffix(".tmp").rename(path)

    def stop(self) -> None:
        self.stopping = True
        self._loading.clear()
        for process in list(self.procs.values()):
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        for process in list(self.procs.values()):
            try:
                if process:
                    process.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()  # type: ignore[union-attr]  # it is one: it timed out
                self.exits.append(("late", -9, time.time()))

    # -- what the workers did ------------------------------------------------------------------------------------

    def points(self, worker: str, what: str, after: float = 0.0, role: str | None = None) -> list[dict[str, Any]]:
        path = self.directory / f"points.{worker}.log"
        if not path.exists():
            return []
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        return [r for r in rows if r["what"] == what and r["t"] > after and role in (None, r.get("role"))]

    def wait(self, condition: Callable[[], object], timeout: float, what: str = "") -> bool:
        end = time.time() + timeout
        while time.time() < end:
            if condition():
                return True
            time.sleep(0.05)
        print(f"   timeout ({timeout:.0f} s) waiting for {what}", flush=True)
        return False

    def start_two(self, fault: str = "flags", rate: int = 1500, **load: Any) -> None:
        """Two workers, traffic, and all partitions live."""
        self.load(rate, **load)
        for slot in "01":
            self.spawn(slot, fault=fault)
        live = lambda: sum(len(self.points(slot, "live")) for slot in "01")  # noqa: E731 - said once
        assert self.wait(lambda: live() >= 3 * self.partitions, 40, "all partitions live"), "workers did not start"
        time.sleep(2)

    # -- traffic -------------------------------------------------------------------------------------------------

    def load(
        self,
        rate: int,
        seed: int = 1,
        users: int = 400,
        total: int | None = None,
        commands: bool = True,
        lag: Callable[[int], float] | None = None,
    ) -> None:
        """Publish audit events (with bad ones and duplicates among them) until ``settle`` or ``total``; answer alerts
        with commands. ``lag`` delays a partition's events by seconds."""
        self._loading.set()
        self._threads.append(threading.Thread(target=self._publish, args=(rate, seed, users, total), daemon=True))
        if commands:
            self._threads.append(threading.Thread(target=self._command, args=(seed,), daemon=True))
        for thread in self._threads:
            thread.start()

    def _producer(self, **more: Any) -> Producer:
        return Producer(
            {**self.options, "linger.ms": 2, "partitioner": "murmur2_random", "enable.idempotence": True, **more}
        )

    def _publish(self, rate: int, seed: int, users: int, total: int | None) -> None:
        rnd, producer, topic = random.Random(seed), self._producer(), self.names.topic("audit.events")
        trades, roots = self.names.topic("trade.events"), [""]
        base = time.time_ns() // 1_000_000 - 3_600_000  # an hour ago; event time runs with the number
        began, number, last = time.time(), 0, b""
        while self._loading.is_set() and (total is None or number < total):
            while number < (time.time() - began) * rate and (total is None or number < total):
                number += 1
                actor = f"u{int(users * rnd.random() ** 2)}"
                key = f"{TENANTS[int(actor[1:]) % 3]}|{actor}"
                dice = rnd.random()
                if dice < 0.001:
                    producer.produce(topic, b'{"event_id": "bad", "action": "login", ', key)
                elif dice < 0.002 and last:
                    producer.produce(topic, last, key_of(last))
                else:
                    event = audit_event(rnd, number, actor, base + number * 20)
                    last = json.dumps(event).encode()
                    producer.produce(topic, last, key)
                    if event["action"] == "root":
                        roots = [*roots[-3:], actor]
                if number % 20 == 0:
                    sale = trade_event(rnd, number, rnd.choice(roots) or actor, base + number * 20 + 10)
                    producer.produce(trades, json.dumps(sale), f"{sale['tenant']}|{sale['account']}")
                self.sent = number
            producer.poll(0)
            time.sleep(0.002)
        # Time goes on in every partition, so that what time alone brings about does not depend on who was idle.
        end = base + number * 20 + AFTERWARDS
        for partition in range(self.partitions):
            closing = {"event_id": f"end{partition}", "event_time": end, "tenant": "acme", "action": "end"}
            producer.produce(topic, json.dumps({**closing, "actor": "end"}), partition=partition)
            producer.produce(trades, json.dumps({**closing, "account": "end"}), partition=partition)
        producer.flush(30)

    def _command(self, seed: int) -> None:
        """Acknowledge, resolve or dismiss some alerts, a while after they opened."""
        rnd, producer = random.Random(seed + 1), self._producer()
        consumer = self.reader()
        consumer.assign([TopicPartition(self.names.topic("alerts"), n, 0) for n in range(self.partitions)])
        pending: list[tuple[float, dict[str, Any], str]] = []
        while self._loading.is_set():
            for message in consumer.consume(500, 0.1):
                if (
                    message.error() is None
                    and (alert := json.loads(message.value()))["version"] == 1
                    and rnd.random() < 0.4
                ):
                    action = rnd.choice(["acknowledge", "resolve", "dismiss", "comment", *self.asked])
                    pending.append((time.time() + rnd.uniform(0, 6), alert, action))
            for entry in [entry for entry in pending if entry[0] < time.time()]:
                pending.remove(entry)
                _, alert, action = entry
                command = {
                    "record": "command",
                    "id": f"c-{action}-{alert['id']}",
                    "action": action,
                    "alert_id": alert["id"],
                    "tenant": alert["tenant"],
                    "by": "chaos",
                    "at": time.time_ns() // 1_000_000,
                    "note": "seen",
                }
                if action == "delivery_failed":
                    command |= {"receiver": "pager", "notification_id": f"n-{alert['id']}"}
                self.commanded[action] += 1
                for _ in range(rnd.choice([1, 1, 1, 2])):  # sometimes twice: it must count once
                    producer.produce(self.names.topic("alert-input"), json.dumps(command), alert["tenant"])
            producer.poll(0)
        producer.flush(10)
        consumer.close()

    def switch_rules(self, which: str) -> None:
        from streams.detect.registry import KINDS
        from streams.rules.load import load_rules

        publish_control(self.options, self.names, [ruleset_record(load_rules([RULES / which], KINDS))])

    # -- the end -------------------------------------------------------------------------------------------------

    def reader(self) -> Consumer:
        return Consumer(
            {
                **self.options,
                "group.id": "chaos-reader",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )

    def read(self, logical: str, n: int | None = None) -> list[list[tuple[int, bytes | None, bytes | None]]]:
        """All committed records, per partition: (offset, key, value)."""
        topic, n = self.names.topic(logical), n or self.partitions
        ends = Consumer({**self.options, "group.id": "chaos-reader", "isolation.level": "read_uncommitted"})
        high = [ends.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in range(n)]
        ends.close()
        rows: list[list[tuple[int, bytes | None, bytes | None]]] = [[] for _ in range(n)]
        consumer, left, end = self.reader(), set(range(n)), time.time() + 90
        consumer.assign([TopicPartition(topic, p, 0) for p in range(n)])
        while left and time.time() < end:
            for message in consumer.consume(5000, 0.2):
                if message.error() is None:
                    rows[message.partition()].append((message.offset(), message.key(), message.value()))
                elif message.offset() >= high[message.partition()]:
                    left.discard(message.partition())
        consumer.close()
        assert not left, f"{topic}: partitions {left} were never read to the end"
        return rows

    def positions(self) -> list[tuple[int, int]]:
        """(committed, end) of every partition that DETECT and ALERT read from outside."""
        found = []
        for role, logical in (("detect", "audit.events"), ("detect", "trade.events"), ("alert", "alert-input")):
            group = Consumer({**self.options, "group.id": self.names.group(role), "isolation.level": "read_committed"})
            topic = self.names.topic(logical)
            try:
                tps = group.committed([TopicPartition(topic, n) for n in range(self.partitions)], 10)
                found += [(tp.offset, group.get_watermark_offsets(tp, 10)[1]) for tp in tps]
            except KafkaException:  # a transaction holds positions: not yet
                found.append((-1, time.time_ns()))
            finally:
                group.close()
        return found

    def still(self, seconds: float, timeout: float) -> bool:
        """Whether positions came to rest: nothing moved for ``seconds``. Markers and aborted records at the end of a
        partition are never committed past, so a position need not be the end; what is missing, the oracle finds."""
        last, since, end = self.positions(), time.time(), time.time() + timeout
        while time.time() < end:
            time.sleep(0.5)
            if (now := self.positions()) != last:
                last, since = now, time.time()
            elif time.time() - since > seconds and all(high - offset < 5000 for offset, high in now):
                return True
        return False

    def settle(self, timeout: float = 90) -> bool:
        """Stop the traffic, wait until everything is through (timers too), stop the workers."""
        self._loading.clear()
        for thread in self._threads:
            thread.join(40)
        # Idle watermarks let rekeyed events be evaluated; two reminders of three seconds follow.
        drained = self.still(8 + 2 * (DISORDER + IDLE) / 1000, timeout)
        self.stop()
        return drained


def key_of(value: bytes) -> str:
    event = json.loads(value)
    return f"{event['tenant']}|{event['actor']}"


def audit_event(rnd: random.Random, number: int, actor: str, at: int) -> dict[str, Any]:
    """About 390 bytes; failures burst on few actors and addresses, so that rules fire and fold."""
    dice = rnd.random()
    action, outcome = (
        ("login", "failure") if dice < 0.3 else ("root", "success") if dice < 0.303 else ("read", "success")
    )
    return {
        "event_id": f"e{number}",
        "event_time": at,
        "tenant": TENANTS[int(actor[1:]) % 3],
        "type": "auth" if action == "login" else "data",
        "actor": actor,
        "source_ip": f"10.0.{rnd.randrange(4)}.{rnd.randrange(50)}",
        "action": action,
        "outcome": outcome,
        "score": rnd.randrange(1000),
        "resource": f"doc/{rnd.randrange(10000)}",
        "session": {"id": f"s{rnd.randrange(10**9)}", "agent": "Mozilla/5.0 (X11; Linux x86_64)"},
        "region": "eu-west-1",
        "request_id": f"{rnd.randrange(16**12):012x}",
        "detail": "x" * 60,
    }


def trade_event(rnd: random.Random, number: int, account: str, at: int) -> dict[str, Any]:
    """A trade of somebody who may have become root; never at the time of an audit event."""
    return {
        "event_id": f"t{number}",
        "event_time": at,
        "tenant": TENANTS[int(account[1:]) % 3],
        "account": account,
        "side": rnd.choice(("buy", "sell")),
        "venue": "x",
    }
