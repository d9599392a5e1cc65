"""How long what is kept: classes with their days, and which class a record is of."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

DAY = 86_400_000

#: Days each class is kept. Overridden by ``retention``.
DAYS: Mapping[str, int] = {
    "application": 30, "error": 90, "audit": 365, "archive": 7 * 365 + 2,  # two of seven years may be leap years
    "access": 90, "system_error": 180, "security": 365, "system": 30,
}  # fmt: skip
#: The class by topic, by an alert's or event's type, by an alert's source. Overridden by ``classes``.
CLASSES: Mapping[str, str] = {
    "topic:alerts": "application", "topic:deliveries": "application", "topic:operations": "audit",
    "topic:audit.events": "audit", "topic:trade.events": "archive", "topic:chain.events": "archive",
    "topic:metric.events": "system",
    "type:security": "security", "type:compliance": "archive", "type:performance": "application",
    "type:system": "system_error", "type:metrics": "system",
}  # fmt: skip


class Retention(msgspec.Struct, frozen=True):
    """``source:`` goes before ``type:`` before ``topic:``; what none names is of the class ``archive``."""

    days: Mapping[str, int]
    classes: Mapping[str, str]

    def class_of(self, topic: str, type_: str = "", source: str = "") -> str:
        for name in (f"source:{source}", f"type:{type_}", f"topic:{topic}"):
            if (found := self.classes.get(name)) is not None:
                return found
        return "archive"

    def ends(self, class_: str, day_end: int) -> int:
        """When what was written up to ``day_end`` (ms) may go. A class nobody knows any more is kept."""
        days = self.days.get(class_)
        return 2**63 - 1 if days is None else day_end + days * DAY


DEFAULT = Retention(DAYS, CLASSES)
