"""Job "replay": events a second of a backtest with all shipped rules, from topics, JSON lines and Parquet, by one process
and by two; beside a live worker over the same topics, ``orjson.loads`` of every line of the same files, and the least
that rules over them cost in Python (``tests.bench.least``).

Wall time is as a person waits, the start of the command and of its processes included. CPU is what a run costs beyond
its start (reading rules, making programs, loading what reads the form), which is measured by itself for each form, over
one event a file or partition.

The traffic is ``tocsin simulate``'s own background with its showcase attacks, over all four sources.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.table import Table

from tests.bench.least import Least
from tests.bench.traffic import PARTITIONS, ROOT, Job, usage, write

SOURCES = ("audit", "trade", "chain", "metric")
RATE = 150  #: background events a second of event time
PLAIN = "plain orjson.loads"
MATCHED = "decode and match alone"
LOOKED_UP = "decode, match, one look-up and append a rule"
START = "start, "  #: and of which form
PACKS = str(ROOT / "streams" / "packs")
#: One rule and twenty of its values.
SWEPT, PARAMETER, VALUES = "audit.failed-login-burst", "detect.count.at_least", "3..22"


class Figures(NamedTuple):
    """``wall`` and ``cpu`` in s."""

    wall: float
    cpu: float


def timed(command: list[str]) -> Figures:
    """A command and whatever processes it starts. Raises where it ends otherwise than well."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return Figures(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


class Traffic:
    """The same events as JSON lines, as Parquet with a column of payloads, and on the topics of a worker."""

    def __init__(self, bootstrap: str, directory: Path, events: int) -> None:
        self.job = Job(bootstrap, directory, [PACKS])
        seconds = max(60, round(events / RATE))
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))
        simulate = ("simulate", "--rate", str(RATE), "--duration", f"{seconds}s", "--start", start)
        self.lines, self.columns = directory / "lines", directory / "columns"
        self.first_line, self.first_row = directory / "first_line", directory / "first_row"
        timed(self.job.command(*simulate, "--to", f"files:{self.lines}"))
        timed(self.job.command(*simulate, "--to", "topics"))
        self.events = self.bytes = 0
        for folder in (self.columns, self.first_line, self.first_row):
            folder.mkdir()
        for source in SOURCES:
            values = (self.lines / f"{source}.jsonl").read_bytes().splitlines()
            self.events += len(values)
            self.bytes += sum(map(len, values))
            _write_parquet(self.columns / f"{source}.parquet", values)
            _write_parquet(self.first_row / f"{source}.parquet", values[:1])
            (self.first_line / f"{source}.jsonl").write_bytes(values[0] + b"\n")

    def backtest(self, folder: Path | None, jobs: int) -> Figures:
        """Of the files in a folder, else of the topics."""
        return self._backtest([f"{path.stem}={path}" for path in sorted(folder.iterdir())] if folder else [], jobs)

    def first_of_topics(self) -> Figures:
        """Of the first event of each partition, by one process."""
        return self._backtest([f"{source}=topic:{self.job.topic(f'{source}.events')}@0..1" for source in SOURCES], 1)

    def _backtest(self, given: list[str], jobs: int) -> Figures:
        sources = [part for text in given for part in ("--source", text)]
        return timed(self.job.command("backtest", *sources, "--rules", PACKS, "--jobs", str(jobs), "--json"))

    def read_plainly(self) -> Figures:
        """Every line of the files through ``orjson.loads``, here."""
        began, cpu = time.monotonic(), time.process_time()
        for source in SOURCES:
            with (self.lines / f"{source}.jsonl").open("rb") as file:
                for line in file:
                    orjson.loads(line)
        return Figures(time.monotonic() - began, time.process_time() - cpu)

    def live(self) -> Figures:
        """A live worker from its first commit until it has read all topics; CPU until it has nothing to do any more.

        Scaled to all events.
        """
        worker = self.job.start(str(time.time_ns()))
        try:
            while (first := self._committed()) <= 0:
                assert worker.poll() is None, "the worker ended"
                time.sleep(0.02)
            began, (cpu, _) = time.monotonic(), usage(worker.pid)
            while self._committed() < self.events:
                assert worker.poll() is None, "the worker ended"
                time.sleep(0.1)
            wall, spent = time.monotonic() - began, usage(worker.pid)[0]
            while (now := self._after_a_second(worker)) - spent > 0.2:
                spent = now
            scale = self.events / (self.events - first)
            return Figures(wall * scale, (now - cpu) * scale)
        finally:
            worker.terminate()
            worker.wait(60)

    def _after_a_second(self, worker: subprocess.Popen[bytes]) -> float:
        time.sleep(1.0)
        return usage(worker.pid)[0]

    def _committed(self) -> int:
        """Offsets of all source topics that the worker has committed."""
        group = Consumer({"bootstrap.servers": self.job.bootstrap, "group.id": self.job.names.group("detect")})
        try:
            parts = [
                TopicPartition(self.job.topic(f"{source}.events"), n) for source in SOURCES for n in range(PARTITIONS)
            ]
            return sum(max(0, part.offset) for part in group.committed(parts, 10))
        finally:
            group.close()


def _write_parquet(path: Path, values: list[bytes]) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"value": pyarrow.array([value.decode() for value in values])}), path)


def run(bootstrap: str, directory: Path, n: int = 100_000, rounds: int = 3) -> list[dict[str, Any]]:
    console = Console()
    traffic = Traffic(bootstrap, directory, n)
    console.print(
        f"{traffic.events:,} events of {traffic.bytes / traffic.events:.0f} bytes, all shipped rules, {rounds} rounds in "
        f"turn, {os.cpu_count()} cores"
    )
    least = Least(Path(PACKS), traffic.lines, SOURCES)
    sources = [_of_source(console, *one) for one in least.by_source()]
    ways: dict[str, Callable[[], Figures]] = {
        PLAIN: traffic.read_plainly,
        MATCHED: lambda: _alone(least.matched),
        LOOKED_UP: lambda: _alone(least.looked_up),
        START + "JSON lines": lambda: traffic.backtest(traffic.first_line, 1),
        START + "Parquet": lambda: traffic.backtest(traffic.first_row, 1),
        START + "topics": traffic.first_of_topics,
        "JSON lines, 1 process": lambda: traffic.backtest(traffic.lines, 1),
        "JSON lines, 2 processes": lambda: traffic.backtest(traffic.lines, 2),
        "Parquet, 1 process": lambda: traffic.backtest(traffic.columns, 1),
        "Parquet, 2 processes": lambda: traffic.backtest(traffic.columns, 2),
        "topics, 1 process": lambda: traffic.backtest(None, 1),
        "topics, 2 processes": lambda: traffic.backtest(None, 2),
        "live worker": traffic.live,
    }
    got: dict[str, list[Figures]] = {}
    for turn in range(rounds):
        for name, way in ways.items():
            if name == "live worker" and turn > 0:
                continue  # it has read them
            got.setdefault(name, []).append(way())
            console.print(f"  round {turn + 1}: {name}: {got[name][-1].wall:.2f} s, {got[name][-1].cpu:.2f} CPU s")
    rows = _rows(got, traffic.events)
    _show(console, rows)
    rows += sources
    rows.append(_sweep(console, traffic, rounds))
    console.print(f"written to {write('replay', rows).relative_to(ROOT)}")
    return rows


def _of_source(console: Console, source: str, events: int, matched: float, steps: float) -> dict[str, Any]:
    console.print(f"  {source}: {events:,} events, {matched:.2f} rules matched and {steps:.2f} steps an event")
    return {
        "source": source,
        "events": events,
        "matched_per_event": round(matched, 2),
        "steps_per_event": round(steps, 2),
    }


def _alone(cpu: Callable[[], float]) -> Figures:
    """In this very process."""
    began = time.monotonic()
    spent = cpu()
    return Figures(time.monotonic() - began, spent)


def _rows(got: dict[str, list[Figures]], events: int) -> list[dict[str, Any]]:
    """Medians; the CPU of a backtest is less that of the start of its form."""
    starts = {
        name.removeprefix(START): statistics.median(one.cpu for one in figures)
        for name, figures in got.items() if name.startswith(START)
    }  # fmt: skip
    rows: list[dict[str, Any]] = []
    for name, figures in got.items():
        wall = statistics.median(one.wall for one in figures)
        if name.startswith(START):
            rows.append({"way": name, "wall_s": round(wall, 2), "cpu_s": round(starts[name.removeprefix(START)], 2)})
            continue
        own = starts.get(name.partition(",")[0], 0.0)
        cpu = sorted((one.cpu - own) / events * 1e6 for one in figures)
        cost = statistics.median(cpu)
        rows.append({
            "way": name, "events": events, "rounds": len(figures), "wall_s": round(wall, 2),
            "events_per_s": round(events / wall), "events_per_cpu_s": round(1e6 / cost),
            "cpu_us_per_event": round(cost, 2), "cpu_us_range": [round(cpu[0], 2), round(cpu[-1], 2)],
        })  # fmt: skip
    return rows


def _show(console: Console, rows: list[dict[str, Any]]) -> None:
    by_name = {row["way"]: row for row in rows}
    live, plain = (by_name[name]["cpu_us_per_event"] for name in ("live worker", PLAIN))
    table = Table("way", "events/s", "a CPU s", "CPU us", "range", "x live", "x plain", title="replay (medians)")
    for row in rows:
        if "events" in row:
            cost = row["cpu_us_per_event"]
            low, high = row["cpu_us_range"]
            table.add_row(
                row["way"], f"{row['events_per_s']:,}", f"{row['events_per_cpu_s']:,}", f"{cost}", f"{low}-{high}",
                f"{cost / live:.2f}", f"{cost / plain:.1f}",
            )  # fmt: skip
    console.print(table)
    started = ", ".join(f"{name} {row['cpu_s']} CPU s" for name, row in by_name.items() if name.startswith(START))
    console.print(f"{started}: in the events/s, not in what an event costs")


def _sweep(console: Console, traffic: Traffic, rounds: int) -> dict[str, Any]:
    """Twenty values of a rule's number against one pass with the rule as it is, both without their start."""
    rule = next(Path(PACKS).rglob(f"{SWEPT.partition('.')[2]}.yaml"))

    def cost(*command: str) -> float:
        """CPU s."""
        whole, start = (
            statistics.median(
                timed(traffic.job.command(*command, "--source", f"audit={folder / 'audit.jsonl'}")).cpu
                for _ in range(rounds)
            )
            for folder in (traffic.lines, traffic.first_line)
        )
        return whole - start

    given = ("--rules", str(rule), "--jobs", "1", "--json")
    once = cost("backtest", *given)
    twenty = cost("tune", SWEPT, "--param", f"{PARAMETER}={VALUES}", *given)
    console.print(f"sweep of 20 values: {twenty:.2f} CPU s, one pass {once:.2f} CPU s: {twenty / once:.2f} times")
    return {"way": "sweep of 20 values", "cpu_s": round(twenty, 2), "one_pass_cpu_s": round(once, 2),
            "ratio": round(twenty / once, 2)}  # fmt: skip
