"""Which settings of each kind configuration may override: thresholds and windows, not fields, words and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.detect.registry import MODULES

#: Another field, condition or word would make another rule of it.
_TUNABLE: Final = frozenset({"duration", "integer", "number", "threshold"})

TUNABLE: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(option.name for option in module.OPTIONS if option.takes in _TUNABLE)
    for name, module in MODULES.items()
}
