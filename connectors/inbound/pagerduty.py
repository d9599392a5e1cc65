"""PagerDuty's v3 webhooks: the signatures (``v1``) and the commands that an event asks for.

A webhook names the incident by ``incident_key``, which is our ``dedup_key``; it does not tell the tenant. Who calls
says which alert a key stands for, and whose it is. A note names the incident only by PagerDuty's own id: ``alert_of``
is asked with that one then.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from connectors.inbound.signed import Refused, hex_digest, same
from streams.model import Action, Command, content_hash

_MOST_SIGNATURES = 20
_LONGEST = 1024 * 1024
_OLDEST_MS = 3 * 86_400_000  #: later than PagerDuty itself tries again
_ACTIONS = {
    "incident.acknowledged": Action.ACKNOWLEDGE,
    "incident.unacknowledged": Action.UNACKNOWLEDGE,
    "incident.resolved": Action.RESOLVE,
    "incident.reopened": Action.REOPEN,
    "incident.annotated": Action.COMMENT,
}
#: (incident_key or PagerDuty's incident id) -> (alert id, tenant); None where it is none of ours.
AlertOf = Callable[[str], tuple[str, str] | None]


def verify(secrets: tuple[str, ...], signatures: str | None, body: bytes) -> Refused | None:
    """None where PagerDuty sent it: ``X-PagerDuty-Signature``, several while a secret is replaced, and the raw body.

    PagerDuty signs no time of its own. A replay is told by the event's id, which becomes the command's, and by when
    it happened, which stands in what is signed.
    """
    known = [secret for secret in secrets if secret]
    if not known:
        return Refused.NO_SECRET
    given = [one.strip() for one in (signatures or "").split(",", _MOST_SIGNATURES) if one.strip().startswith("v1=")]
    if not given:
        return Refused.NO_SIGNATURE
    wanted = ["v1=" + hex_digest(secret, body) for secret in known]
    found = [same(one, other) for one in wanted for other in given[:_MOST_SIGNATURES]]
    return None if any(found) else Refused.WRONG


def commands(body: bytes, alert_of: AlertOf, now_ms: int) -> list[Command]:
    """What a verified event asks for: one command, or none. Raises ValueError for what is no event of PagerDuty.

    What an integration did (our own notifier resolving, for one) is not told back to us. What happened more than three
    days ago asks for nothing.
    """
    if len(body) > _LONGEST:
        raise ValueError("the event is too large")
    try:
        event = json.loads(body)["event"]
        identity, kind, data = event["id"], event["event_type"], event["data"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("not an event of PagerDuty") from None
    if not isinstance(identity, str) or not identity or not isinstance(kind, str) or not isinstance(data, dict):
        raise ValueError("not an event of PagerDuty")
    action, agent = _ACTIONS.get(kind), event.get("agent")
    who = agent if isinstance(agent, dict) else {}
    if _is_old(event.get("occurred_at"), now_ms):
        return []
    if action is None or "integration" in str(who.get("type", "")):
        return []
    found = next((one for name in _names(data) if (one := alert_of(name)) is not None), None)
    if found is None:
        return []
    alert, tenant = found
    note = str(data.get("content", ""))[:2000] if action is Action.COMMENT else ""
    if action is Action.COMMENT and not note.strip():
        return []
    return [
        Command(
            id=content_hash("pagerduty", identity),
            action=action,
            alert_id=alert,
            tenant=tenant,
            by=f"pagerduty:{str(who.get('summary') or who.get('id') or 'service')[:100]}",
            at=now_ms,
            note=note,
        )
    ]


def _is_old(occurred_at: object, now_ms: int) -> bool:
    """What is no time says nothing."""
    try:
        at = datetime.fromisoformat(str(occurred_at))
    except ValueError:
        return False
    return now_ms - round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000) > _OLDEST_MS


def _names(data: dict[str, Any]) -> list[str]:
    """What the incident may be known by, our own key first."""
    inner = data.get("incident")
    incident = inner if isinstance(inner, dict) else data
    names = (incident.get("incident_key"), incident.get("id"))
    return [name for name in names if isinstance(name, str) and name]
