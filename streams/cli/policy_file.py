"""A policy in a file, with everything that is wrong with it told by file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.alerts.policy import Policy, parse_policy
from streams.config.document import read
from streams.errors import ConfigError
from streams.replay.routes.checks import dotted, policy_in

_SECTION = "policy"
_PREFIX = "policy: "
#: Where one problem ends and the next begins; what is said of one may hold a semicolon of its own.
_NEXT = re.compile(r"; (?=(?:route |unknown key |[a-z_]+(?:[.\[][^ ]*)?: ))")


def policy_file(path: Path) -> tuple[dict[str, Any], Policy]:
    """The document, and the policy that it is: the whole file, or the section ``policy`` of a configuration.

    Raises ConfigError with file and line of each problem.
    """
    document = policy_in(path)
    try:
        return document, parse_policy(document)
    except ConfigError as error:
        raise ConfigError(_located(path, document, error.message), error.hint) from None


def _located(path: Path, document: Mapping[str, Any], message: str) -> str:
    whole = read(path)
    root = _SECTION if whole.content is not document and whole.content != document else ""
    if not message.startswith(_PREFIX):
        return f"{whole.place(root)}: {message}"
    lines = []
    for problem in _NEXT.split(message.removeprefix(_PREFIX)):
        where = _path(document, problem)
        lines.append(f"{whole.place('.'.join(filter(None, (root, where))))}: {problem}")
    return "\n  ".join(lines)


def _path(document: Mapping[str, Any], problem: str) -> str:
    """Where in the document a problem is, as ``Document.place`` takes it."""
    if found := re.match(r"unknown key '([^']*)'", problem):
        return found[1]
    head = problem.partition(": ")[0]
    if head.startswith("route "):
        return _node(document, head.removeprefix("route ").split("/"))
    if found := re.fullmatch(r"receivers\.(.*)", head):
        names = [one.get("name") for one in document.get("receivers", ()) if isinstance(one, Mapping)]
        return f"receivers[{names.index(found[1])}]" if found[1] in names else "receivers"
    return dotted(head)


def _node(document: Mapping[str, Any], names: list[str]) -> str:
    """A node of the tree, by the names on the way to it; as far as they are written out."""
    where, node = "route", document.get("route")
    for name in names[1:]:
        children = node.get("routes", ()) if isinstance(node, Mapping) else ()
        place = next(
            (n for n, one in enumerate(children) if isinstance(one, Mapping) and one.get("name") == name), None
        )
        if place is None:
            return where
        where, node = f"{where}.routes[{place}]", children[place]
    return where
