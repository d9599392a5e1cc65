"""A rule file as a plain document with the line of every value. YAML 1.2's core, bounded, without surprises.

``yes``, ``no``, ``on`` and ``off`` are text, dates are text, ``1e5`` is a number and ``010`` is ten. Repeated keys,
anchors that multiply and tags are problems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from streams.rules.problems import Problem

MAX_BYTES = 256 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 64
_MAX_BRACKETS = 1_000  #: all of them inside each other are no danger yet
_MAX_HEX = 2 + 1_000  # digits; decimal ones are counted by Python

_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TAGGED = "has the tag {}, which means nothing here"

#: Dot path of a value -> its line, from 1.
Lines = dict[str, int]


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2's core schema."""


class _Quick(yaml.CSafeLoader):
    """The same by libyaml, in an eighth of the time; it may crash on what nests deeply, and says less of a fault."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Quick.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

#: What may nest deeply: flow collections, and lines that are indented far or begin many things.
_BRACKETS = re.compile(r"[\[\]{}]")
_DEEP_LINE = re.compile(r"^ {100}|^(?:[^\n?:-]*+[?:-]){100}", re.MULTILINE)
_ESCAPED = re.compile(r"\\[uUx]")  # may make characters that the two see with other eyes


class _Refused(Exception):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


#: What a rule file must hold, for the one that holds something else.
RULE = "holds no rule: a rule is a mapping that begins with its id"


def read_document(file: Path, otherwise: str = RULE) -> tuple[dict[str, Any], Lines, list[Problem]]:
    """The mapping in a YAML file, the lines of its values, and what keeps it from being read.

    ``otherwise`` is the problem of a file that holds no mapping.
    """
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        return {}, {}, [Problem(str(file), "", f"cannot be read: {error.strerror}")]
    if len(data) > MAX_BYTES:
        return {}, {}, [Problem(str(file), "", f"is larger than {MAX_BYTES // 1024} KiB")]
    try:
        return *parse_document(data, otherwise), []
    except _Refused as refused:
        return {}, {}, [Problem(f"{file}:{refused.line}", "", str(refused))]


def parse_document(data: bytes, otherwise: str = RULE) -> tuple[dict[str, Any], Lines]:
    """The mapping in YAML text and the lines of its values."""
    try:
        loader, node = _composed(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _Refused("is not UTF-8", data[: error.start].count(b"\n") + 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise _Refused(f"is not YAML: {what}", mark.line + 1 if mark else 1) from None
    except yaml.reader.ReaderError as error:
        raise _Refused(f"is not YAML: {error.reason} at character {error.position}", 1) from None
    except yaml.YAMLError as error:
        raise _Refused(f"is not YAML: {error}", 1) from None
    except RecursionError:
        raise _Refused(f"nests deeper than {MAX_DEPTH} levels", 1) from None
    if not isinstance(node, yaml.MappingNode):
        raise _Refused(otherwise, node.start_mark.line + 1 if node else 1)
    builder = _Builder(loader)
    value: dict[str, Any] = builder.build(node, "", 0)
    return value, builder.lines


def _composed(text: str) -> tuple[_Loader | _Quick, yaml.Node | None]:
    """The document's node, with what read it. Where the quick way does not go, the other one finds the words for it."""
    if _brackets(text) > _MAX_BRACKETS:  # and each of them takes the longer, the more are open
        raise _Refused(f"nests deeper than {MAX_DEPTH} levels", 1)
    if not _DEEP_LINE.search(text) and not _ESCAPED.search(text):
        quick = _Quick(text)
        try:
            return quick, quick.get_single_node()
        except yaml.YAMLError:
            pass
    loader = _Loader(text)
    return loader, loader.get_single_node()


def _brackets(text: str) -> int:
    """How many may be inside each other at most, those in texts and comments too."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


class _Builder:
    """Nodes to values. Counts what it builds, so that aliases cannot multiply without end."""

    def __init__(self, loader: _Loader | _Quick) -> None:
        self.lines: Lines = {}
        self._loader = loader
        self._built = 0

    def build(self, node: yaml.Node, path: str, depth: int) -> Any:
        line = node.start_mark.line + 1
        self._built += 1
        if self._built > MAX_NODES:
            raise _Refused(f"holds more than {MAX_NODES} values, counting every use of an anchor", line)
        if depth > MAX_DEPTH:
            raise _Refused(f"nests deeper than {MAX_DEPTH} levels", line)
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            raise _Refused(_TAGGED.format(node.tag[:60]), line)
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, f"{path}.{place}", depth + 1) for place, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _items(self, node: yaml.MappingNode, path: str, depth: int) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Refused("has a name that is no plain text", line)
            key = key_node.value
            if key in seen:
                raise _Refused(f"says '{key[:60]}' twice", line)
            seen.add(key)
            below = f"{path}.{key}" if path else key
            self.lines.setdefault(below, line)
            yield key, self.build(value_node, below, depth + 1)

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        text = node.value
        if not _is_unicode(text):
            raise _Refused("holds half of a surrogate pair", line)
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text, 16) if text.lower().startswith("0x") and len(text) <= _MAX_HEX else int(text)
            if kind == "float":
                return float(
                    text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan")
                )
        except ValueError:
            raise _Refused("holds a number that is too long", line) from None
        raise _Refused(_TAGGED.format(node.tag[:60]), line)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def line_of(lines: Lines, path: str) -> int:
    """The line of the value at a path, or of the nearest value around it; 1 where nothing is known."""
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return lines.get(path, 1)


def check_plain(value: Any) -> str | None:
    """Why a document that came in a record is none (depth, size, types, text that is no Unicode), or None."""
    built = 0
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        node, depth = waiting.pop()
        built += 1
        if depth > MAX_DEPTH:
            return f"nests deeper than {MAX_DEPTH} levels"
        if built > MAX_NODES:
            return f"holds more than {MAX_NODES} values"
        if isinstance(node, dict):
            waiting.extend((item, depth + 1) for pair in node.items() for item in pair)
            if not all(isinstance(key, str) for key in node):
                return "has a name that is no text"
        elif isinstance(node, list):
            waiting.extend((item, depth + 1) for item in node)
        elif isinstance(node, str):
            if not _is_unicode(node):
                return "holds half of a surrogate pair"
        elif node is not None and not isinstance(node, (bool, int, float)):
            return f"holds a {type(node).__name__}"
    return None
