"""From the ``where`` of a rule file to a condition tree: shorthands resolved, every problem with its path."""

from __future__ import annotations

from typing import Any

from streams.rules.comparing import OtherField
from streams.rules.conditions import ALWAYS, All, AnyOf, Condition, Leaf, Not, leaf
from streams.rules.durations import shown
from streams.rules.operators import OPERATORS, WITH_CASE, canonical
from streams.rules.option import Option
from streams.rules.problems import BlockErrors, did_you_mean
from streams.rules.values import path_problem

MAX_DEPTH = 16
MAX_LEAVES = 1_000

#: What stands beside fields, for the reference page.
GROUP_OPTIONS = (
    Option("all", "conditions", "", "a list of such mappings, all of which must hold"),
    Option("any", "conditions", "", "a list of such mappings, one of which must hold"),
    Option("not", "condition", "", "a mapping that must not hold, be it for want of a field"),
)
#: What stands beside the operators of a field.
MODIFIER_OPTIONS = (
    Option("case_sensitive", "flag", "true", "`false` folds the case of text"),
    Option("if_missing", "flag", "false", "whether the field's operators hold where it is missing"),
)
_GROUPS = tuple(option.name for option in GROUP_OPTIONS)
_MODIFIERS = tuple(option.name for option in MODIFIER_OPTIONS)


def parse_where(raw: Any) -> Condition:
    """The tree of a ``where`` block (None: holds for every event). Raises ``BlockErrors`` with all its problems."""
    reader = _Reader()
    condition = ALWAYS if raw is None else reader.group(raw, "", 0)
    if reader.leaves > MAX_LEAVES:
        reader.problems.append(("", f"has more than {MAX_LEAVES} conditions"))
    if reader.problems:
        raise BlockErrors(reader.problems)
    return condition


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class _Reader:
    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []
        self.leaves = 0

    def group(self, raw: Any, path: str, depth: int) -> Condition:
        """A mapping: fields, ``all``, ``any`` and ``not``, all of which must hold."""
        if depth > MAX_DEPTH:
            self.problems.append((path, f"nests deeper than {MAX_DEPTH} levels"))
            return ALWAYS
        if not isinstance(raw, dict):
            self.problems.append((path, f"takes fields with what they must be, not {shown(raw)}"))
            return ALWAYS
        parts: list[Condition] = []
        for name, value in raw.items():
            at = _below(path, str(name)[:60])
            if name in _GROUPS:
                parts.append(self.nested(name, value, at, depth))
            elif problem := path_problem(name):
                self.problems.append((at, f"{shown(name)} {problem}"))
            else:
                parts.extend(self.field(name, value, at))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def nested(self, name: str, value: Any, path: str, depth: int) -> Condition:
        if name == "not":
            if not value:
                self.problems.append((path, "is empty: say what must not hold"))
                return ALWAYS
            return Not(self.group(value, path, depth + 1))
        if not isinstance(value, list) or not value:
            self.problems.append((path, "takes a list of conditions, at least one"))
            return ALWAYS
        parts = []
        for place, item in enumerate(value):
            if item == {}:
                self.problems.append((f"{path}.{place}", "is empty: it would hold for every event"))
            parts.append(self.group(item, f"{path}.{place}", depth + 1))
        return All(tuple(parts)) if name == "all" else AnyOf(tuple(parts))

    def field(self, field: str, value: Any, path: str) -> list[Leaf]:
        """What one field must be: a scalar (eq), a list (in), or a mapping of operators, all of which must hold."""
        if isinstance(value, list):
            return self.leaf(field, "in", value, {}, path, path)
        if not isinstance(value, dict):
            return self.leaf(field, "eq", value, {}, path, path)
        operators = {name: operand for name, operand in value.items() if name not in _MODIFIERS}
        modifiers = {name: operand for name, operand in value.items() if name in _MODIFIERS}
        if not operators:
            self.problems.append((path, "names no operator, such as {gt: 5}"))
        for name, flag in modifiers.items():
            if not isinstance(flag, bool):
                self.problems.append((_below(path, name), f"takes true or false, not {shown(flag)}"))
        found: list[Leaf] = []
        for op, operand in operators.items():
            at = _below(path, str(op)[:60])
            if op in OPERATORS:
                found += self.leaf(field, op, operand, modifiers, path, at)
            else:
                hint = did_you_mean(op, (*OPERATORS, *_MODIFIERS))
                self.problems.append((at, f"is not an operator{hint}; a nested field is written {field}.{op}"))
        return found

    def leaf(self, field: str, op: str, operand: Any, modifiers: dict[str, Any], path: str, at: str) -> list[Leaf]:
        self.leaves += 1
        if modifiers.get("case_sensitive") is False and op not in WITH_CASE:
            self.problems.append((_below(path, "case_sensitive"), f"has no meaning for {op}"))
        if "if_missing" in modifiers and op == "exists":
            self.problems.append((_below(path, "if_missing"), "has no meaning for exists"))
        try:
            wanted = canonical(op, operand)
            if isinstance(wanted, OtherField) and wanted.path == field:
                raise ValueError(f"compares {field} with itself")
            return [
                leaf(
                    field,
                    op,
                    wanted,
                    case_sensitive=modifiers.get("case_sensitive") is not False,
                    if_missing=modifiers.get("if_missing") is True,
                )
            ]
        except ValueError as error:
            self.problems.append((at, str(error) if at != path else f"{op}: {error}"))
            return []
