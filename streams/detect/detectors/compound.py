"""Failures of several kinds at once: what each of them means alone is known, together they may be one attack.

The four domains of risk (consensus, security, performance, storage) and "compound failure" are those of the risk
monitoring of a consortium ledger that this replaces; see also Perrow 1984, Normal Accidents, on coupled failures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found

#: Alerts of a domain that are remembered, the newest ones, and of all domains.
MAX_ALERTS, MAX_ALL = 32, 256
_MINUTE = 60_000
_MAX_NAME = 100
#: Which tag says which domain; ``risk.<domain>`` always does, and before all others.
TAGS = {
    "consensus": "consensus", "storage": "storage", "backup": "storage", "disk": "storage",
    "authentication": "security", "encryption": "security", "certificate": "security", "saturation": "performance",
    "latency": "performance",
}  # fmt: skip
#: Which type says so where no tag does. Alerts of other types are of no domain.
TYPES = {"security": "security", "performance": "performance", "metrics": "performance", "system": "performance"}
_PREFIX = "risk."


class RiskDomains:
    """Settings: ``at_least`` (2) domains, ``within_minutes`` (10); ``tags``, ``types``: what says which domain.

    Reads alerts. Fires at each alert with which so many domains lie within one window that contains it. Alerts count
    by the time of their event, whatever the order in which they come.
    """

    fields: Sequence[str] = ("tags", "type", "rule")
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._needed = int(settings.get("at_least", 2))
        self._within = int(settings.get("within_minutes", 10)) * _MINUTE
        self._tags = dict(settings.get("tags", TAGS))
        self._types = dict(settings.get("types", TYPES))
        if self._needed < 2 or self._within <= 0:
            raise ValueError("at_least must be 2 or more, and within_minutes more than 0")
        self.keeps: str | int = 2 * self._within

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        domain = self._domain(event.fields)
        if not domain:
            return state, ()
        rule = event.fields.get("rule")
        alerts: list[list[Any]] = state or []
        alerts.append([event.time, domain, rule[:_MAX_NAME] if isinstance(rule, str) else ""])
        alerts.sort()
        self._forget(alerts, domain)
        window = self._best(alerts, event.time)
        domains = sorted({one for _, one, _ in window})
        if domain not in domains or len(domains) < self._needed:
            return alerts, ()
        rules = sorted({name for _, _, name in window if name})
        detail = {"domains": ", ".join(domains), "rules": ", ".join(rules)[:1_000]}
        return alerts, [Found(len(domains), self._needed, detail=detail)]

    def _domain(self, fields: Mapping[str, Any]) -> str:
        tags = fields.get("tags")
        words = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, (list, tuple)) else []
        named = [word.removeprefix(_PREFIX) for word in words if word.startswith(_PREFIX)]
        tagged = [self._tags[word] for word in words if word in self._tags]
        kind = fields.get("type")
        typed = self._types.get(kind, "") if isinstance(kind, str) else ""
        return str(next(iter([*named, *tagged]), typed))[:_MAX_NAME]

    def _forget(self, alerts: list[list[Any]], domain: str) -> None:
        """What no window can contain with anything that still comes in time, and the oldest of a domain with many."""
        newest = alerts[-1][0]
        alerts[:] = [one for one in alerts if one[0] > newest - 2 * self._within]
        of_domain = [one for one in alerts if one[1] == domain]
        for one in of_domain[:-MAX_ALERTS]:
            alerts.remove(one)
        del alerts[:-MAX_ALL]

    def _best(self, alerts: list[list[Any]], at: int) -> list[list[Any]]:
        """Of the windows that contain ``at`` the one with the most domains, the earliest of these."""
        ends = sorted({time for time, _, _ in alerts if at <= time < at + self._within})
        windows = [[one for one in alerts if end - self._within < one[0] <= end] for end in ends]
        return max(windows, key=lambda window: len({one for _, one, _ in window}), default=[])
