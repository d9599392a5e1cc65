"""Severities, worst first. Other words (P0, EMERGENCY, WARNING) are mapped and kept beside."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """Worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


SEVERITIES: tuple[Severity, ...] = tuple(Severity)
_RANK = {severity: len(SEVERITIES) - place for place, severity in enumerate(SEVERITIES)}

#: Words of other systems (sources: a blockchain's four levels, a DEX's P0-P3), lower-cased.
SEVERITY_WORDS: dict[str, Severity] = {
    **{severity.value: severity for severity in Severity},
    "p0": Severity.CRITICAL,
    "p1": Severity.HIGH,
    "p2": Severity.MEDIUM,
    "p3": Severity.LOW,
    "emergency": Severity.CRITICAL,
    "warning": Severity.MEDIUM,
}


def severity_rank(severity: str) -> int:
    """5 for critical down to 1 for info."""
    return _RANK[Severity(severity)]
