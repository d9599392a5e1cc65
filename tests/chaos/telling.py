"""A policy with all that tells people, at the pace of a test, and what must hold of the notifications it leads to."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from tests.chaos.harness import Run
from tests.chaos.oracle import Report

POLICY: dict[str, Any] = {
    "receivers": [
        {"name": "chat"}, {"name": "pager", "fallback": "phone"}, {"name": "phone"}, {"name": "sms"},
        {"name": "mail", "batch": 5, "batch_wait": "2s"},
    ],
    "route": {
        "receivers": ["chat"], "group_by": ["rule"], "group_wait": "1s", "group_interval": "3s",
        "routes": [
            {"match": ["severity=critical"], "receivers": ["pager"], "group_by": "alert", "continue": True},
            {"match": ["severity=~high|medium"], "receivers": ["chat", "mail"]},
        ],
    },
    "escalations": {
        "standard": {
            "levels": [
                {"name": "on-call", "after": "2s", "notify": ["pager"]},
                {"name": "lead", "after": "4s", "notify": ["phone"]},
                {"name": "manager", "after": "6s", "notify": ["phone", "sms"]},
            ]
        }
    },
    "escalate": {"critical": "standard", "high": "standard"},
    "incidents": {"by": ["key.actor"], "within": "30m"},
    "inhibit": [{"source": ["rule=chaos.root"], "target": ["rule=chaos.unread"], "equal": ["key.actor"]}],
    "storm": {"alerts": 40, "within": "1m"},
    "targets": {"critical": {"acknowledge": "3s"}},
    "remind_severities": [],
}  # fmt: skip
REASONS = {"new", "grew", "escalated", "breached", "resolved", "fallback"}


def heard(run: Run, report: Report) -> None:
    """Nobody is told one thing twice, and whoever heard that an alert began and is over by now heard that as well."""
    last: dict[str, dict[str, Any]] = {}
    for rows in run.read("alerts"):
        for _, _, value in rows:
            alert = json.loads(value or b"")
            last[alert["id"]] = alert
    partitions = run.read("notifications")
    told = [json.loads(value or b"") for rows in partitions for _, _, value in rows]
    causes = Counter((one["alert_id"], one["alert"]["version"], one["receiver"], one["reason"])
                     for one in told if "group" not in one)  # fmt: skip
    twice = [cause for cause, n in causes.items() if n > 1]
    report.check(not twice, f"told twice: {twice[:3]}")
    believers: dict[str, set[str]] = defaultdict(set)
    for one in told:  # of one alert they stand in their order: its id is their key, or its tenant's step wrote them
        if "group" not in one:
            (believers[one["alert_id"]].discard if one["reason"] == "resolved" else believers[one["alert_id"]].add)(
                one["receiver"]
            )
    lost = {
        name: left
        for name, left in believers.items()
        if left and name in last and last[name]["status"] in ("resolved", "dismissed")
    }
    report.check(not lost, f"{len(lost)} closed alerts of which somebody was not told: {list(lost.items())[:3]}")
    reasons = Counter(one["reason"] for one in told)
    levels = {one.get("escalation_level", 0) for one in told}
    report.check(set(reasons) >= REASONS, f"nobody was told {REASONS - set(reasons)}")
    report.check(levels >= {0, 1, 2, 3}, f"escalated to {levels} only")
    report.check(any("group" in one and one["group"]["total"] > 1 for one in told), "no group told of two alerts")
    rules = {alert["rule"] for alert in last.values()}
    report.check("tocsin.incident" in rules, "no incident")
    hidden = Counter(held["stage"] for alert in last.values() for held in alert.get("suppressed", ()))
    report.facts |= {"told": dict(sorted(reasons.items())), "levels": sorted(levels), "hidden": dict(hidden)}
