"""``tocsin`` with one more kind of rule, whose step raises: ``python -m tests.integration.raising ARGUMENTS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.detect import registry
from streams.detect.base import Moment
from streams.detect.kinds.count import Count, Counting
from streams.detect.kinds.count import parse as parse_count
from streams.rules.rule import Ladder


@dataclass(frozen=True, slots=True)
class Raising(Count):
    """Counts as ``count`` does, and raises when it is nearly done."""

    @property
    def name(self) -> str:
        return "raising"

    def detector(self, ladder: Ladder) -> Counting:
        class Detector(Counting):
            def step(self, state: Any, moment: Moment) -> Any:
                super().step(state, moment)
                raise ZeroDivisionError("of the test")

        return Detector(self, 2)


def parse(block: Mapping[str, Any]) -> Raising:
    found = parse_count(block)
    return Raising(**{name: getattr(found, name) for name in found.__dataclass_fields__})


if __name__ == "__main__":
    registry.KINDS["raising"] = parse  # type: ignore[index]  # what nobody but a test should do
    from streams.cli import main

    main()
