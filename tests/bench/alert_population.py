"""A hundred thousand alerts of twenty tenants, the policy they live under, and what comes in about them."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from streams.model import SEVERITIES, Action, Command, Evidence, Finding, FindingKind

MINUTE, HOUR = 60_000, 3_600_000
TENANTS, RULES = 20, 40
ENTITIES = 45_000  #: people the alerts are about: one in nine has three, and so an incident
_SHARES = (2, 10, 25, 40, 23)  #: of the severities, percent, the worst first
_encode = msgspec.json.Encoder().encode


def policy(begin: int) -> dict[str, Any]:
    """Three levels of routes, groups, escalation, 20 silences, 10 inhibitions, incidents, a storm cap. ``begin``: ms."""
    teams = [
        {
            "name": f"team-{n}",
            "match": [f'metadata.team="team-{n}"'],
            "receivers": [f"chat-{n}"],
            "group_by": ["rule", "metadata.site"],
            "group_wait": "30s",
            "group_interval": "5m",
            "routes": [
                {"name": "bad", "match": ['severity=~"critical|high"'], "receivers": [f"chat-{n}", "pager"],
                 "group_by": "alert", "escalation": "standard"},
                {"name": "quiet", "match": ['severity="info"'], "receivers": ["mail"], "delay": {"info": "24h"}},
            ],
        }
        for n in range(8)
    ]  # fmt: skip
    span = {"starts_at": begin, "ends_at": begin + 12 * HOUR, "author": "ada", "comment": "known"}
    return {
        "receivers": [*({"name": f"chat-{n}"} for n in range(8)), {"name": "pager", "min_severity": "high"},
                      {"name": "phone"}, {"name": "mail"}],
        "route": {"receivers": ["mail"], "group_by": ["rule"], "group_wait": "1m", "routes": [
            {"name": "teams", "match": ['metadata.team=~"team-.*"'], "routes": teams},
        ]},
        "escalations": {"standard": {"levels": [
            {"name": "on-call", "after": "15m", "notify": ["pager"]},
            {"name": "lead", "after": "30m", "notify": ["phone"]},
            {"name": "manager", "after": "60m", "notify": ["phone", "mail"]},
        ]}},
        "silences": {
            f"s{n}": {"matchers": [f'rule="audit.rule-{n}"', f'metadata.site=~"site-{n % 10}|lab-.*"'], **span}
            for n in range(20)
        },
        "inhibit": [
            {"name": f"i{n}", "source": [f'rule="audit.rule-{n + 20}"', 'severity="critical"'],
             "target": ['rule=~"audit[.]rule-(2|3)[0-9]"', 'severity!="critical"'], "equal": ["metadata.site"]}
            for n in range(10)
        ],
        "incidents": {"by": ["key.actor"], "within": "30m", "at_least": 3},
        "storm": {"alerts": 200, "within": "10m"},
        "targets": {"preset": "operations"},
    }  # fmt: skip


def finding(alert: int, number: int, at: int) -> Finding:
    """The ``number``-th finding about an alert, about 1.3 KB as JSON: two evidence events of 300 bytes each."""
    rnd = random.Random(alert)
    severity = rnd.choices(SEVERITIES, _SHARES)[0]
    actor, site = f"user-{alert % ENTITIES}", f"site-{rnd.randrange(50)}"
    place = f"audit.events/{alert % 4}/{alert * 1_000 + number}"
    event = {
        "event_id": f"{alert:x}-{number}", "event_time": at, "actor": actor, "source_ip": f"10.0.{alert % 256}.7",
        "action": "login", "outcome": "failure", "resource": f"app/{rnd.randrange(1_000)}", "site": site,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    }  # fmt: skip
    seen = (
        Evidence(position=place, event_id=f"{alert:x}-{number}-a", event_time=at - 1_000, event=event),
        Evidence(position=place, event_id=f"{alert:x}-{number}-b", event_time=at, event=event),
    )
    return Finding(
        id=f"finding-{alert}-{number}", kind=FindingKind.FIRE, rule=f"audit.rule-{rnd.randrange(RULES)}",
        rule_version="0123456789abcdef", ruleset="fedcba9876543210", tenant=f"tenant-{alert % TENANTS}",
        key={"actor": actor, "n": alert}, alert_id=f"{alert:032x}", source="audit", event_time=at, position=place,
        severity=severity, severity_word=severity.value, type="security", title=f"5 failed logins for {actor}",
        description="Somebody tries passwords, or somebody has forgotten theirs.", observed=5 + number, threshold=5,
        within=10 * MINUTE, cooldown=24 * HOUR, evidence=seen, runbook="runbooks/failed-login-burst.md",
        metadata={"team": f"team-{alert % 10}", "site": site}, tags=("login", "identity"),
    )  # fmt: skip


def status_change(alert: int, number: int, at: int) -> Command:
    """Somebody takes an alert in hand, or gives it back."""
    action = Action.UNACKNOWLEDGE if number % 2 else Action.ACKNOWLEDGE
    return Command(
        id=f"command-{alert}-{number}", action=action, alert_id=f"{alert:032x}", tenant=f"tenant-{alert % TENANTS}",
        by="grace", at=at,
    )  # fmt: skip


def encoded(one: Finding | Command) -> bytes:
    """As it stands on ``alert-input``."""
    return _encode(one)
