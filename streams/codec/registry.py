"""Mappings by name, and from files."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import yaml

from streams.codec.cloudtrail import cloudtrail
from streams.codec.mapping import Mapping, MappingErrors, parse_mapping
from streams.errors import ConfigError

Apply = Callable[[bytes], dict[str, Any]]

#: The mappings that come with Tocsin. None: the payload is the envelope.
MAPPINGS: dict[str, Apply | None] = {
    "json": None,
    "cloudtrail": cloudtrail,
}
_LARGEST = 1_000_000


def mapping_named_or_file(text: str) -> Apply | None:
    """The mapping called ``text``, or the one in the YAML file at that path; None for native JSON.

    Raises ConfigError with all problems of the file, each with its line, or with the names there are.
    """
    if text in MAPPINGS:
        return MAPPINGS[text]
    path = Path(text)
    if not text.strip() or not (path.exists() or path.is_symlink()):
        near = get_close_matches(text, MAPPINGS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(MAPPINGS)}; or give the path of a file"
        raise ConfigError(f"there is no mapping and no file called {text!r}", hint)
    return _from_file(path)


def _from_file(path: Path) -> Mapping:
    try:
        if path.is_file() and path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path}: is larger than {_LARGEST} bytes", "a mapping is a short YAML file")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        node, twice = _compose(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}{line}: is not YAML: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    lines = _lines(node)

    def place(at: str) -> str:
        # Of `event_time.format` the line of the deepest part the file has.
        while at not in lines and "." in at:
            at = at.rpartition(".")[0]
        return f"{path}:{lines.get(at, 1)}: "

    problems = [(name, "is there twice") for name in twice]
    try:
        mapping = parse_mapping(_construct(node, path))
    except MappingErrors as errors:
        raise MappingErrors([*problems, *errors.problems], place) from None
    if problems:
        raise MappingErrors(problems, place)
    return mapping


def _compose(text: str) -> tuple[yaml.Node | None, list[str]]:
    """The document's tree, and the top-level names that are there more than once. Aliases are refused."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            mark = cast("yaml.error.Mark | None", event.start_mark)
            raise yaml.MarkedYAMLError(problem="aliases are not used in mappings", problem_mark=mark)
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    names = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    return node, sorted({name for name in names if isinstance(name, str) and names.count(name) > 1})


def _lines(node: yaml.Node | None, above: str = "") -> dict[str, int]:
    """Line by path, two levels deep: all that problems speak of."""
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        at = f"{above}{key.value}"
        lines[at] = key.start_mark.line + 1
        if not above:
            lines.update(_lines(value, f"{at}."))
    return lines


def _construct(node: yaml.Node | None, path: Path) -> Any:
    if node is None:
        return None
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None) or node.start_mark
        raise ConfigError(f"{path}:{mark.line + 1}: {getattr(error, 'problem', None) or error}") from None
    finally:
        loader.dispose()
