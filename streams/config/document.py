"""A YAML file as a document that knows its lines. Hostile files (aliases, depth, size, doubled keys) are problems."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from streams.errors import ConfigError
from streams.rules.problems import Problem

_LARGEST = 1_000_000  # bytes
_DEEPEST = 50


class Document:
    """``content`` as plain values; ``place("sources.audit.topic")`` tells file and line of a path in it."""

    def __init__(self, file: str, content: Any, lines: dict[str, int], problems: list[Problem]) -> None:
        self.file, self.content, self.problems = file, content, problems
        self._lines = lines

    def place(self, path: str) -> str:
        """``file:line`` of the deepest part of ``path`` that is there; ``defaults`` without a file."""
        if not self.file:
            return "defaults"
        while path not in self._lines and path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return f"{self.file}:{self._lines.get(path, 1)}"


def read(path: Path) -> Document:
    """Read a file. Raises ConfigError where it is no readable YAML; what is odd but readable is in ``problems``."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", "give another one with --config") from None
    if len(raw) > _LARGEST:
        raise ConfigError(f"{path}: is larger than {_LARGEST} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})") from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Document:
    """Like ``read``, of text; ``file`` names it in problems."""
    try:
        _refuse_bombs(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = None
        if node is not None:
            loader = yaml.SafeLoader("")
            content = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise ConfigError(f"{where}: {error.problem or 'is not YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is not YAML: {str(error).splitlines()[0] if str(error) else 'too deep'}") from None
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    for at, line, twice in _walk(node, ""):
        lines.setdefault(at, line)
        if twice:
            problems.append(Problem(f"{file}:{line}", at, f"is there twice (first on line {lines[at]})"))
    return Document(file, content, lines, problems)


def _refuse_bombs(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            mark = cast("yaml.error.Mark | None", event.start_mark)
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                mark = cast("yaml.error.Mark | None", event.start_mark)
                raise yaml.MarkedYAMLError(problem="is nested too deeply", problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _walk(node: yaml.Node | None, path: str) -> Iterator[tuple[str, int, bool]]:
    """(path, line, whether its key was there before) of everything in the tree."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            at = f"{path}.{name}" if path else name
            yield at, key.start_mark.line + 1, name in seen
            seen.add(name)
            yield from _walk(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            at = f"{path}[{number}]"
            yield at, item.start_mark.line + 1, False
            yield from _walk(item, at)
