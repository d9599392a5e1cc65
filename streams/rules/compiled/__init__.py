"""The program that runs: projection decode, rule index, generated matchers. Held equal to ``streams.rules.plain``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from streams.model import Source
from streams.rules.compiled.generate import Generator
from streams.rules.compiled.projection import Projection
from streams.rules.compiled.row import readers_of
from streams.rules.plain import documents
from streams.rules.program import Key
from streams.rules.rule import Arm, RuleSet
from streams.rules.values import normal

__all__ = ["CompiledProgram", "compiled"]


class CompiledProgram:
    """See ``streams.rules.program.Program``. ``source_code`` is the generated text; ``decode`` and ``match`` are
    functions, not methods, so that a loop over events pays for nothing else.
    """

    def __init__(self, arms: tuple[Arm, ...], source: Source) -> None:
        self.arms = arms
        self.document = documents(source)
        paths = dict.fromkeys(path for arm in arms for path in _paths(arm))
        projection = Projection(paths)
        generator = Generator(arms, projection)
        functions = generator.run(source.name)
        self.source_code = generator.source_code
        self.match = functions["match"]
        self.decode = projection.decoder() if source.mapping is None else self._mapped(projection)
        self._keys = [functions[name] for name in generator.keys]
        self._rows = [functions[name] for name in generator.rows]
        self._values = _read_once(generator.values, functions)
        self._readers = readers_of(projection, list(paths))

    def _mapped(self, projection: Projection) -> Any:
        document, project = self.document, projection.project()
        return lambda raw: project(document(raw))

    def match_one(self, index: int, event: Any) -> bool:
        readers = self._readers
        return self.arms[index].where.holds(lambda path: normal(readers[path](event)))

    def key(self, index: int) -> Callable[[Any], Key | None]:
        key: Callable[[Any], Key | None] = self._keys[index]
        return key

    def row(self, index: int) -> Callable[[Any], str | Key | None]:
        row: Callable[[Any], str | Key | None] = self._rows[index]
        return row

    def values(self, index: int) -> Callable[[Any], tuple[Any, ...]]:
        values: Callable[[Any], tuple[Any, ...]] = self._values[index]
        return values


def _read_once(names: list[str], functions: dict[str, Any]) -> list[Any]:
    """A reader for each arm; one that several arms share reads an event once for all of them."""
    times = Counter(names)
    readers = {name: functions[name] if times[name] == 1 else _once(functions[name]) for name in times}
    return [readers[name] for name in names]


def _once(values: Any) -> Any:
    seen: Any = None
    read: tuple[Any, ...] = ()

    def once(event: Any) -> tuple[Any, ...]:
        nonlocal seen, read
        if event is not seen:
            read, seen = values(event), event
        return read

    return once


def _paths(arm: Arm) -> list[str]:
    read = [path for leaf in arm.where.leaves() for path in leaf.paths]
    return [*read, *(path for part in arm.key for path in part.paths), *arm.rule.detect.fields(), *arm.rule.captures]


def compiled(ruleset: RuleSet, source: Source) -> CompiledProgram:
    """The compiled program over one source. Costs milliseconds; share it between partitions."""
    return CompiledProgram(ruleset.arms(source.name), source)
