"""Job "login burst": 390-byte audit events, 50,000 actors, 10 % match, 4 partitions, five failures in five minutes make
an alert, everything durable; beside raw consume + orjson.loads and stock Faust, in turn, in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.traffic import ROOT, Job, create, fill, raw, usage, write
from tests.showcase import FILES

RULE = Path(__file__).parent / "rules" / "login-burst"
#: The rules of the showcase but the one whose key is not its topic's: here every tenth event matches that one, and goes twice
#: through Kafka, which the last variant shows.
ALL = [str(path) for path in FILES]
LOCAL = [path for path in ALL if "failed-logins-by-ip" not in path]
Figures = tuple[float, float, float]  # wall s, CPU s, RSS MiB


def ours(bootstrap: str, directory: Path, rules: list[str], n: int, source: Any) -> Figures:
    """One worker from its first commit to the last offset."""
    job = Job(bootstrap, directory, rules)
    source(job.topic("audit.events"))
    worker = job.start()
    try:
        while (state := job.committed())[0] <= 0:
            assert worker.poll() is None, (job.directory / "worker.0.log").read_text()[-3000:]
            time.sleep(0.005)
        began, (cpu, _), first = time.monotonic(), usage(worker.pid), state[0]
        while (state := job.committed())[0] < n:
            assert worker.poll() is None, (job.directory / "worker.0.log").read_text()[-3000:]
            time.sleep(0.05)
        wall, (cpu_end, rss) = time.monotonic() - began, usage(worker.pid)
        scale = n / (n - first)
        return wall * scale, (cpu_end - cpu) * scale, rss
    finally:
        worker.terminate()
        worker.wait(30)


def stock(bootstrap: str, directory: Path, topic: str, n: int) -> Figures:
    app = f"stock-{time.time_ns()}"
    env = {
        **os.environ,
        "BOOTSTRAP": bootstrap,
        "TOPIC": topic,
        "N": str(n),
        "APP": app,
        "DATADIR": str(directory / app),
    }
    create(bootstrap, f"{app}-failures-changelog")
    out = subprocess.run(
        [sys.executable, "-m", "tests.bench.stock_faust"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert "RESULT" in out.stdout, out.stdout[-2000:] + out.stderr[-2000:]
    wall, cpu, rss = map(float, out.stdout.split("RESULT")[1].split())
    return wall, cpu, rss


def run(bootstrap: str, directory: Path, n: int = 1_000_000, rounds: int = 3) -> list[dict[str, Any]]:
    stock_n = max(10_000, n // 25)
    console, rows = Console(), []
    shared = f"bench-events-{time.time_ns()}"
    create(bootstrap, shared, f"{shared}-faust-alerts")
    size = fill(bootstrap, shared, n, 0.1)
    console.print(f"{n:,} events of {size:.0f} bytes, {rounds} rounds in turn")

    def same(topic: str) -> None:
        fill(bootstrap, topic, n, 0.1)

    engines: list[tuple[str, str, int, Any]] = [
        ("raw", "consume + orjson.loads", n, lambda: raw(bootstrap, shared, n)),
        ("tocsin", "one rule", n, lambda: ours(bootstrap, directory, [str(RULE)], n, same)),
        ("tocsin", "twelve rules", n, lambda: ours(bootstrap, directory, LOCAL, n, same)),
        ("tocsin", "thirteen, every match also hops", n, lambda: ours(bootstrap, directory, ALL, n, same)),
        ("stock faust", "tumbling table", stock_n, lambda: stock(bootstrap, directory, shared, stock_n)),
    ]
    figures: dict[tuple[str, str], list[Figures]] = {}
    for turn in range(rounds):
        for engine, variant, _, measure in engines:
            if engine == "stock faust" and turn > 0:
                continue
            figures.setdefault((engine, variant), []).append(measure())
            wall, cpu, rss = figures[engine, variant][-1]
            console.print(f"  round {turn + 1}: {engine}, {variant}: {wall:.2f} s, {cpu:.2f} CPU s, {rss:.0f} MiB")
    for engine, variant, events, _ in engines:
        got = figures[engine, variant]
        wall = statistics.median(f[0] for f in got)
        rows.append(
            {
                "engine": engine,
                "variant": variant,
                "events": events,
                "wall_s": round(wall, 3),
                "events_per_s": round(events / wall),
                "cpu_s_per_million": round(statistics.median(f[1] for f in got) / events * 1e6, 2),
                "rss_mb": round(statistics.median(f[2] for f in got)),
            }
        )
    base = {row["engine"]: row["events_per_s"] for row in rows if row["engine"] != "tocsin"}
    table = Table(
        "engine",
        "variant",
        "events",
        "events/s",
        "CPU s/million",
        "RSS MiB",
        "x raw",
        "x stock Faust",
        title="login burst (medians)",
    )
    for row in rows:
        table.add_row(
            row["engine"],
            row["variant"],
            f"{row['events']:,}",
            f"{row['events_per_s']:,}",
            f"{row['cpu_s_per_million']}",
            f"{row['rss_mb']}",
            f"{row['events_per_s'] / base['raw']:.2f}",
            f"{row['events_per_s'] / base['stock faust']:.0f}",
        )
    console.print(table)
    console.print(f"written to {write('login-burst', rows).relative_to(ROOT)}")
    return rows
