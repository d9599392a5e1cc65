"""What a run of ``tocsin demo`` came to: the attacks against the alerts, latencies, deliveries."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from streams.model import Alert
from streams.replay.scoring.score import about
from streams.simulate import Label


@dataclass
class Seen:
    """What came out while the demo ran. Times in seconds of this machine's clock."""

    sent_at: dict[str, float] = field(default_factory=dict)  #: event id -> when it was produced
    labels: dict[str, Label] = field(default_factory=dict)  #: attack -> what it should lead to
    sent: int = 0
    alerts: dict[str, Alert] = field(default_factory=dict)
    versions: int = 0
    latencies: list[float] = field(default_factory=list)  #: produce to alerts topic, of each version of local rules
    hopped: list[float] = field(default_factory=list)  #: the same for rules that go through ``rekeyed``
    delivered: Counter[tuple[str, str]] = field(default_factory=Counter)
    hopping: frozenset[str] = frozenset()  #: rules that wait for the watermark of every partition
    reading: bool = True


def summary(seen: Seen, name: str, bootstrap: str, directory: Path, took: float) -> dict[str, Any]:
    """What goes into ``build/demo.json``."""
    injected = Counter(label.rule for label in seen.labels.values())
    keys = {(label.rule, label.tenant, json.dumps(label.key)) for label in seen.labels.values()}
    hits = Counter(rule for rule, tenant, key in keys if any(
        alert.rule == rule and alert.tenant == tenant and json.dumps(alert.key) == key for alert in seen.alerts.values()
    ))  # fmt: skip
    fired = Counter(alert.rule for alert in seen.alerts.values())
    also: dict[str, set[str]] = {}
    for attack, rules in about(seen.alerts.values(), seen.labels.values()).items():
        also.setdefault(seen.labels[attack].rule, set()).update(rules - {seen.labels[attack].rule})
    return {
        "prefix": f"{name}.", "bootstrap_servers": bootstrap, "directory": str(directory), "seconds": round(took, 1),
        "events": seen.sent, "attacks": len(seen.labels), "alerts": len(seen.alerts), "alert_versions": seen.versions,
        "latency_ms": _quantiles(seen.latencies),
        "latency_after_the_hop_ms": _quantiles(seen.hopped),
        "rules": [
            {"rule": rule, "injected": injected[rule], "found": min(hits[rule], injected[rule]), "alerts": fired[rule],
             "also": sorted(also.get(rule, ()))}
            for rule in sorted(injected.keys() | fired.keys())
        ],
        "delivered": {f"{sink} {outcome}": n for (sink, outcome), n in sorted(seen.delivered.items())},
        "alert_ids": sorted(seen.alerts),
    }  # fmt: skip


def _quantiles(seconds: list[float]) -> dict[str, float | None]:
    if not seconds:
        return {"p50": None, "p99": None}
    ordered = sorted(1000 * one for one in seconds)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 1),
    }


def show(console: Console, summed: dict[str, Any], config: Path) -> None:
    """The same for people, and where to look next."""
    table = Table(title="alerts by rule against what was injected", title_justify="left", box=None)
    table.add_column("rule", no_wrap=True)
    for column in ("injected", "found", "alerts"):
        table.add_column(column, justify="right")
    table.add_column("also told of these attacks by")
    for row in summed["rules"]:
        style = "green" if row["found"] == row["injected"] else "red"
        table.add_row(
            row["rule"], str(row["injected"]), f"[{style}]{row['found']}[/]", str(row["alerts"]), ", ".join(row["also"])
        )
    console.print(table)
    latency, hopped = summed["latency_ms"], summed["latency_after_the_hop_ms"]
    delivered = ", ".join(f"{name} {n}" for name, n in summed["delivered"].items()) or "nothing"
    console.print(f"{summed['events']:,} events, {summed['alerts']} alerts in {summed['alert_versions']} versions")
    console.print(f"produce to alert: p50 {latency['p50']} ms, p99 {latency['p99']} ms", end="")
    if hopped["p50"] is not None:
        console.print(f"; rules with another key wait for the watermark: p50 {hopped['p50'] / 1000:.1f} s", end="")
    console.print(f"\ndelivered: {delivered}; {summed['seconds']} s in all")
    console.print(f"look:   {Path(sys.argv[0])} --config {config.relative_to(Path.cwd())} alerts list")
    console.print(f"        cat {config.parent.relative_to(Path.cwd())}/on-call.txt")
