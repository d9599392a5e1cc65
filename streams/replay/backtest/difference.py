"""What one rule set says that another does not, over the same events: alerts that are new, gone or changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from streams.model import Alert, Evidence
from streams.replay.moments import rfc3339
from streams.replay.report import evidence_of

_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Change:
    """One alert in both, that is not the same. ``fields``: name -> (before, after)."""

    before: Alert
    after: Alert
    fields: dict[str, tuple[Any, Any]]
    gained: tuple[Evidence, ...]
    lost: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Each list by event time and id."""

    new: list[Alert]
    gone: list[Alert]
    changed: list[Change]
    same: int


def difference(before: Iterable[Alert], after: Iterable[Alert]) -> Difference:
    """Pairs are alerts of one id; then those of one rule, tenant and key that last over a common time, the earliest
    first: a rule that fires earlier opens an alert of another id about the same thing.
    """
    olds, news = {alert.id: alert for alert in before}, {alert.id: alert for alert in after}
    pairs = [(olds.pop(name), news.pop(name)) for name in sorted(olds.keys() & news.keys())]
    waiting: dict[tuple[str, str, bytes], list[Alert]] = defaultdict(list)
    for alert in sorted(olds.values(), key=_place):
        waiting[_about(alert)].append(alert)
    new: list[Alert] = []
    for alert in sorted(news.values(), key=_place):
        candidates = waiting[_about(alert)]
        twin = next((one for one in candidates if _overlap(one, alert)), None)
        if twin is None:
            new.append(alert)
        else:
            candidates.remove(twin)
            pairs.append((twin, alert))
    gone = sorted((alert for left in waiting.values() for alert in left), key=_place)
    changes = [change for old, fresh in pairs if (change := _change(old, fresh)) is not None]
    changes.sort(key=lambda change: _place(change.after))
    return Difference(new, gone, changes, len(pairs) - len(changes))


def _place(alert: Alert) -> tuple[int, str]:
    return alert.event_time, alert.id


def _about(alert: Alert) -> tuple[str, str, bytes]:
    return alert.rule, alert.tenant, _encode(alert.key)


def _overlap(one: Alert, other: Alert) -> bool:
    """Whether they have a moment in common, the events of their first findings taken in."""
    return _begin(one) <= other.last_event_time and _begin(other) <= one.last_event_time


def _begin(alert: Alert) -> int:
    return min((evidence.event_time for evidence in alert.first), default=alert.event_time)


def _change(before: Alert, after: Alert) -> Change | None:
    fields = {
        name: pair
        for name, pair in zip(_COMPARED, zip(_seen(before), _seen(after), strict=True), strict=True)
        if pair[0] != pair[1]
    }
    old, new = _positions(before), _positions(after)
    gained = tuple(one for where, one in new.items() if where not in old)
    lost = tuple(one for where, one in old.items() if where not in new)
    return Change(before, after, fields, gained, lost) if fields or gained or lost else None


_COMPARED = ("alert_id", "severity", "event_time", "last_event_time", "findings", "observed", "title")


def _seen(alert: Alert) -> Sequence[Any]:
    """What a person would notice. The version of the rule is no part of it: every change of a rule changes that."""
    return (
        alert.id, alert.severity.value, rfc3339(alert.event_time), rfc3339(alert.last_event_time), alert.count,
        alert.values.get("peak", alert.values.get("observed")), alert.title,
    )  # fmt: skip


def _positions(alert: Alert) -> dict[str, Evidence]:
    return {evidence.position: evidence for evidence in evidence_of(alert)}
