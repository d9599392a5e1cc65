"""What a matched event costs with each kind, in the process: every event matches one rule, over 50,000 keys."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from streams import pipeline
from streams.detect.registry import KINDS
from streams.model import Batch, Control, Source
from streams.rules.compiled import compiled
from streams.rules.load import ruleset_from_documents
from streams.state.detect.detecting import DetectState
from tests.bench.rule_mix import events, one_rule

SOURCE = Source("audit", "audit.events", ("tenant", "actor"))
#: Of each kind a rule that every event of the stream matches and hardly any completes.
DETECT: dict[str, dict[str, Any]] = {
    "match, never": {},
    "count": {"count": {"at_least": 400, "within": "10m"}},
    "count, tumbling": {"count": {"at_least": 400, "within": "10m", "window": "tumbling"}},
    "count, by weight": {"count": {"at_least": 10**12, "within": "10m", "weight": "bytes"}},
    "distinct": {"distinct": {"field": "outcome", "at_least": 5, "within": "1h"}},
    "level": {"level": {"value": "bytes", "above": 10_000_000}},
    "aggregate": {"aggregate": {"field": "bytes", "function": "avg", "above": 10**9, "within": "5m"}},
    "aggregate, p99 by the minute": {
        "aggregate": {"field": "bytes", "function": "p99", "above": 10**9, "within": "5m", "every": "1m"}
    },
    "ratio": {"ratio": {"of": {"outcome": "failure"}, "above": "99%", "within": "5m", "min_volume": 50}},
    "sequence": {
        "sequence": {
            "within": "10m",
            "steps": [{"where": {"outcome": "failure"}}, {"where": {"outcome": "success"}}, {"where": {"region": "x"}}],
        }
    },
    "group": {"group": {"within": "10m", "members": [{"where": {"outcome": "failure"}}, {"where": {"region": "x"}}]}},
    "absence": {"absence": {"within": "1h"}},
    "change": {"change": {"field": "region"}},
    "new_value": {"new_value": {"field": "outcome", "forget": "30d", "learn_events": 500}},
    "spike": {"spike": {"window": "10m", "baseline": "2h", "ratio": 30, "floor": 1_000}},
    "forecast": {"forecast": {"field": "bytes", "reaches": 10**12, "in": "4h", "within": "10m"}},
}


def cost(detect: dict[str, Any], made: Sequence[tuple[str, bytes]], end: int) -> tuple[float, float, float]:
    """CPU us an event over the second half of the stream: DETECT, encoding its changes, and changes an event."""
    where = {} if detect else {"region": "nowhere"}
    document = one_rule("bench", where, detect or {"match": {}})
    control = Control(1, ruleset_from_documents([document], KINDS))
    state = DetectState(SOURCE, 0, 1, compiled)
    state.loaded()
    half, spent, written, changes = len(made) // 2, 0.0, 0.0, 0
    gc.collect()
    gc.freeze()
    for begin in range(0, len(made), 5_000):
        records = [(begin + n, value, end) for n, (_, value) in enumerate(made[begin : begin + 5_000])]
        first = time.thread_time()
        pipeline.detect(state, Batch(records), 0, control)
        second = time.thread_time()
        n = sum(1 for _ in state.changes())
        if begin >= half:
            spent, written, changes = spent + second - first, written + time.thread_time() - second, changes + n
    gc.unfreeze()
    n = len(made) - half
    return spent / n * 1e6, written / n * 1e6, changes / n


def run(n: int = 300_000) -> list[dict[str, Any]]:
    """Print and return the table."""
    made, rows = events(n, step=1.0), []
    end = 1_760_000_000_000 + n
    for name, detect in DETECT.items():
        step, write, changes = cost(detect, made, end)
        rows.append({"kind": name, "us": round(step, 2), "write_us": round(write, 2), "changes": round(changes, 2)})
    base = rows[0]["us"]
    table = Table(
        "kind", "DETECT us", "of it the match", "encoding changes us", "changes an event", title="a matched event"
    )
    for row in rows:
        table.add_row(
            row["kind"],
            f"{row['us']:.2f}",
            f"{row['us'] - base:.2f}",
            f"{row['write_us']:.2f}",
            f"{row['changes']:.2f}",
        )
    Console().print(table)
    return rows
