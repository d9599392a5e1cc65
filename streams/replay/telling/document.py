"""Two policies over the same input as one document: a function of what was heard, without a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.replay.moments import rfc3339
from streams.replay.telling.difference import Hearing, difference, untold, waits
from streams.replay.telling.heard import Fared, Heard, Told
from streams.replay.telling.nights import Night, rung
from streams.replay.telling.recorded import Reproduced

FORMAT: Final = 1
TODAY, CANDIDATE = "today", "candidate"


@dataclass(frozen=True, slots=True)
class Range:
    """From ``begin`` until before ``end``, ms; ``notes``: what a person should know of what was read."""

    begin: int
    end: int
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """What a policy made of the input, and where the policy comes from."""

    name: str
    heard: Heard


def compared(
    today: Named, candidate: Named, span: Range, night: Night, again: Reproduced | None = None
) -> dict[str, Any]:
    """Who is told what, when and how often: by ``candidate`` against ``today``."""
    both = {TODAY: today.heard, CANDIDATE: candidate.heard}
    return {
        "format": FORMAT,
        "from": rfc3339(span.begin),
        "to": rfc3339(span.end),
        "notes": list(span.notes),
        "night": {"from": _clock(night.begins), "to": _clock(night.ends), "timezone": night.zone},
        **{name: _summary(one) for name, one in ((TODAY, today), (CANDIDATE, candidate))},
        "reproduced": None if again is None else again.document(),
        "receivers": _receivers(both),
        "people": _people(both, night),
        "first_told": _first_told(both),
        "untold": _untold(both),
        **_difference(both),
    }  # fmt: skip


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _summary(one: Named) -> dict[str, Any]:
    heard = one.heard
    return {
        "policy": one.name, "findings": heard.findings, "commands": heard.commands, "refused": heard.refused,
        "alerts": len(heard.opened()), "notifications": len(heard.told), "hidden": _hidden(heard),
    }  # fmt: skip


def _hidden(heard: Heard) -> dict[str, int]:
    """Alerts by the stage that ever kept somebody from hearing of them."""
    stages = Counter(stage for one in heard.opened() for stage in {stage for stage, _ in one.hidden_by})
    return dict(sorted(stages.items()))


def _receivers(both: Mapping[str, Heard]) -> list[dict[str, Any]]:
    made = {name: _by_receiver(heard.told) for name, heard in both.items()}
    empty = {"messages": 0, "alerts": 0, "reasons": {}}
    return [
        {"receiver": receiver, **{name: made[name].get(receiver, empty) for name in both}}
        for receiver in sorted({receiver for one in made.values() for receiver in one})
    ]


def _by_receiver(told: Iterable[Told]) -> dict[str, dict[str, Any]]:
    messages: dict[str, list[Told]] = {}
    for one in told:
        messages.setdefault(one.receiver, []).append(one)
    return {
        receiver: {
            "messages": len(own),
            "alerts": len({member.id for one in own for member in one.about}),
            "reasons": dict(sorted(Counter(one.reason for one in own).items())),
        }
        for receiver, own in messages.items()
    }


def _people(both: Mapping[str, Heard], night: Night) -> list[dict[str, Any]]:
    made = {name: rung(heard.told, night) for name, heard in both.items()}
    found = []
    for person in sorted({person for one in made.values() for person in one}):
        zone = next(one[person].zone for one in reversed(made.values()) if person in one)
        row: dict[str, Any] = {"person": person, "timezone": zone}
        for name, one in made.items():
            own = one.get(person)
            row[name] = {
                "rang": own.rang if own is not None else 0,
                "at_night": own.at_night if own is not None else 0,
                "nights": dict(sorted(own.nights.items())) if own is not None else {},
            }
        found.append(row)
    return found


def _first_told(both: Mapping[str, Heard]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for name, heard in both.items():
        for one in waits(heard):
            rows.setdefault(one.severity, {"severity": one.severity})[name] = {
                "alerts": one.alerts, "told": one.told, "p50_ms": one.p50, "p95_ms": one.p95, "longest_ms": one.longest,
            }  # fmt: skip
    return list(rows.values())


def _untold(both: Mapping[str, Heard]) -> list[dict[str, Any]]:
    """Alerts that nobody would have heard of; ``today``: who did; ``waits``: somebody was about to when time ended."""
    known: dict[str, list[str]] = {}
    for one in both[TODAY].told:
        for member in one.about:
            known.setdefault(member.id, []).append(one.receiver)
    heard = both[CANDIDATE]
    return [
        alert_document(one) | {"today": sorted(set(known.get(one.id, ()))), "waits": one.id in heard.waiting}
        for one in untold(heard)
    ]


def alert_document(one: Fared) -> dict[str, Any]:
    """An alert, as it stood last."""
    return {
        "alert_id": one.id, "rule": one.rule, "tenant": one.tenant, "severity": one.severity, "title": one.title,
        "opened": rfc3339(one.created_at), "status": one.status, "disposition": one.disposition,
        "hidden_by": [{"stage": stage, "by": by} for stage, by in sorted(one.hidden_by)],
    }  # fmt: skip


def _difference(both: Mapping[str, Heard]) -> dict[str, Any]:
    today, candidate = both[TODAY], both[CANDIDATE]
    found = difference(today.told, candidate.told)
    return {
        "same": found.same,
        "new": [hearing_document(one, candidate) for one in found.new],
        "gone": [hearing_document(one, today) for one in found.gone],
        **{
            name: [
                hearing_document(after, candidate) | {"today": rfc3339(before.at), "by_ms": abs(after.at - before.at)}
                for before, after in pairs
            ]
            for name, pairs in (("later", found.later), ("earlier", found.earlier))
        },
        "reassigned": [
            hearing_document(after, candidate) | {"today_to": list(before.told.to)}
            for before, after in found.reassigned
        ],
    }


def hearing_document(one: Hearing, heard: Heard) -> dict[str, Any]:
    """That somebody hears of an alert, which is told of as it stood last."""
    told, alert = one.told, heard.alerts.get(one.alert)
    about = alert if alert is not None else told
    return {
        "at": rfc3339(one.at), "receiver": one.receiver, "to": list(told.to), "reason": one.reason,
        "alert_id": one.alert, "rule": about.rule, "tenant": about.tenant, "severity": about.severity,
        "title": about.title, "route": told.route, "why": told.why, "rings": told.loud, "notification": told.id,
    }  # fmt: skip


def lost(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Alerts somebody is told of today, and nobody would be."""
    return [one for one in made["untold"] if one["today"]]
