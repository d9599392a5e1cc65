"""Inhibition, and suppression by a dependency that is down: an alert that stands hides others that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from streams.route.matchers import Labelled, Matcher, all_hold, parse_matchers
from streams.route.recall import Recall
from streams.rules.block import Block, items, texts

INHIBITION, DEPENDENCY = "inhibition", "dependency"
_MOST_LOOKED_AT = 10_000  #: alerts, to find a ring
#: (tenant, number of the inhibition, the values that must agree)
Place = tuple[str, int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert stands for which ``source`` holds, those for which ``target`` holds are told to nobody, if the
    labels of ``equal`` are there on both and the same. An alert never hides itself.
    """

    name: str
    stage: str  #: ``INHIBITION``, or ``DEPENDENCY`` where the source is a declared parent
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()

    def values(self, subject: Labelled) -> tuple[str, ...] | None:
        """The labels that must agree; None where one is missing, so that nothing agrees with it."""
        values = tuple(_joined(subject.label(path)) for path in self.equal)
        return values if all(values) else None


class Standing:
    """The open alerts that may hide others, by tenant, inhibition and the values that must agree.

    What hides in a ring (two alerts that inhibit each other, or three in turn) must not hide all of it for ever: in a
    ring the older is never hidden by the younger. So of every ring one alert is told.
    """

    def __init__(self, inhibitions: Sequence[Inhibition] = ()) -> None:
        self.inhibitions = tuple(inhibitions)
        self._by: dict[Place, dict[str, None]] = defaultdict(dict)
        self._of: dict[str, list[Place]] = {}
        self._under: dict[str, list[Place]] = {}  #: where an alert that may hide others may itself be hidden
        self._since: dict[str, int] = {}
        self._sources = _agreeing([(one.source, one) for one in self.inhibitions])
        self._targets = _agreeing([(one.target, one) for one in self.inhibitions])
        self._fields = tuple(dict.fromkeys(path.partition(".")[0] for path in self.paths))

    @property
    def paths(self) -> tuple[str, ...]:
        """The labels that say what an alert hides, and by what it is hidden."""
        return tuple(
            path
            for one in self.inhibitions
            for path in (*(matcher.path for matcher in (*one.source, *one.target)), *one.equal)
        )

    def is_same(self, before: object, after: object) -> bool:
        """Whether two versions of an alert have the very same in every field that counts here."""
        return all(getattr(before, name, None) is getattr(after, name, None) for name in self._fields)

    def __contains__(self, identity: str) -> bool:
        """Whether an alert may hide others."""
        return identity in self._of

    def put(self, identity: str, tenant: str, subject: Labelled | None, since: int = 0) -> bool:
        """Take an alert as it stands now (None: it is closed or gone), opened at ``since``, ms. Whether it hides less
        than before.
        """
        before = self._of.pop(identity, [])
        after: list[Place] = []
        if subject is not None:
            after = [(tenant, number, values) for number, values in self._sources(subject)]
        for place in before:
            if place not in after:
                del self._by[place][identity]
                if not self._by[place]:
                    del self._by[place]
        for place in after:
            self._by[place][identity] = None
        if after and subject is not None:
            self._of[identity], self._since[identity] = after, since
            self._under[identity] = list(self._places(tenant, subject))
        elif before:
            del self._under[identity], self._since[identity]
        return any(place not in after for place in before)

    def hides(self, identity: str, tenant: str, subject: Labelled) -> tuple[Inhibition, str] | None:
        """The first inhibition that hides the alert, and the id of the alert that does it."""
        for place in self._places(tenant, subject):
            for other in sorted(self._by.get(place, ()), key=self._age):  # an order that no restart changes
                if other != identity and not (self._is_older(identity, other) and self._reaches(identity, other)):
                    return self.inhibitions[place[1]], other
        return None

    def _places(self, tenant: str, subject: Labelled) -> Iterator[Place]:
        """Where it may be hidden."""
        return ((tenant, number, values) for number, values in self._targets(subject))

    def _age(self, identity: str) -> tuple[int, str]:
        return self._since[identity], identity

    def _is_older(self, one: str, other: str) -> bool:
        return one in self._since and self._age(one) < self._age(other)

    def _reaches(self, one: str, other: str) -> bool:
        """Whether ``one`` hides ``other``, be it by way of others; said to where that takes too many to tell."""
        seen, waiting = {other}, [other]
        while waiting:
            for place in self._under.get(waiting.pop(), ()):
                hiding = self._by.get(place, {})
                if one in hiding or len(seen) + len(hiding) > _MOST_LOOKED_AT:
                    return True
                waiting += hiding.keys() - seen
                seen |= hiding.keys()
        return False


def _agreeing(
    sides: Sequence[tuple[tuple[Matcher, ...], Inhibition]],
) -> Recall[list[tuple[int, tuple[str, ...]]]]:
    """Of a subject: the inhibitions, by number, of which one side holds, with the values that must agree."""

    def of(subject: Labelled) -> list[tuple[int, tuple[str, ...]]]:
        return [
            (number, values)
            for number, (side, inhibition) in enumerate(sides)
            if all_hold(side, subject) and (values := inhibition.values(subject)) is not None
        ]

    paths = [path for side, one in sides for path in (*(matcher.path for matcher in side), *one.equal)]
    return Recall(paths, of)


def parse_inhibitions(raw: Any) -> tuple[Inhibition, ...]:
    """``[{name, source, target, equal}]``. Raises BlockErrors with all problems."""
    return _each(raw, INHIBITION, "source", "target")


def parse_dependencies(raw: Any) -> tuple[Inhibition, ...]:
    """``[{name, parent, child, equal}]``: alerts of the parent that stand mean that it is down. Raises BlockErrors."""
    return _each(raw, DEPENDENCY, "parent", "child")


def _each(raw: Any, stage: str, source: str, target: str) -> tuple[Inhibition, ...]:
    numbers = count(1)

    def inhibition(item: Any) -> Inhibition:
        block, number = Block(item), next(numbers)
        one = Inhibition(
            name=block.text("name", f"{stage}-{number}"),
            stage=stage,
            source=block.read(source, parse_matchers),
            target=block.read(target, parse_matchers),
            equal=block.read("equal", texts, ()),
        )
        if one.source == () or one.target == ():
            block.problem("", f"needs matchers in {source} and in {target}: without them everything hides everything")
        block.check()
        return one

    return items(raw, inhibition)


def _joined(value: str | tuple[str, ...]) -> str:
    return ",".join(value) if isinstance(value, tuple) else value
