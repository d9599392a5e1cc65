"""Which settings of each kind configuration may override: thresholds, windows and words, not fields and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.detect.registry import MODULES

#: What says what a rule looks at; another value would make another rule of it.
_ABOUT: Final = frozenset({"field", "fields", "condition", "steps", "members"})

TUNABLE: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(option.name for option in module.OPTIONS if option.takes not in _ABOUT)
    for name, module in MODULES.items()
}
