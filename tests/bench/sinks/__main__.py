"""``python -m tests.bench.sinks [storages] [webhook] [beside] [--rounds N]``: prints a table, writes build/bench/sinks.json.

Each is shown beside what a plain loop does with the same in the same run; figures are for comparing, not absolute.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from streams.local.servers import kafka
from tests.bench.sinks import beside, hooks, storing
from tests.bench.traffic import write

ALL = ("storages", "webhook", "beside")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--notifications", type=int, default=10_000)
    options = parser.parse_args()
    if unknown := set(options.names) - set(ALL):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(ALL)}")
    names = options.names or ALL
    print(f"{options.rounds} rounds in turn, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before", flush=True)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory:
        if "storages" in names:
            found += _told(storing.run(Path(directory, "servers"), options.rows, options.rounds))
        if {"webhook", "beside"} & set(names):
            with kafka() as bootstrap:
                if "webhook" in names:
                    found += _told(hooks.run(bootstrap, Path(directory), options.notifications, options.rounds))
                if "beside" in names:
                    found += _told(beside.run(bootstrap, Path(directory), options.notifications, options.rounds))
    print(write("sinks", found))


def _told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Printed: rates of all rounds, and of each first of a pair how it compares to the second, in the best round."""
    for row, reference in zip(rows, [*rows[1:], None], strict=True):
        rates = " ".join(f"{rate:7,}" for rate in row["rates"])
        more = f"  CPU {row['cpu_us']} us each"
        if "p99_ms" in row:
            more = f"  {row['ratio']:.3f} of without; CPU {row['cpu_us']} us each, {row['cpu_ratio']:.3f} of without;"
            more += f" p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms"
        elif rows.index(row) % 2 == 0 and reference is not None:
            row["ratio"] = round(max(row["rates"]) / max(reference["rates"]), 2)
            more += f"; {row['ratio']} of the {reference['what']}"
        print(f"  {row['what']:30} {rates} {row['unit']}{more}", flush=True)
    return rows


if __name__ == "__main__":
    main()
