"""A rule of every kind, in its several windows, over one stream of events that makes each of them fire.

``LOCAL`` holds what stands alone in a partition of ``AUDIT`` (keyed by actor). Over ``BY_IP``, the same topic keyed by
address, each of these rules goes over ``rekeyed`` with its meaning unchanged. ``OVER_SOURCES`` reads a second topic.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.model import Control, Source
from streams.rules.lists import bind
from streams.rules.load import ruleset_from_documents
from streams.rules.overrides import overridden
from tests.detecting import BASE, event, rule

DISORDER, IDLE = 2_000, 3_000
AUDIT = Source("audit", "audit.events", ("tenant", "actor"), max_disorder=DISORDER, idle_after=IDLE)
BY_IP = Source("audit", "audit.events", ("tenant", "ip"), max_disorder=DISORDER, idle_after=IDLE)
TRADE = Source("trade", "trade.events", ("tenant", "account"), max_disorder=DISORDER, idle_after=IDLE)
ALERTS = Source("alerts", "alerts", ("tenant", "id"), max_disorder=DISORDER, idle_after=IDLE)

FAIL, DONE = {"outcome": "failure"}, {"outcome": "success"}


def made(id: str, detect: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A rule over every event of an actor, with a title that time alone can fill."""
    title = {"title": "{actor}: {outcome}", "where": {"action": ["login", "sudo"]}}
    return rule(id, detect, **{**title, "metadata": {"from": "{ip}"}, **more})


LOCAL: tuple[dict[str, Any], ...] = (
    made("match", {"match": {}}, where={"action": "sudo"}),
    made("match-dedup", {"match": {"dedup": "10s"}}, where=FAIL),
    made("count", {"count": {"at_least": 3, "within": "8s"}}, severity={"low": 3, "high": 5}, allowed_lateness="4s"),
    made("count-weight", {"count": {"at_least": 12, "weight": "n", "within": "6s"}}),
    made("count-tumbling", {"count": {"at_least": 3, "within": "10s", "window": "tumbling"}}),
    made("count-session", {"count": {"at_least": 3, "window": "session", "gap": "3s", "within": "1m"}}),
    made("count-every", {"count": {"at_least": 3, "within": "10s", "every": "2s"}}),
    made("count-below", {"count": {"below": 2, "within": "10s", "window": "tumbling", "forget": "20s"}}),
    made("count-below-sliding", {"count": {"below": 2, "within": "6s", "forget": "20s"}}),
    made("distinct", {"distinct": {"field": "ip", "at_least": 2, "within": "6s"}}),
    made("distinct-tumbling", {"distinct": {"field": "n", "at_least": 3, "within": "10s", "window": "tumbling"}}),
    made("level", {"level": {"value": "n", "above": 6, "clear": 3, "forget": "30s"}}),
    made("absence", {"absence": {"within": "5s", "forget": "1m"}}, allowed_lateness="1s"),
    made("absence-after", {"absence": {"within": "4s", "after": {"where": FAIL}, "expect": {"where": DONE}}}),
    made("absence-short", {"absence": {"within": "5s", "forget": "5s"}}),
    made(
        "absence-after-short",
        {"absence": {"within": "4s", "forget": "4s", "after": {"where": FAIL}, "expect": {"where": DONE}}},
    ),
    made("change", {"change": {"field": "ip", "forget": "15s"}}),
    made("new-value", {"new_value": {"field": "n", "learn": "4s", "forget": "30s"}}),
    made("spike", {"spike": {"window": "4s", "baseline": "40s", "ratio": 2, "floor": 2, "min_baseline": 2}}),
    made(
        "spike-z",
        {
            "spike": {
                "window": "4s",
                "baseline": "40s",
                "function": "sum",
                "field": "n",
                "z_score": 1,
                "floor": 3,
                "min_baseline": 3,
                "direction": "both",
            }
        },
    ),
    made(
        "python", {"python": {"class": "streams.detect.detectors.runs:Rising", "settings": {"field": "n", "length": 2}}}
    ),
    made("average", {"aggregate": {"function": "avg", "field": "n", "above": 5, "clear": 4, "within": "8s"}}),
    made("p90", {"aggregate": {"function": "p90", "field": "n", "at_least": 8, "within": "8s", "min_events": 3}}),
    made(
        "aggregate-tumbling",
        {
            "aggregate": {
                "function": "sum",
                "field": "n",
                "below": 6,
                "within": "10s",
                "window": "tumbling",
                "forget": "20s",
            }
        },
    ),
    made("rate", {"aggregate": {"function": "rate", "above": 0.5, "within": "6s"}}),
    made("ratio", {"ratio": {"of": FAIL, "above": "60%", "within": "8s", "min_volume": 2}}),
    made(
        "sequence",
        {
            "sequence": {
                "within": "10s",
                "steps": [{"where": FAIL, "runs": 2}, {"where": DONE}],
                "until": {"action": "sudo"},
            }
        },
    ),
    made(
        "sequence-absent",
        {
            "sequence": {
                "within": "9s",
                "steps": [{"where": FAIL}, {"where": {"action": "sudo"}, "absent": True, "within": "3s"}],
            }
        },
    ),
    made(
        "group", {"group": {"within": "8s", "members": [{"where": FAIL, "at_least": 2}, {"where": {"n": {"gt": 6}}}]}}
    ),
    made(
        "group-absent",
        {
            "group": {
                "within": "6s",
                "wait": "3s",
                "members": [{"where": {"n": {"gt": 7}}}, {"where": {"action": "sudo"}, "absent": True}],
            }
        },
    ),
    made("forecast", {"forecast": {"field": "n", "reaches": 12, "in": "20s", "within": "10s", "min_events": 3}}),
    made("listed", {"count": {"at_least": 2, "within": "8s"}}, where={"ip": {"in_list": "bad-ips"}}),
    made("budget", {"count": {"at_least": 2, "within": "20s"}}, group_by=["actor", "n"], budget={"keys": 3}),
    made("memory", {"distinct": {"field": "n", "at_least": 3, "within": "30s"}}, budget={"memory": "1KiB"}),
    made("exported", {"count": {"at_least": 4, "within": "8s"}}, export={"name": "logins", "max_series": 2}),
    made("quiet-hours", {"match": {}}, where=FAIL, active={"hours": "22:13-22:14", "timezone": "UTC"}),
)

OVER_SOURCES: tuple[dict[str, Any], ...] = (
    made(
        "audit-then-trade",
        {
            "sequence": {
                "within": "12s",
                "steps": [{"where": FAIL}, {"source": "trade", "by": ["account"], "where": {"side": "sell"}}],
            }
        },
        allowed_lateness="2s",
    ),
    made(
        "login-or-trade",
        {
            "group": {
                "within": "6s",
                "members": [{"where": DONE}, {"source": "trade", "by": ["account"], "at_least": 2}],
            }
        },
    ),
    made(
        "login-without-trade",
        {
            "absence": {
                "within": "5s",
                "after": {"where": {"action": "sudo"}},
                "expect": {"source": "trade", "by": ["account"], "where": {"side": "buy"}},
            }
        },
    ),
    made(
        "trades",
        {"count": {"at_least": 3, "within": "8s"}},
        source="trade",
        where={},
        group_by=["venue"],
        title="{venue}",
        metadata={},
    ),
)

LISTS = {"bad-ips": ["10.0.0.1"]}
#: The tenant ``zeta`` counts otherwise, and looks at no levels.
OVERRIDES = {"tenants": {"zeta": {"count": {"detect": {"count": {"at_least": 2}}}, "level": {"enabled": False}}}}


def every_kind(*more: dict[str, Any], of: Sequence[dict[str, Any]] = LOCAL, position: int = 1) -> Control:
    """``LOCAL`` and more rules in force, with a list bound and a tenant's own settings."""
    ruleset = ruleset_from_documents((*of, *more), KINDS)
    return Control(position, bind(overridden(ruleset, OVERRIDES, KINDS, TUNABLE), LISTS))


def river(
    rnd: random.Random, length: int, *, actors: Sequence[str] = ("ada", "bob"), silent: float = 0.05, tidy: bool = False
) -> list[bytes]:
    """Audit events on quarters of a second, mostly in order; some late, some beyond all lateness, some twice, some
    with fields that are none.

    ``tidy``: in order, no two at one time, none twice.
    """
    now, number, payloads = 0, 0, list[bytes]()
    while len(payloads) < length:
        now += rnd.randrange(80, 240) * 250 if rnd.random() < silent else rnd.randrange(0, 10) * 250
        late = rnd.choice((0, 0, 0, 0, rnd.randrange(12) * 250, rnd.randrange(60) * 250))
        number += 1
        if tidy:
            now, late = now + 1, 0
        elif payloads and rnd.random() < 0.05:
            payloads.append(rnd.choice(payloads[-8:]))
            continue
        fields: dict[str, Any] = {
            "actor": rnd.choice(actors),
            "tenant": "zeta" if rnd.random() < 0.2 else "acme",
            "action": "sudo" if rnd.random() < 0.12 else "login",
            "outcome": rnd.choice(("failure", "failure", "success")),
            "ip": f"10.0.0.{rnd.randrange(3)}",
            "n": rnd.choice((rnd.randrange(10), rnd.randrange(10), rnd.randrange(80) / 8)),
        }
        if rnd.random() < 0.05:
            fields["n"] = rnd.choice((..., None, "7", "x" * 50, True, [1], str(2**255), 10**18, -3, 1e300))
        payloads.append(event(max(-BASE, now - late), number, **fields))
    return payloads


def trades(rnd: random.Random, length: int, *, tidy: bool = False) -> list[bytes]:
    """Trade events by the same people, who are ``account`` there."""
    now, payloads = 0, list[bytes]()
    for number in range(length):
        now += rnd.randrange(0, 20) * 250 + tidy
        fields = {"side": rnd.choice(("buy", "sell")), "venue": rnd.choice("xy"), "account": rnd.choice(("ada", "bob"))}
        payloads.append(
            event(
                max(-BASE, now - (0 if tidy else rnd.choice((0, 0, 3_000)))),
                f"t{number}",
                actor=...,
                action=...,
                **fields,
            )
        )
    return payloads
