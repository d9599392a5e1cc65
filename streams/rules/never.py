"""Conditions that can hold for no event: what a rule's author should hear before it goes live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from streams.rules.comparing import OtherField
from streams.rules.conditions import AnyOf, Condition, Leaf, Not, conjuncts, identity
from streams.rules.conditions import leaf as leaf_of
from streams.rules.operators import ORDER, ListName
from streams.rules.values import amount


def why_never(condition: Condition) -> str | None:
    """Why no event can satisfy the condition, or None where none of the contradictions looked for is there.

    Looked for: values of one field that exclude each other, bounds that leave nothing between them, a field that must
    be both absent and present, a scalar that must also have fields, a condition beside its own negation, and an
    ``any`` all of whose branches are such.
    """
    parts = list(conjuncts(condition))
    by_path: dict[str, list[Leaf]] = defaultdict(list)
    for part in parts:
        if isinstance(part, Leaf):
            by_path[part.path].append(part)
            if isinstance(part.operand, OtherField) and not part.if_missing:
                by_path[part.operand.path].append(leaf_of(part.operand.path, "exists", True))
        elif isinstance(part, AnyOf):
            reasons = [why_never(branch) for branch in part.parts]
            if all(reasons):
                return f"no branch of any can hold: {reasons[0]}"
    for path, leaves in by_path.items():
        reason = _one_field(path, leaves)
        if reason:
            return reason
    return _scalar_with_fields(by_path) or _negated(parts)


def _one_field(path: str, leaves: list[Leaf]) -> str | None:
    present = [leaf for leaf in leaves if not leaf.if_missing and not (leaf.op == "exists" and not leaf.operand)]
    if any(leaf.op == "exists" and not leaf.operand for leaf in leaves):
        return f"{path} cannot be absent and be compared" if present else None
    if not present:
        return None  # every one of them lets the event pass that lacks the field
    known = [
        leaf for leaf in leaves if not isinstance(leaf.operand, (OtherField, ListName))
    ]  # the rest may be anything
    for leaf in known:
        if leaf.op in ("eq", "in", "in_list") and leaf.case_sensitive:
            values = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
            if not any(all(other.test(value) for other in known) for value in values):
                return f"no value of {path} meets all its conditions"
    return _bounds(path, known)


def _bounds(path: str, leaves: Iterable[Leaf]) -> str | None:
    lower = [(amount(leaf.operand), leaf.op == "gt") for leaf in leaves if leaf.op in ("gt", "gte")]
    upper = [(amount(leaf.operand), leaf.op == "lt") for leaf in leaves if leaf.op in ("lt", "lte")]
    for low, above in lower:
        for high, below in upper:
            if low is not None and high is not None and (low > high or (low == high and (above or below))):
                return f"nothing lies between the bounds of {path}"
    return None


def _scalar_with_fields(by_path: dict[str, list[Leaf]]) -> str | None:
    def wants(path: str, *, scalar: bool) -> bool:
        return any(
            not leaf.if_missing
            and (leaf.op in ("eq", "in", "in_list", "starts_with", "ends_with", "regex", "cidr", *ORDER))
            for leaf in by_path[path]
        ) or (not scalar and any(leaf.op != "exists" or leaf.operand for leaf in by_path[path] if not leaf.if_missing))

    for path in by_path:
        parents = path.split(".")
        for length in range(1, len(parents)):
            parent = ".".join(parents[:length])
            if parent in by_path and wants(parent, scalar=True) and wants(path, scalar=False):
                return f"{parent} cannot be a plain value and have the field {path}"
    return None


def _negated(parts: list[Condition]) -> str | None:
    asked = {identity(part) for part in parts}
    for part in parts:
        if isinstance(part, Not) and all(identity(inner) in asked for inner in conjuncts(part.part)):
            return "a condition stands beside its own negation"
    return None
