"""What DETECT asks of the rules over one source. Two implementations, held equal: plain (the oracle) and compiled."""

from __future__ import annotations

from typing import Any, Protocol

from streams.rules.rule import Rule

#: A key: canonical, hashable and typed. Strings stand as themselves; any other scalar as ("i", 5), ("f", 1.5),
#: ("b", True) or ("n", None), so that 1, True, 1.0-as-float and "1" never collide. Integral floats become integers.
KeyPart = str | tuple[str, Any]
Key = tuple[KeyPart, ...]


class Program(Protocol):
    """All enabled rules over one source, ready to run. ``rules[i]`` is the rule with index ``i``.

    ``decode`` gives an opaque event with the attributes ``event_time``, ``event_id`` and ``tenant`` as they stood in
    the payload (``msgspec.UNSET`` where missing, None where null), cheap to read; everything else goes through
    the methods. Nothing here keeps state.
    """

    rules: tuple[Rule, ...]

    def decode(self, raw: bytes) -> Any:
        """Raises ValueError (with subclasses such as msgspec.DecodeError, UnicodeDecodeError) or RecursionError."""

    def match(self, event: Any) -> tuple[int, ...] | None:
        """Indexes of the rules whose ``where`` holds, ascending; None for none. Time gates are not looked at."""

    def match_one(self, index: int, event: Any) -> bool:
        """Whether one rule's ``where`` holds: what tells which rule raised when ``match`` did."""

    def key(self, index: int, event: Any) -> Key | None:
        """The rule's key without the tenant; None where a part is missing or null (policy "skip") or not a scalar."""

    def values(self, index: int, event: Any) -> tuple[Any, ...]:
        """The values of ``rule.detect.fields()``: UNSET where missing, None where null."""

    def document(self, raw: bytes) -> dict[str, Any]:
        """The whole envelope, mapped; only called for what fires. Raises as ``decode`` does."""
