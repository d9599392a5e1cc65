"""What the contract's tests prove: each property by its name, for every connector but those for which it says nothing.

``python -m tests.contract`` prints the table of it from a run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from connectors.base import Kind
from connectors.registry import CONNECTORS

F = TypeVar("F", bound=Callable[..., Any])

#: Property -> connector -> why there is nothing to prove.
EXEMPT: dict[str, dict[str, str]] = {
    "overload": {
        "console": "a file does not ask to wait",
        **dict.fromkeys(
            (name for name, one in CONNECTORS.items() if one.kind is Kind.STORAGE),
            "has no words for it: it is slow, or gone",
        ),
    },
    "refusal": {
        "console": "a file refuses nothing for good",
        **dict.fromkeys(
            (name for name, one in CONNECTORS.items() if one.kind is Kind.STORAGE),
            "storage waits for its server for ever; what no column holds is under calendar",
        ),
    },
    "silence": {"archive": "a folder does not keep silent"},
    "noise": dict.fromkeys(("console", "sqlite", "archive"), "a file says nothing"),
    "secrets": dict.fromkeys(("console", "sqlite", "archive"), "has none"),
    "preview": {name: "storage has none" for name, one in CONNECTORS.items() if one.kind is Kind.STORAGE},
}


def proves(name: str) -> Callable[[F], F]:
    """The test proves the property ``name`` of the connector ``type_``, which it is given."""
    types = [type_ for type_ in sorted(CONNECTORS) if type_ not in EXEMPT.get(name, {})]

    def mark(test: F) -> F:
        test.proves = name  # type: ignore[attr-defined]
        marked: F = pytest.mark.parametrize("type_", types)(test)
        return marked

    return mark
