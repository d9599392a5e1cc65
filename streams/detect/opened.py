"""States of detectors as objects, for as long as they are likely to be asked for again: reading them is dear."""

from __future__ import annotations

from typing import Any

import msgspec

#: A shorter text is read faster than it is found.
_WORTH_IT = 100
#: Characters of all texts together, of one rule: an object takes about ten times as much memory.
_MOST = 400_000

_decode = msgspec.json.Decoder().decode


class Opened:
    """What was written last, beside its texts. A text is known by its identity: states keep the one they were given."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, Any]] = {}  # by id; the text is held, so that no other can get its id
        self._size = 0

    def take(self, text: str) -> Any:
        """What the text says. It is handed out once: whoever takes it may change it."""
        known = self._known.pop(id(text), None)
        if known is None:
            return _decode(text)
        self._size -= len(text)
        return known[1]

    def give(self, text: str, state: Any) -> None:
        """Keep what ``text`` was written of, or read from. The oldest go where it is too much."""
        if len(text) < _WORTH_IT:
            return
        known = self._known
        if id(text) in known:
            return
        known[id(text)] = text, state
        self._size += len(text)
        while self._size > _MOST:
            gone, _ = known.pop(next(iter(known)))
            self._size -= len(gone)
