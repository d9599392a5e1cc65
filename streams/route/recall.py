"""What follows from a few labels of an alert, worked out once for each combination of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from streams.route.matchers import Labelled
from streams.route.tree import Route, Way, ways

T = TypeVar("T")
MOST: Final = 10_000  #: combinations remembered; then it begins anew
LONGEST: Final = 1_000  #: characters of a combination that is worth remembering


class Recall(Generic[T]):
    """``of(subject)``, which must be a pure function of the labels at ``paths``. What it gives must not be changed."""

    def __init__(self, paths: Iterable[str], of: Callable[[Labelled], T]) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self._of = of
        self._known: dict[tuple[str | tuple[str, ...], ...], T] = {}

    def __call__(self, subject: Labelled) -> T:
        key = tuple(map(subject.label, self._paths))
        found = self._known.get(key)
        if found is None:
            found = self._of(subject)
            if _size(key) <= LONGEST:
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[key] = found
        return found


def routing(root: Route) -> Recall[list[Way]]:
    """``ways`` through one tree."""
    return Recall((matcher.path for node in root.nodes() for matcher in node.matchers), lambda one: ways(root, one))


def _size(key: tuple[str | tuple[str, ...], ...]) -> int:
    return sum(len(one) if isinstance(one, str) else sum(map(len, one)) for one in key)
