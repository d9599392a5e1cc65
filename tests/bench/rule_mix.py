"""Rules and events for ``make bench-rules``: any number of rules of all kinds, and a fixed number of matches an event."""

from __future__ import annotations

import random
from typing import Any

import orjson

#: The types of events; each has actions of its own.
TYPES = ("authentication", "data", "admin", "network")
ACTIONS = 40
_TEST = [{"name": "fires", "events": [{"at": "0s"}], "expect": [{"at": "0s"}]}]


def events(n: int, keys: int = 50_000, seed: int = 1, step: float = 5.0) -> list[tuple[str, bytes]]:
    """``n`` audit events of about 390 bytes, (key, value), ``step`` ms of event time apart; each actor has one type."""
    rnd = random.Random(seed)
    made = []
    for number in range(n):
        kind = TYPES[number % 4]
        actor = f"user-{rnd.randrange(keys // 4) * 4 + number % 4}"
        entry = {
            "event_id": f"{seed:04x}{number:028x}",
            "event_time": 1_760_000_000_000 + int(number * step),
            "tenant": "acme",
            "source": "idp",
            "type": kind,
            "actor": actor,
            "source_ip": f"10.{rnd.randrange(256)}.{rnd.randrange(256)}.7",
            "action": f"{kind}.{rnd.randrange(ACTIONS)}",
            "outcome": "failure" if rnd.random() < 0.3 else "success",
            "resource": f"app/{rnd.randrange(1000)}",
            "bytes": rnd.randrange(100_000),
            "session": {"id": f"{rnd.randrange(1 << 60):015x}", "mfa": True},
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "region": "eu-central-1",
        }
        made.append((actor, orjson.dumps(entry)))
    return made


def rules(number: int, matches: int = 1) -> list[dict[str, Any]]:
    """``number`` rules, of which every event matches ``matches``: counts by actor that hardly ever fire. With a step
    of 5 ms an actor comes every four minutes, so two or three of its events lie in a window of ten.

    The others are of every kind, over all four types, and ask for what no event has.
    """
    hot = [_hot(place, None if number < 4 else TYPES[place % 4]) for place in range(matches * (1 if number < 4 else 4))]
    return hot + [_cold(place) for place in range(max(0, number - len(hot)))]


def one_rule(identity: str, where: dict[str, Any], detect: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A rule over audit by actor."""
    return {
        "id": identity, "title": "{actor}", "source": "audit", "where": where, "group_by": ["actor"],
        "detect": detect, "severity": "low", "type": "security", "tests": _TEST, **more,
    }  # fmt: skip


def _hot(place: int, kind: str | None) -> dict[str, Any]:
    where: dict[str, Any] = {} if kind is None else {"type": kind}
    return one_rule(f"hot.{place:03}", where, {"count": {"at_least": 20, "within": "10m"}})


def _cold(place: int) -> dict[str, Any]:
    """A rule such as people write: about one type and a few actions, with a condition that is never met."""
    kind = TYPES[place % 4]
    action = [f"{kind}.{(place * 7 + more) % ACTIONS}" for more in range(1 + place % 3)]
    never: dict[str, Any] = [
        {"outcome": "denied"},
        {"region": {"starts_with": "us-"}},
        {"session.mfa": False},
        {"bytes": {"gt": 10_000_000}},
        {"user_agent": {"contains": "curl"}},
        {"resource": {"in": ["vault/root", "vault/keys"]}},
    ][place % 6]  # type: ignore[assignment]  # one of them
    kinds: list[dict[str, Any]] = [
        {"match": {}},
        {"count": {"at_least": 5, "within": "10m"}},
        {"distinct": {"field": "resource", "at_least": 5, "within": "1h"}},
        {"level": {"value": "bytes", "above": 1_000_000}},
        {"aggregate": {"field": "bytes", "function": "sum", "above": 10_000_000, "within": "5m"}},
        {"ratio": {"of": {"source_ip": {"starts_with": "10.1"}}, "above": "50%", "within": "5m", "min_volume": 20}},
        {
            "sequence": {
                "within": "10m",
                "steps": [{"where": {"source_ip": {"starts_with": "10.1"}}}, {"where": {"actor": {"exists": True}}}],
            }
        },
        {
            "group": {
                "within": "10m",
                "members": [{"where": {"source_ip": {"starts_with": "10.1"}}}, {"where": {"actor": {"exists": True}}}],
            }
        },
        {"change": {"field": "source_ip"}},
        {"new_value": {"field": "region", "forget": "30d"}},
        {"spike": {"window": "10m", "baseline": "2h", "ratio": 3, "floor": 20}},
        {"absence": {"within": "1h"}},
    ]
    return one_rule(f"cold.{place:03}", {"type": kind, "action": action, **never}, kinds[place % len(kinds)])
