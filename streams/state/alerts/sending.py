"""From what is to be said to the record that says it: one notification for one receiver."""

from __future__ import annotations

import msgspec

from streams.alerts.policy import Policy
from streams.model import Alert, Group, Notification, Output, Reason, content_hash
from streams.state.alerts.messages import Message
from streams.state.alerts.telling import Said
from streams.state.alerts.tray import Pile

_encode = msgspec.json.Encoder().encode


class _Notification(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``Notification`` around an alert that is JSON already."""

    id: str
    alert_id: str
    tenant: str
    receiver: str
    reason: Reason
    at: int
    alert: msgspec.Raw
    route: str = ""
    why: str = ""
    to: tuple[str, ...] = ()
    escalation_level: int = 0
    group: Group | None = None
    redriven: str = ""


assert _Notification.__struct_fields__ == Notification.__struct_fields__


def of_alert(alert: Alert, value: bytes, said: Said, policy: Policy, now: int) -> Output:
    """What goes with a version of an alert, which is ``value`` as JSON."""
    receiver, reason = said.receiver, said.reason
    numbered = [alert.version, said.level] if said.level else alert.version
    notification = _Notification(
        id=content_hash("notification", alert.id, receiver.name, reason.value, numbered),
        alert_id=alert.id, tenant=alert.tenant, receiver=receiver.name, reason=reason, at=now,
        alert=msgspec.Raw(value), route=said.path, why=said.why, to=_on_call(policy, receiver.oncall, now),
        escalation_level=said.level, group=said.group,
    )  # fmt: skip
    return _keyed(notification)


def of_group(pile: Pile, message: Message, worst: msgspec.Raw, policy: Policy, now: int) -> Output:
    """What a group has to say; ``worst`` is the alert it carries."""
    notification = _Notification(
        id=message.id, alert_id=message.worst, tenant=pile.tenant, receiver=pile.receiver, reason=message.reason,
        at=now, alert=worst, route=pile.path, to=_on_call(policy, policy.by_name[pile.receiver].oncall, now),
        group=message.group,
    )  # fmt: skip
    return _keyed(notification)


def _keyed(notification: _Notification) -> Output:
    """By what it is about, as ``Notification.subject`` says: of a group the worst alert may change."""
    subject = notification.group.id if notification.group is not None else notification.alert_id
    return Output("notifications", subject.encode(), _encode(notification))


def _on_call(policy: Policy, rotation: str, now: int) -> tuple[str, ...]:
    schedule = policy.oncall.get(rotation)
    person = schedule.who(now) if schedule is not None else ""
    return (person,) if person else ()
