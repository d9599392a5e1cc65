"""The numbers that the keys of one rule measure, for dashboards: so many, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streams.state.detect.keys import Row, key_at, values_of
from streams.state.shelf import Shelf


class Series:
    """By tenant and key. ``unshown``: steps of keys beyond the number of series there may be."""

    def __init__(self) -> None:
        self.unshown = 0
        self._values: dict[tuple[str, Row], float] = {}

    def show(self, tenant: str, row: Row, value: float | None, most: int) -> None:
        """Note a key's number, where there are no more than ``most``; None: it has none."""
        if value is None:
            self._values.pop((tenant, row), None)
        elif len(self._values) < most or (tenant, row) in self._values:
            self._values[tenant, row] = value
        else:
            self.unshown += 1

    def shown(self, shelves: Mapping[str, Shelf]) -> Iterator[tuple[str, tuple[Any, ...], float]]:
        """The numbers, with tenant and key; those of keys that are gone are forgotten."""
        for (tenant, row), value in list(self._values.items()):
            if tenant in shelves and row in shelves[tenant].rows:
                yield tenant, values_of(key_at(row)), value
            else:
                del self._values[tenant, row]
