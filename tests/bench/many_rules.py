"""Job "rules": what the number of loaded rules costs, what a further stateful match costs, what a key costs.

The same stream of audit events over four types for 1, 12, 50 and 200 rules of all kinds, each event matching one
stateful rule over 50,000 keys; then 200 rules with two and four matches an event; all of it durable, on real Kafka.
Keys: a count rule over so many keys, in memory by itself, and restored by a worker from its changelog.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from tests.bench.plainest import plainest
from tests.bench.rule_mix import events, rules
from tests.bench.traffic import ROOT, Job, create, raw, usage, write

#: (rules loaded, stateful matches an event)
VARIANTS = ((1, 1), (12, 1), (50, 1), (200, 1), (200, 2), (200, 4))
#: Of these beside the plainest that could do it.
REFERENCE = ((12, 1), (200, 2), (200, 4))
KEYS = (10_000, 100_000, 1_000_000)
#: A count rule by actor, all of whose events match.
COUNTED = {**rules(1)[0], "detect": {"count": {"at_least": 5, "within": "1d"}}}


def publish(bootstrap: str, topic: str, made: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> None:
    producer = Producer({
        "bootstrap.servers": bootstrap, "linger.ms": 20, "partitioner": "murmur2_random",
        "queue.buffering.max.messages": 500_000, "batch.size": 1 << 20,
    })  # fmt: skip
    for key, value in made:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(120)


def job(bootstrap: str, directory: Path, documents: list[dict[str, Any]]) -> Job:
    """A worker over these rules, with topics of its own."""
    folder = directory / f"rules-{time.time_ns()}"
    folder.mkdir()
    for document in documents:
        (folder / f"{document['id']}.yaml").write_text(yaml.safe_dump(document))
    return Job(bootstrap, directory, [str(folder)])


def until(job: Job, worker: subprocess.Popen[bytes], offsets: int) -> int:
    """Wait until so many offsets are committed; returns how many are."""
    while (done := job.committed()[0]) < offsets:
        assert worker.poll() is None, (job.directory / "worker.0.log").read_text()[-3000:]
        time.sleep(0.005 if offsets == 1 else 0.05)
    return done


def measure(bootstrap: str, directory: Path, number: int, matches: int, made: list[tuple[str, bytes]]) -> list[float]:
    """One worker from its first commit to the last offset: wall and CPU seconds, for all events, and RSS in MiB."""
    here = job(bootstrap, directory, rules(number, matches))
    publish(bootstrap, here.topic("audit.events"), made)
    worker = here.start()
    try:
        first = until(here, worker, 1)
        began, (cpu, _) = time.monotonic(), usage(worker.pid)
        until(here, worker, len(made))
        wall, (cpu_end, rss) = time.monotonic() - began, usage(worker.pid)
        scale = len(made) / (len(made) - first)
        return [wall * scale, (cpu_end - cpu) * scale, rss]
    finally:
        worker.terminate()
        worker.wait(30)


_IN_MEMORY = """
import sys
from streams.detect.registry import KINDS
from streams import pipeline
from streams.model import Batch, Control, Source
from streams.rules.compiled import compiled
from streams.rules.load import ruleset_from_documents
from streams.state.detect.detecting import DetectState
from tests.bench.many_rules import COUNTED, one_each

def rss():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmRSS"))

n = int(sys.argv[1])
control = Control(1, ruleset_from_documents([COUNTED], KINDS))
state = DetectState(Source("audit", "audit.events", ("tenant", "actor")), 0, 1, compiled, max_keys=10_000_000)
state.loaded()
def some(events):
    batch = []
    for offset, (_, value) in enumerate(events):
        batch.append((offset, value, 1_760_000_000_000 + 86_400_000))
        if len(batch) == 2_000:
            yield batch
            batch = []
for batch in some(one_each(4_000, seed=9)):
    pipeline.detect(state, Batch(batch), 0, control)
    for _ in state.changes(): pass
before = rss()
for batch in some(one_each(n)):
    pipeline.detect(state, Batch(batch), 0, control)
    for _ in state.changes(): pass
print("RESULT", (rss() - before) * 1024 / n)
"""


def one_each(n: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """One event for each of ``n`` keys."""
    for number in range(n):
        actor = f"user-{seed}-{number}"
        entry = {
            "event_id": f"{seed:04x}{number:028x}", "event_time": 1_760_000_000_000 + number // 50, "tenant": "acme",
            "type": "authentication", "actor": actor, "action": "login", "outcome": "failure",
        }  # fmt: skip
        yield actor, orjson.dumps(entry)


def bytes_a_key(n: int) -> float:
    """RSS of a process of its own, before and after ``n`` keys."""
    out = subprocess.run(
        [sys.executable, "-c", _IN_MEMORY, str(n)], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert "RESULT" in out.stdout, out.stderr[-2000:]
    return float(out.stdout.split("RESULT")[1])


def restored(bootstrap: str, directory: Path, n: int) -> tuple[float, float]:
    """A worker with ``n`` keys ends and comes back: seconds until its last partition is restored, and RSS in MiB."""
    here = job(bootstrap, directory, [COUNTED])
    publish(bootstrap, here.topic("audit.events"), one_each(n))
    worker = here.start()
    try:
        until(here, worker, n)
    finally:
        worker.terminate()
        worker.wait(60)
    worker = here.start("0")
    log = here.directory / "worker.0.log"
    try:
        seconds: list[float] = []
        while len(seconds) < 4:
            assert worker.poll() is None, log.read_text()[-3000:]
            time.sleep(0.1)
            _, *lives = log.read_text().split("worker starts")
            again = lives[1] if len(lives) == 2 else ""
            seconds = [
                float(took) for took in re.findall(r"restored .*part=\S*audit\.events/\d+ .*seconds=([0-9.]+)", again)
            ]
        return max(seconds), usage(worker.pid)[1]
    finally:
        worker.terminate()
        worker.wait(60)


def run(bootstrap: str, directory: Path, n: int = 1_000_000, rounds: int = 3) -> list[dict[str, Any]]:
    console = Console()
    made = events(n)
    size = statistics.fmean(len(value) for _, value in made[:10_000])
    console.print(f"{n:,} events of {size:.0f} bytes over 50,000 keys, {rounds} rounds in turn")
    shared = f"bench-rules-{time.time_ns()}"
    create(bootstrap, shared)
    publish(bootstrap, shared, made)
    figures: dict[tuple[int, int], list[list[float]]] = {}
    least: dict[tuple[int, int], list[float]] = {}
    together: dict[tuple[int, int], list[float]] = {}
    for turn in range(rounds):
        figures.setdefault((0, 0), []).append(list(raw(bootstrap, shared, n)))
        for variant in VARIANTS:
            figures.setdefault(variant, []).append(measure(bootstrap, directory, *variant, made))
            wall, cpu, rss = figures[variant][-1]
            console.print(
                f"  round {turn + 1}: {variant[0]} rules, {variant[1]} matches: {wall:.2f} s, {cpu:.2f} CPU s"
            )
            if variant in REFERENCE:
                for one_row, costs in ((False, least), (True, together)):
                    changelog = f"bench-plainest-{time.time_ns()}"
                    create(bootstrap, changelog)
                    _, cpu = plainest(bootstrap, shared, changelog, n, *variant, together=one_row)
                    costs.setdefault(variant, []).append(cpu)
                    what = ", one row a key" if one_row else ""
                    console.print(f"    the plainest that could do it{what}: {cpu:.2f} CPU s")
    rows: list[dict[str, Any]] = []
    for (number, matches), got in figures.items():
        wall, cpu, rss = (statistics.median(column) for column in zip(*got, strict=True))
        rows.append({
            "rules": number, "matches": matches, "events_per_s": round(n / wall),
            "cpu_s_per_million": round(cpu / n * 1e6, 2), "rss_mb": round(rss),
            "plainest_cpu_s_per_million": _per_million(least.get((number, matches)), n),
            "plainest_one_row_cpu_s_per_million": _per_million(together.get((number, matches)), n),
        })  # fmt: skip
    _show_rules(console, rows)
    keys = []
    for number in KEYS:
        took, rss = restored(bootstrap, directory, number)
        keys.append({
            "keys": number, "bytes_a_key": round(bytes_a_key(number)), "restore_s": round(took, 2),
            "restored_keys_per_s": round(number / took), "rss_mb": round(rss),
        })  # fmt: skip
    _show_keys(console, keys)
    console.print(f"written to {write('rules', [*rows, *keys]).relative_to(ROOT)}")
    return [*rows, *keys]


def _per_million(costs: list[float] | None, n: int) -> float | None:
    return None if costs is None else round(statistics.median(costs) / n * 1e6, 2)


def _show_rules(console: Console, rows: list[dict[str, Any]]) -> None:
    twelve = next(row["cpu_s_per_million"] for row in rows if row["rules"] == 12)
    table = Table(
        "rules",
        "matches an event",
        "events/s",
        "CPU s/million",
        "RSS MiB",
        "x 12 rules",
        "plainest",
        "x plainest",
        title="rules (medians)",
    )
    for row in rows:
        name = str(row["rules"]) if row["rules"] else "raw consume + orjson.loads"
        cost = row["cpu_s_per_million"]
        least = row["plainest_cpu_s_per_million"]
        table.add_row(
            name, str(row["matches"]), f"{row['events_per_s']:,}", f"{cost}", str(row["rss_mb"]), f"{cost / twelve:.2f}",
            *(("", "") if least is None else (f"{least}", f"{cost / least:.2f}")),
        )  # fmt: skip
    console.print(table)
    by, least, together = (
        {(row["rules"], row["matches"]): row[name] for row in rows}
        for name in ("cpu_s_per_million", "plainest_cpu_s_per_million", "plainest_one_row_cpu_s_per_million")
    )
    console.print(
        f"each further stateful match: {by[200, 2] - by[200, 1]:.2f} us from one to two, "
        f"{(by[200, 4] - by[200, 2]) / 2:.2f} us from two to four; plainest "
        f"{(least[200, 4] - least[200, 2]) / 2:.2f} us, with one row a key {(together[200, 4] - together[200, 2]) / 2:.2f}"
    )


def _show_keys(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table("keys", "bytes a key", "restore s", "keys/s", "RSS MiB of the worker", title="keys of a count rule")
    for row in rows:
        table.add_row(
            *(f"{row[name]:,}" for name in ("keys", "bytes_a_key", "restore_s", "restored_keys_per_s", "rss_mb"))
        )
    console.print(table)
