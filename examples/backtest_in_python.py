"""A rule is tried on recorded traffic before it pages anyone: from Python, and with SQL over the result.

``python examples/backtest_in_python.py`` makes its own traffic, in which it is known what happened. It needs
``pip install 'tocsin[archive]' duckdb``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from tocsin.replay import backtest

RULE = """
id: audit.failed-login-burst
title: "{count} failed logins for {actor}"
source: audit
where: {action: login, outcome: failure}
group_by: [actor]
detect: {count: {at_least: AT_LEAST, within: 10m}}
severity: {medium: 1, high: 20}
cooldown: 15m
type: security
tests:
  - name: many fire
    events: [{at: 0s, actor: ada, action: login, outcome: failure, times: 30, every: 1s}]
    expect: [{actor: ada}]
"""


def main(folder: Path) -> None:
    simulate = ["simulate", "--to", "files:traffic", "--truth", "truth.jsonl", "--start", "2024-01-01T12:00:00Z",
                "--duration", "5m", "--domains", "audit", "--rate", "40"]  # fmt: skip
    subprocess.run([sys.executable, "-m", "streams.cli", *simulate], cwd=folder, check=True, capture_output=True)
    for name, at_least in (("current", 5), ("candidate", 2)):
        (folder / f"{name}.yaml").write_text(RULE.replace("AT_LEAST", str(at_least)))

    tried = backtest(
        {"audit": folder / "traffic/audit.jsonl"},
        rules=folder / "candidate.yaml",
        baseline=folder / "current.yaml",
        labels=folder / "truth.jsonl",
    )
    print(tried)
    for alert in tried:
        print(f"  {alert.severity.value:8} {alert.title}")
    figures = tried.report["labels"]["all"]
    print(f"precision {figures['precision']:.0%}, recall {figures['recall']:.0%}")

    tried.to_parquet(folder / "result")
    tables = {name: f"read_parquet('{folder}/result/{name}.parquet')" for name in ("alerts", "evidence", "rules")}
    print("by rule and run:")
    duckdb.sql(f"SELECT run, rule, alerts, findings, precision, recall FROM {tables['rules']}").show()
    print("how much sooner the candidate speaks, and of whom it alone does:")
    duckdb.sql(f"""
        SELECT new.key, new.event_time, old.event_time - new.event_time AS sooner, count(*) AS evidence
        FROM {tables["alerts"]} AS new
        JOIN {tables["evidence"]} AS event ON event.run = new.run AND event.alert_id = new.alert_id
        LEFT JOIN {tables["alerts"]} AS old ON old.run = 'baseline' AND old.rule = new.rule AND old.key = new.key
        WHERE new.run = 'candidate'
        GROUP BY ALL ORDER BY sooner NULLS FIRST, new.event_time LIMIT 8
    """).show()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(scratch))
