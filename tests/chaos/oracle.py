"""What must have come out, found three ways: from the log by brute force, by a replay of the journal, and in SQLite.

The brute force is written here in a few lines and shares no code with the engine but the hash that names an alert.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from streams.model import alert_id
from streams.replay.journal import replay_journal
from tests.chaos.harness import RULES, Run

MINUTE = 60_000
#: Rules whose alerts are found by brute force as well; the others by the replay of the journal alone.
BRUTE = {"chaos.burst", "chaos.root", "chaos.by-ip", "chaos.guessed", "chaos.sold", "chaos.unread"}
RULE_COUNT = len(list((RULES / "a").glob("*.yaml")))


@dataclass
class Report:
    name: str
    problems: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def same(self, what: str, got: dict[str, Any], expected: dict[str, Any]) -> None:
        if got != expected:
            missing, extra = expected.keys() - got.keys(), got.keys() - expected.keys()
            differ = [k for k in got.keys() & expected.keys() if got[k] != expected[k]]
            sample = (
                f"e.g. {differ[0]}: {str(got[differ[0]])[:300]} expected {str(expected[differ[0]])[:300]}"
                if differ
                else ""
            )
            self.problems.append(
                f"{what}: {len(missing)} missing, {len(extra)} extra, {len(differ)} different {sample}"
            )

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"== {self.name}: {'WRONG ' + str(self.problems) if self.problems else 'EXACT'} {facts}"


def fold(findings: list[tuple[int, str]], cooldown: int) -> list[tuple[str, int]]:
    """(event time, position) of findings of one key in order -> (opening position, findings) per alert."""
    alerts: list[tuple[str, int]] = []
    opened = None
    for at, position in findings:
        if opened is None or at - opened >= cooldown:
            opened = at
            alerts.append((position, 0))
        alerts[-1] = alerts[-1][0], alerts[-1][1] + 1
    return alerts


def counting(events: list[tuple[int, str, str]], at_least: int, within: int) -> list[tuple[int, str]]:
    """(time, position, id) of one key in order -> findings. Quadratic, and obviously right."""
    seen: dict[str, int] = {}
    found = []
    for at, position, name in events:
        if name in seen:
            continue
        seen[name] = at
        if sum(at - within < t <= at for t in seen.values()) >= at_least:
            found.append((at, position))
    return found


def following(events: list[tuple[int, str, str, int]], runs: int, within: int) -> list[tuple[int, str]]:
    """(time, position, id, step) of one key in order -> where a first step (0) was followed by ``runs`` second ones
    inside ``within``. What began before a match does not go on after it."""
    seen, open_ = set(), list[tuple[int, int]]()
    found = []
    for at, position, name, step in events:
        if name in seen:
            continue
        seen.add(name)
        open_.append((at, step))
        if step == 0:
            continue
        begins = [
            begin
            for place, (begin, kind) in enumerate(open_)
            if kind == 0 and begin > at - within and sum(k for _, k in open_[place:]) >= runs
        ]
        if begins:
            found.append((at, position))
            open_ = []
    return found


def unanswered(events: list[tuple[int, str, str, int]], within: int) -> list[tuple[int, str]]:
    """(time, position, id, role) of one key in order -> (when it was told, position) of each trigger (0) that nothing
    (1) followed inside ``within``."""
    heard = [at for at, _, _, role in events if role == 1]
    asked = {name: (at, position) for at, position, name, role in reversed(events) if role == 0}
    silent = [(at, position) for at, position in asked.values() if not any(at <= t <= at + within for t in heard)]
    return [(at + within, position) for at, position in sorted(silent)]


def truth(run: Run, at_least: int = 5) -> tuple[dict[str, int], int]:
    """Expected alerts (id -> findings) of the rules in ``BRUTE`` under rule set a, and the number of bad records."""
    topic, bad = "audit.events", 0
    burst: dict[Any, list[Any]] = defaultdict(list)
    root: dict[Any, list[Any]] = defaultdict(list)
    by_ip: dict[Any, list[Any]] = defaultdict(list)
    guessed: dict[Any, list[Any]] = defaultdict(list)
    unread: dict[Any, list[Any]] = defaultdict(list)
    sold: dict[Any, list[Any]] = defaultdict(list)
    for partition, rows in enumerate(run.read(topic)):
        for offset, _, value in rows:
            try:
                event = json.loads(value or b"")
            except ValueError:
                bad += 1
                continue
            entry = event["event_time"], f"{topic}/{partition}/{offset}", event["event_id"]
            tenant = event["tenant"]
            who, action = (tenant, event["actor"]), event["action"]
            if action in ("root", "login"):
                guessed[who].append((*entry, int(action == "login")))
            if action in ("root", "read"):
                unread[who].append((*entry, int(action == "read")))
            if action == "login" and event["outcome"] == "failure":
                burst[tenant, event["actor"]].append(entry)
                by_ip[tenant, event["source_ip"]].append((event["event_time"], topic, partition, offset, entry))
            if action == "root":
                root[who].append(entry)
                sold[who].append((*entry, 0))
    for partition, rows in enumerate(run.read("trade.events")):
        for offset, _, value in rows:
            event = json.loads(value or b"")
            if event.get("side") == "sell":
                at = f"trade.events/{partition}/{offset}"
                sold[event["tenant"], event["account"]].append((event["event_time"], at, event["event_id"], 1))
    expected: dict[str, int] = {}
    rules = [
        ("chaos.burst", "actor", burst, lambda rows: counting(rows, at_least, 2 * MINUTE), 10 * MINUTE),
        ("chaos.root", "actor", root, lambda rows: counting(rows, 1, 1), 30 * MINUTE),
        (
            "chaos.by-ip",
            "source_ip",
            by_ip,
            lambda rows: counting([r[4] for r in sorted(rows)], 6, MINUTE // 2),
            20 * MINUTE,
        ),
        ("chaos.guessed", "actor", guessed, lambda rows: following(rows, 2, MINUTE // 2), 5 * MINUTE),
        ("chaos.sold", "actor", sold, lambda rows: following(sorted(rows), 1, MINUTE * 2 // 3), 5 * MINUTE),
        ("chaos.unread", "actor", unread, lambda rows: unanswered(rows, MINUTE // 3), 5 * MINUTE),
    ]
    assert {rule[0] for rule in rules} == BRUTE
    for rule, by, table, find, cooldown in rules:
        for (tenant, key), rows in table.items():
            for position, n in fold(find(rows), cooldown):
                expected[alert_id(rule, tenant, {by: key}, position)] = n
    return expected, bad


def judge(run: Run, *, brute: bool = True, drained: bool = True) -> Report:
    """Everything committed by ``run`` against the log, the journal's replay and the SQLite file."""
    report = Report(run.name)
    report.check(drained, "not drained")
    live = [json.loads(value or b"") for rows in run.read("alerts") for _, _, value in rows]
    versions = {f"{a['id']}#{a['version']}": a for a in live}
    report.check(len(versions) == len(live), f"alerts: {len(live) - len(versions)} versions written twice")
    last: dict[str, Any] = {}
    for alert in live:
        report.check(
            alert["version"] == last.get(alert["id"], {"version": 0})["version"] + 1, f"{alert['id']}: version gap"
        )
        last[alert["id"]] = alert
    pages = Counter(json.loads(value or b"")["id"] for rows in run.read("notifications") for _, _, value in rows)
    report.check(
        max(pages.values(), default=1) == 1, f"notifications written twice: {sum(n > 1 for n in pages.values())}"
    )
    if brute:
        expected, bad = truth(run)
        counted = {name: alert["count"] for name, alert in last.items() if alert["rule"] in BRUTE}
        report.same("alerts against brute force", counted, expected)
        dead = [json.loads(value or b"")["origin"] for rows in run.read("dead-letter") for _, _, value in rows]
        report.check(
            len(dead) == len(set(dead)) == bad, f"dead letters: {len(dead)}, {len(set(dead))} unique, {bad} bad records"
        )
    replay = replay_journal(run.options, run.names.prefix, run.names.app, config=run.directory / "tocsin.yaml")
    report.check(not replay.problems, f"journal: {replay.problems[:3]}")
    report.check(not replay.differences, f"journal replay: {len(replay.differences)} differ: {replay.differences[:2]}")
    rows = sqlite3.connect(run.directory / "alerts.db").execute("select id, version from alerts").fetchall()
    report.same("sqlite alerts", dict(rows), {name: alert["version"] for name, alert in last.items()})
    stored = sqlite3.connect(run.directory / "alerts.db").execute("select id, version from alert_versions").fetchall()
    report.same("sqlite versions", dict.fromkeys(f"{i}#{v}" for i, v in stored), dict.fromkeys(versions))
    per_rule = Counter(alert["rule"].removeprefix("chaos.") for alert in last.values())
    report.check(brute <= (len(per_rule) == RULE_COUNT), f"rules that made no alert: only {sorted(per_rule)} did")
    codes = Counter(status for _, status, _ in run.exits)
    report.facts |= {
        "events": run.sent,
        "alerts": len(last),
        "versions": len(live),
        "notifications": len(pages),
        "rules": dict(sorted(per_rule.items())),
        "exits": dict(codes),
    }
    return report
