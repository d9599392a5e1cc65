"""Which rows of a batch are the newest of their alert. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any


def newest_last(rows: Iterable[tuple[Any, ...]], version: int) -> list[tuple[Any, ...]]:
    """Rows by id (the first column) and version (column number ``version``), each once and with a last column more:
    whether it is the newest of its alert here.
    """
    found: list[tuple[Any, ...]] = []
    after: tuple[Any, ...] | None = None
    for row in sorted(rows, key=itemgetter(0, version), reverse=True):
        if after is None or row[0] != after[0]:
            found.append((*row, True))
        elif row[version] != after[version]:
            found.append((*row, False))
        after = row
    found.reverse()
    return found
