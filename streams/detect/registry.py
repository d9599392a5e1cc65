"""The kinds a rule's ``detect`` block may name. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from streams.detect.base import Kind, Option
from streams.detect.kinds import (
    absence,
    aggregate,
    change,
    count,
    distinct,
    forecast,
    group,
    level,
    match,
    new_value,
    python,
    ratio,
    sequence,
    spike,
)


class Module(Protocol):
    """What the file of a kind brings."""

    #: The first line of the module's docstring says in one sentence when the kind fires.
    __doc__: str | None

    @property
    def OPTIONS(self) -> tuple[Option, ...]:  # noqa: N802  # a constant of the module
        """Every name that ``parse`` knows, in the order of the reference page."""

    @property
    def EXAMPLE(self) -> str:  # noqa: N802  # as above
        """A whole rule as YAML, with tests that are run; it stands on the reference page."""

    def parse(self, block: Mapping[str, Any], /) -> Kind:
        """The block of a rule file. Raises ``streams.rules.problems.BlockErrors``."""


MODULES: Final[Mapping[str, Module]] = {
    "match": match,
    "count": count,
    "distinct": distinct,
    "level": level,
    "absence": absence,
    "change": change,
    "new_value": new_value,
    "spike": spike,
    "python": python,
    "aggregate": aggregate,
    "ratio": ratio,
    "sequence": sequence,
    "group": group,
    "forecast": forecast,
}

KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Kind]]] = {
    name: module.parse for name, module in MODULES.items()
}
