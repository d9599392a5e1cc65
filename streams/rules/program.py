"""What DETECT asks of the rules over one source. Two implementations, held equal: plain (the oracle) and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from streams.rules.rule import Arm

#: A key: canonical, hashable and typed. Strings stand as themselves; any other scalar as ("i", 5), ("f", 1.5),
#: ("b", True) or ("n", None), so that 1, True, 1.0-as-float and "1" never collide. Integral floats become integers.
KeyPart = str | tuple[str, Any]
Key = tuple[KeyPart, ...]


class Program(Protocol):
    """All ways from one source into enabled rules, ready to run. ``arms[i]`` is the one with index ``i``.

    ``decode`` gives an opaque event with the attributes ``event_time``, ``event_id`` and ``tenant`` as they stood in
    the payload (``msgspec.UNSET`` where missing, None where null), cheap to read; everything else goes through
    the methods. Nothing here keeps state.
    """

    arms: tuple[Arm, ...]

    def decode(self, raw: bytes) -> Any:
        """Raises ValueError (with subclasses such as msgspec.DecodeError, UnicodeDecodeError) or RecursionError."""

    def match(self, event: Any) -> tuple[int, ...] | None:
        """Indexes of the arms whose ``where`` holds, ascending; None for none. Time gates are not looked at."""

    def match_one(self, index: int, event: Any) -> bool:
        """Whether one arm's ``where`` holds: what tells which rule raised when ``match`` did."""

    def key(self, index: int) -> Callable[[Any], Key | None]:
        """What reads an arm's key, without the tenant; it gives None where a part is missing or null (policy "skip")
        or not a scalar.
        """

    def row(self, index: int) -> Callable[[Any], str | Key | None]:
        """As ``key``, but a key of one part that is text is that text."""

    def values(self, index: int) -> Callable[[Any], tuple[Any, ...]]:
        """What reads the values of ``rule.detect.fields()``, then of ``rule.captures``: UNSET where missing, None
        where null.
        """

    def document(self, raw: bytes) -> dict[str, Any]:
        """The whole envelope, mapped; only called for what fires. Raises as ``decode`` does."""
