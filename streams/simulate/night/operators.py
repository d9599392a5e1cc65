"""People at night: they wake up late or not at all, take alerts in hand, and close them in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from streams.model import Action, Alert, Command, Notification, Status
from streams.simulate.night.lines import WAKING
from streams.simulate.night.script import MINUTE, TENANT, Plan

#: How long somebody who was told of a group takes for each further alert of it.
_EACH: Final = 5_000
_FAILS_AFTER: Final = 20_000  #: until a provider gives a message up


class Operators:
    """Reacts to notifications by the plans. Gives commands with the time at which they are given."""

    def __init__(self, plans: dict[str, Plan], loud: frozenset[str], morning: int) -> None:
        self._plans, self._loud, self._morning = plans, loud, morning
        self._seen: set[str] = set()
        self._failed: set[str] = set()
        self._n = 0

    def told(self, notification: Notification) -> Iterator[tuple[int, Command]]:
        """Somebody is told of something."""
        if notification.reason not in WAKING or notification.receiver not in self._loud:
            return
        alert = notification.alert_id
        plan = self._plans.get(alert, Plan())
        if plan.unreachable and alert not in self._failed:
            self._failed.add(alert)
            more = {"receiver": notification.receiver, "notification_id": notification.id}
            yield self._asked(notification.at + _FAILS_AFTER, Action.DELIVERY_FAILED, alert, "delivery", **more)
            return
        if notification.escalation_level < plan.level:
            return
        who = notification.to[0] if notification.to else notification.receiver
        members = [one.id for one in notification.group.alerts] if notification.group is not None else [alert]
        for number, one in enumerate(members):
            theirs = self._plans.get(one, plan)
            if one in self._seen or theirs.after is None:
                continue
            self._seen.add(one)
            yield from self._handled(one, theirs, notification.at + theirs.after + number * _EACH, who)

    def morning(self, alerts: list[Alert]) -> Iterator[tuple[int, Command]]:
        """The day shift takes what nobody has in hand."""
        for number, alert in enumerate(alerts):
            if alert.status is Status.ACTIVE:
                yield from self._handled(
                    alert.id, Plan(close=20 * MINUTE, note="seen in the morning"), self._morning + number * _EACH, "day"
                )

    def _handled(self, alert: str, plan: Plan, at: int, who: str) -> Iterator[tuple[int, Command]]:
        yield self._asked(at, Action.ACKNOWLEDGE, alert, who)
        if plan.close is not None:
            harmless = plan.as_ != "true_positive"
            action = Action.DISMISS if harmless else Action.RESOLVE
            yield self._asked(at + plan.close, action, alert, who, note=plan.note, disposition=plan.as_)

    def _asked(self, at: int, action: Action, alert: str, by: str, **more: Any) -> tuple[int, Command]:
        self._n += 1
        return at, Command(
            id=f"night-{self._n}", action=action, alert_id=alert, tenant=TENANT, by=by, at=at, **more
        )  # fmt: skip
