"""Environment variables that switch a notifier on without a configuration: their presence is a sink and a receiver.

A sink of the same name in the file stands as it is written there. Receivers are made only where the policy has none,
and no route: who has said who is told is not overruled by a variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Variable -> the sink it makes. The value stays where it is: the sink refers to it.
#: A mail relay is usually inside; its address is the operator's own, as the variable is.
SWITCHES: dict[str, dict[str, Any]] = {
    "SLACK_WEBHOOK_URL": {"name": "slack", "type": "slack", "url": "env:SLACK_WEBHOOK_URL"},
    "PAGERDUTY_INTEGRATION_KEY": {"name": "pagerduty", "type": "pagerduty", "key": "env:PAGERDUTY_INTEGRATION_KEY"},
    "EMAIL_ALERT_RECIPIENTS": {
        "name": "email",
        "type": "email",
        "url": "env:SMTP_URL",
        "to": "env:EMAIL_ALERT_RECIPIENTS",
        "allow_private": True,
    },
}


def switched_on(document: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """``document`` with the sinks, and where it names none the receivers, that the environment asks for.

    A document whose sinks or policy are not what they must be is left alone: that is reported by itself.
    """
    merged = dict(document)
    wanted = [dict(sink) for variable, sink in SWITCHES.items() if environ.get(variable, "").strip()]
    sinks, policy = merged.get("sinks") or [], merged.get("policy") or {}
    if not wanted or not isinstance(sinks, list) or not isinstance(policy, Mapping):
        return merged
    taken = {sink.get("name") for sink in sinks if isinstance(sink, Mapping)}
    merged["sinks"] = [*sinks, *(sink for sink in wanted if sink["name"] not in taken)]
    if not policy.get("receivers") and not policy.get("route"):
        merged["policy"] = {**policy, "receivers": [{"name": sink["name"]} for sink in wanted]}
    return merged
