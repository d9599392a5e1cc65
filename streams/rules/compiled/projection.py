"""The fields that rules read, as a generated struct: what nobody reads is checked and skipped.

A field that some rule reads whole is whatever the payload has; a field only read through is a struct of its own where
the payload has an object. Names of users only ever become encoded names, never Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET

from streams.model.decode import UNCHECKED, check_depth, decode_full
from streams.rules.values import walk

#: Read for every event, under their own names.
ENVELOPE = ("event_time", "event_id", "tenant")

# An integer out of these bounds fails the fast decode, and the full one makes text of it where it must.
_NOT_AN_OBJECT = None | bool | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | str | list[Any]
_WHOLE = _NOT_AN_OBJECT | dict[str, Any]


class _Node:
    """One field; ``whole`` where somebody reads it as such. Children are fields below it."""

    def __init__(self) -> None:
        self.whole = False
        self.children: dict[str, _Node] = {}
        self.attributes: dict[str, str] = {}
        self.struct: type = object


class Projection:
    """A struct for a set of dot paths, and the Python text that reads each path from it."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.names: dict[str, Any] = {"UNSET": UNSET, "walk": walk}  #: what ``source`` refers to
        self._structs = 0
        self._root = _Node()
        for path in (*ENVELOPE, *paths):
            node = self._root
            for segment in path.split("."):
                node = node.children.setdefault(segment, _Node())
            node.whole = True
        self._build(self._root)
        self.struct: type = self._root.struct

    def _build(self, node: _Node) -> None:
        fields: list[tuple[str, Any, Any]] = []
        encoded: dict[str, str] = {}
        for place, (name, child) in enumerate(sorted(node.children.items())):
            attribute = name if node is self._root and name in ENVELOPE else f"f{place}"
            node.attributes[name] = attribute
            encoded[attribute] = name
            if child.whole:
                fields.append((attribute, _WHOLE, UNSET))
            else:
                self._build(child)
                fields.append((attribute, child.struct | _NOT_AN_OBJECT, UNSET))
        struct = f"S{self._structs}"
        self._structs += 1
        node.struct = msgspec.defstruct(struct, fields, rename=encoded, gc=False)
        self.names[struct] = node.struct

    def source(self, path: str) -> str:
        """An expression over the event ``e`` that gives the value at ``path``, UNSET where it is missing.

        Inside lists and objects, integers beyond 64 bits are still integers there. Assigns the local ``n``.
        """
        node, text = self._root, ""
        segments = path.split(".")
        for place, segment in enumerate(segments):
            attribute, child = node.attributes[segment], node.children[segment]
            if node is self._root:
                text = f"e.{attribute}"
            else:
                text = f"(n.{attribute} if (n := {text}).__class__ is {node.struct.__name__} else UNSET)"
            if child.whole:
                rest = segments[place + 1 :]
                if not rest:
                    return text
                constant = f"P{len(self.names)}"
                self.names[constant] = tuple(rest)
                return f"walk({text}, {constant})"
            node = child
        raise KeyError(path)

    def project(self) -> Callable[[dict[str, Any]], Any]:
        """A function from a whole document to the struct."""
        return _projector(self._root)

    def decoder(self) -> Callable[[bytes], Any]:
        """A function from a payload to the struct; refuses exactly what ``decode_full`` refuses."""
        fast: Callable[[bytes], Any] = msgspec.json.Decoder(self.struct).decode
        project = self.project()

        def decode(raw: bytes) -> Any:
            try:
                if not raw.isascii():
                    raw.decode()  # skipped text is not looked at otherwise
                if len(raw) > UNCHECKED:
                    check_depth(raw)
                return fast(raw)
            except ValueError:
                # Mostly refused again, in the same words whoever reads it; a number beyond 64 bits becomes text.
                return project(decode_full(raw))

        return decode


def _projector(node: _Node) -> Callable[[dict[str, Any]], Any]:
    struct = node.struct
    fields = [(name, None if child.whole else _projector(child)) for name, child in sorted(node.children.items())]

    def project(document: dict[str, Any]) -> Any:
        values = []
        for name, below in fields:
            value = document.get(name, UNSET)
            values.append(below(value) if below is not None and type(value) is dict else value)
        return struct(*values)

    return project
