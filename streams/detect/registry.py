"""The kinds a rule's ``detect`` block may name. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.detect.base import Kind
from streams.detect.kinds import count, distinct, level, match

#: Parsers of the blocks; each raises ``streams.rules.problems.BlockErrors``.
KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Kind]]] = {
    "match": match.parse,
    "count": count.parse,
    "distinct": distinct.parse,
    "level": level.parse,
}
