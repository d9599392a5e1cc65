"""Users' own words for titles and bodies: jinja2 without anything that could reach out, grow or run for long.

A template sees ``alert``, ``notification``, ``group``, ``title``, ``text`` and ``reason`` as plain data. It has ``if``,
``for`` (two deep, 200 turns each) and the filters of ``FILTERS``; no calls, no assignments, no imports, no arithmetic
that multiplies text. What it prints is escaped for the vendor; what stands around it is the user's own markup.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import msgspec
from jinja2 import nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import SandboxedEnvironment

from connectors.clip import Escape, as_json, clean
from streams.model import Alert, Notification
from streams.model.notification import Group

LONGEST_SOURCE = 16_384
_LONGEST_TEXT = 65_536  # of the outcome, and of everything on the way to it
_MOST_TURNS = 200
_DEEPEST_LOOP = 2
_SECONDS = 0.25
_NAMES: Mapping[str, frozenset[str] | None] = {
    "alert": frozenset(Alert.__struct_fields__),
    "notification": frozenset(Notification.__struct_fields__) - {"alert", "group"},
    "group": frozenset(Group.__struct_fields__),
    "title": None, "text": None, "reason": None,
}  # fmt: skip
_LOOP = frozenset({"index", "index0", "revindex", "first", "last", "length"})
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.NSRef, nodes.Const, nodes.List, nodes.Tuple,
    nodes.If, nodes.For, nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Neg, nodes.Slice,
    nodes.Keyword,
)  # fmt: skip


class TemplateProblem(ValueError):
    """``line`` of the template, from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


class _TooMuch(Exception):
    """It grew or ran beyond its bounds."""


def _items(value: object) -> list[Any]:
    """What a loop may go over: lists, and the names of mappings; not the letters of a text."""
    if not isinstance(value, (list, tuple, dict)):
        raise _TooMuch(f"a loop goes over lists and mappings, not over {type(value).__name__}")
    return list(value)[:_MOST_TURNS]


def _join(value: Iterable[Any], between: str = "") -> str:
    parts = [str(part) for part in _items(value)]
    if sum(map(len, parts)) + len(str(between)) * len(parts) > _LONGEST_TEXT:
        raise _TooMuch("join makes a text that is too long")
    return str(between).join(parts)


def _replace(value: object, old: str, new: str) -> str:
    text = str(value)
    if not old or len(text) + text.count(old) * len(new) > _LONGEST_TEXT:
        raise _TooMuch("replace makes a text that is too long")
    return text.replace(old, new)


class _Json(str):
    """JSON that ``tojson`` made and nothing has touched since: it stands as it is where the template makes JSON."""

    __slots__ = ()


def _json(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    if len(text) > _LONGEST_TEXT:
        raise _TooMuch("tojson makes a text that is too long")
    return _Json(text)


_taken = ("default", "d", "upper", "lower", "capitalize", "title", "trim", "length", "count", "first", "last", "int",
          "float", "round", "abs", "string", "sort", "unique", "reverse", "truncate", "dictsort")  # fmt: skip


def _capped(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        found = function(*given, **named)
        if isinstance(found, str) and len(found) > _LONGEST_TEXT:
            raise _TooMuch("a filter makes a text that is too long")
        return found

    call.__dict__.update(getattr(function, "__dict__", {}))  # jinja marks those that want its environment there
    return call


FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _capped(jinja2.filters.FILTERS[name]) for name in _taken},
    "join": _join, "replace": _replace, "tojson": _json, "items": lambda value: _items(list(value.items())),
    "bounded": _items,
}  # fmt: skip
_TESTS = ("defined", "undefined", "none", "string", "number", "mapping", "in", "eq", "ne", "lt", "gt", "le", "ge")


class _Sandbox(SandboxedEnvironment):
    """Names lead into data only: no attribute of a Python object is ever read."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, LoopContext) and argument in _LOOP:
            return getattr(obj, argument)
        if isinstance(obj, jinja2.Undefined):
            return obj[argument]  # raises, naming what is missing
        try:
            if isinstance(obj, dict) or (isinstance(obj, (list, tuple, str)) and isinstance(argument, (int, slice))):
                return obj[argument]
        except (LookupError, TypeError, ValueError):
            pass
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        return False


def _sandbox(escape: Escape) -> _Sandbox:
    def show(value: object) -> str:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises, naming what is missing
        if value is not None and not isinstance(value, (str, int, float, list, tuple, dict)):
            raise _TooMuch(f"a {type(value).__name__} cannot be shown")
        if isinstance(value, _Json) and escape is as_json:
            return str(value)
        return "" if value is None else escape(clean(value, _LONGEST_TEXT))

    env = _Sandbox(undefined=jinja2.StrictUndefined, autoescape=False, finalize=show, keep_trailing_newline=False)
    env.trim_blocks = env.lstrip_blocks = True
    env.globals.clear()
    env.filters = dict(FILTERS)
    env.tests = {name: jinja2.tests.TESTS[name] for name in _TESTS}
    return env


@dataclass(frozen=True, slots=True)
class Template:
    """Compiled. ``render`` raises TemplateFailed and nothing else."""

    compiled: jinja2.Template

    def render(self, data: Mapping[str, Any]) -> str:
        end, parts, total = time.monotonic() + _SECONDS, [], 0
        try:
            for part in self.compiled.generate(data):
                parts.append(part)
                total += len(part)
                if total > _LONGEST_TEXT:
                    raise _TooMuch(f"more than {_LONGEST_TEXT} characters")
                if time.monotonic() > end:
                    raise _TooMuch(f"not done after {_SECONDS:g} s")
        except Exception as error:  # whatever a user's template does, somebody must be told of the alert
            raise TemplateFailed(clean(str(error) or type(error).__name__, 200)) from None
        return "".join(parts)


class TemplateFailed(Exception):
    """A template could not say anything about this alert."""


def compile_template(source: str, escape: Escape = str) -> Template:
    """Raises TemplateProblem with the line: broken syntax, what is not allowed, a name that is not there."""
    if len(source) > LONGEST_SOURCE:
        raise TemplateProblem(f"longer than {LONGEST_SOURCE} characters", 1)
    env = _sandbox(escape)
    try:
        tree = env.parse(source)
        _check(tree, frozenset(), 0)
        return Template(env.from_string(tree))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateProblem(error.message or "broken", error.lineno) from None
    except RecursionError:
        raise TemplateProblem("nested too deeply", 1) from None


def _check(node: nodes.Node, bound: frozenset[str], depth: int) -> None:
    """Only what is known to end; loops are wrapped so that they do."""
    line = getattr(node, "lineno", 1)
    if not isinstance(node, _ALLOWED):
        raise TemplateProblem(f"{type(node).__name__.lower()} is not allowed in a template", line)
    if isinstance(node, nodes.For):
        if depth >= _DEEPEST_LOOP or node.recursive:
            raise TemplateProblem(f"loops may stand {_DEEPEST_LOOP} deep, and not be recursive", line)
        _check(node.iter, bound, depth)
        node.iter = nodes.Filter(node.iter, "bounded", [], [], None, None, lineno=line, environment=node.environment)
        inside = bound | {"loop", *(name.name for name in node.target.find_all(nodes.Name))}
        if isinstance(node.target, nodes.Name):
            inside |= {node.target.name}
        for child in (*([node.test] if node.test else []), *node.body, *node.else_):
            _check(child, inside, depth + 1)
        return
    if isinstance(node, nodes.Filter) and node.node is None:
        raise TemplateProblem("filter blocks are not allowed in a template", line)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise TemplateProblem(f"there is no filter {node.name} (known: {', '.join(sorted(FILTERS))})", line)
    if isinstance(node, nodes.Name) and node.name not in bound and node.name not in _NAMES:
        raise TemplateProblem(f"there is no {node.name} (known: {', '.join(_NAMES)})", line)
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name not in bound:
        fields = _NAMES.get(node.node.name)
        if fields is not None and node.attr not in fields:
            raise TemplateProblem(f"{node.node.name} has no {node.attr}", line)
    for child in node.iter_child_nodes():
        _check(child, bound, depth)
