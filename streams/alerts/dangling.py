"""Names that one section of a policy uses and no other gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from streams.rules.durations import shown


def dangling(values: Mapping[str, Any]) -> list[str]:
    """Names that are used and given nowhere."""
    problems: list[str] = []
    receivers = {receiver.name for receiver in values.get("receivers", ())}
    intervals, escalations = values.get("intervals", {}), values.get("escalations", {})

    def known(place: str, names: Iterable[str], among: Iterable[str], what: str) -> None:
        problems.extend(_unknown_name(place, name, among, what) for name in names if name not in among)

    for receiver in values.get("receivers", ()):
        known(f"receivers.{receiver.name}", filter(None, [receiver.fallback]), receivers, "receiver")
        known(f"receivers.{receiver.name}", filter(None, [receiver.oncall]), values.get("oncall", {}), "rotation")
    if (root := values.get("route")) is not None:
        for node in root.nodes():
            known(f"route {node.path}", node.receivers, receivers, "receiver")
            known(f"route {node.path}", (*node.mute, *node.active), intervals, "interval")
            known(f"route {node.path}", filter(None, [node.escalation]), escalations, "escalation")
    for name, escalation in escalations.items():
        for level in escalation.levels:
            known(f"escalations.{name}", level.receivers, receivers, "receiver")
    known("escalate", values.get("escalate", {}).values(), escalations, "escalation")
    return problems


def _unknown_name(place: str, name: str, among: Iterable[str], what: str) -> str:
    close = get_close_matches(name[:50], list(among), 1)
    return f"{place}: no {what} is called {shown(name)}" + (f" (did you mean {close[0]}?)" if close else "")
