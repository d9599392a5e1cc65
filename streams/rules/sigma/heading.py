"""What a Sigma rule says about itself, in our words: title, description, severity, tags."""

from __future__ import annotations

from typing import Any

from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

_SEVERITY = {"informational": "info", "low": "low", "medium": "medium", "high": "high", "critical": "critical"}
_OFF = ("deprecated", "unsupported")
_MAX_DESCRIPTION = 3_900


def heading(rule: SigmaRule | SigmaCorrelationRule) -> dict[str, Any]:
    """``title``, ``description``, ``severity``, ``type``, ``tags`` and ``metadata``; off where Sigma retired the rule.

    References and false positives go into the description. The author stays on every alert: Sigma's licence asks it.
    """
    status = str(rule.status) if rule.status is not None else ""
    document: dict[str, Any] = {
        "title": literal(rule.title or rule.name or "a Sigma rule", 250),
        "description": _description(rule),
        "severity": _SEVERITY.get(str(rule.level), "medium"),
        "type": "security",
        "tags": list(dict.fromkeys(["sigma", *(str(tag) for tag in rule.tags)])),
        "metadata": {
            name: literal(value, 250)
            for name, value in (
                ("sigma_id", str(rule.id or "")),
                ("sigma_status", status),
                ("sigma_author", " ".join((rule.author or "").split())),
            )
            if value
        },
    }
    if status in _OFF:
        document["enabled"] = False
    return {name: value for name, value in document.items() if value not in ("", {})}


def _description(rule: SigmaRule | SigmaCorrelationRule) -> str:
    lines = [(rule.description or "").strip()]
    if known := [text for text in rule.falsepositives if text.strip().lower() not in ("none", "unknown", "")]:
        lines += ["False positives:", *(f"- {' '.join(text.split())}" for text in known)]
    if rule.references:
        lines += ["References:", *(f"- {' '.join(str(text).split())}" for text in rule.references)]
    return literal("\n".join(line for line in lines if line), _MAX_DESCRIPTION)


def literal(text: str, longest: int) -> str:
    """The text as a template that says it: braces are doubled. Cut where it is long."""
    if len(text) > longest // 2 and len(text) + text.count("{") + text.count("}") > longest:
        text = text[: longest // 2] + "…"
    return text.replace("{", "{{").replace("}", "}}")
