"""A detector to imitate: so many values in a row, each larger than the one before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found


class Rising:
    """Settings: ``field``, ``length``. Fires at each value that ends ``length`` rises in a row; a fall clears."""

    keeps = "1d"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._field, self._length = str(settings["field"]), int(settings["length"])
        self.fields: Sequence[str] = (self._field,)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        value = event.fields.get(self._field)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return state, ()
        last, rises = state or (value, 0)
        if value > last:
            found = Found(rises + 1, self._length, detail={"from": last, "to": value})
            return [value, rises + 1], [found] if rises + 1 >= self._length else []
        ended = rises >= self._length
        return [value, 0], [Found(0, self._length, clear=True)] if ended else []
