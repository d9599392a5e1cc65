"""Response targets: how soon an alert should be taken in hand, and closed, by how bad it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.model import Severity
from streams.model.severity import SEVERITY_WORDS
from streams.rules.block import Block
from streams.rules.durations import shown

_MINUTE, _HOUR = 60_000, 3_600_000
PRESETS: dict[str, dict[Severity, int]] = {
    "operations": {
        Severity.CRITICAL: 5 * _MINUTE, Severity.HIGH: 15 * _MINUTE, Severity.MEDIUM: 30 * _MINUTE,
        Severity.LOW: 2 * _HOUR,
    },
    "audit": {
        Severity.CRITICAL: 0, Severity.HIGH: _HOUR, Severity.MEDIUM: 4 * _HOUR, Severity.LOW: 24 * _HOUR,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Targets:
    """ms by severity, from the opening; what is not in it has no target."""

    acknowledge: Mapping[Severity, int] = field(default_factory=dict)
    resolve: Mapping[Severity, int] = field(default_factory=dict)


def parse_targets(raw: Any) -> Targets:
    """``{preset: operations, critical: {acknowledge: 5m, resolve: 4h}}``. Raises BlockErrors."""
    block = Block(raw)
    preset = block.choice("preset", PRESETS, "")
    acknowledge: dict[Severity, int] = dict(PRESETS.get(preset, {}))
    resolve: dict[Severity, int] = {}
    for word in raw if isinstance(raw, Mapping) else ():
        severity = SEVERITY_WORDS.get(str(word).lower())
        if severity is None:
            continue
        for name, value in block.read(word, _pair, {}).items():
            (acknowledge if name == "acknowledge" else resolve)[severity] = value
    block.check()
    return Targets(acknowledge, resolve)


def _pair(raw: Any) -> dict[str, int]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"takes {{acknowledge: 5m, resolve: 4h}}, not {shown(raw)}")
    block = Block(raw)
    found = {name: block.duration(name) for name in ("acknowledge", "resolve") if block.has(name)}
    block.check()
    return found
