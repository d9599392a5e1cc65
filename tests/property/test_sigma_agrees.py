"""What a Sigma rule becomes holds for exactly the events that a small evaluator of Sigma, written apart, says."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from streams.rules.conditions import Not
from streams.rules.satisfying import satisfying
from streams.rules.values import read
from streams.rules.where import parse_where
from tests.sigma import imported

FIELDS = ("a", "b", "c.d")
_LETTERS = "abAB1.*?\\-/ ["
_plain = st.text(_LETTERS, max_size=4)
_value = st.one_of(
    _plain,
    st.integers(-2, 2),
    st.booleans(),
    st.none(),
    st.sampled_from([0.5, "true", "1", "-2", "*", "a*b", "?b", "é"]),
)
_modifiers = st.sampled_from(
    [
        "",
        "|contains",
        "|startswith",
        "|endswith",
        "|cased",
        "|contains|all",
        "|exists",
        "|gt",
        "|lte",
        "|neq",
        "|contains|cased",
        "|startswith|cased",
    ]
)


@st.composite
def _item(draw: st.DrawFn) -> tuple[str, Any]:
    field, modifiers = draw(st.sampled_from(FIELDS)), draw(_modifiers)
    if modifiers == "|exists":
        return field + modifiers, draw(st.booleans())
    if modifiers in ("|gt", "|lte"):
        return field + modifiers, draw(st.sampled_from([-1, 0, 1, 0.5]))
    values = _plain if modifiers not in ("", "|neq") else _value
    return field + modifiers, draw(st.one_of(values, st.lists(values, min_size=1, max_size=3)))


_block = st.one_of(
    st.dictionaries(_item().map(lambda item: item[0]), st.just(None), min_size=1, max_size=1).flatmap(lambda _: _item().map(lambda item: dict([item]))),
    st.lists(_item(), min_size=1, max_size=3).map(dict),
    st.lists(st.lists(_item(), min_size=1, max_size=2).map(dict), min_size=1, max_size=2),
)  # fmt: skip
_condition = st.recursive(
    st.sampled_from(["sel_a", "sel_b", "1 of sel_*", "all of sel_*", "1 of them"]),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
    ),
    max_leaves=4,
)
_event_value = st.one_of(
    _plain, st.integers(-2, 2), st.booleans(), st.none(), st.sampled_from([0.5, "1", "TRUE", "0.5", [], ["a"], {}])
)
_events = st.lists(
    st.dictionaries(
        st.sampled_from(("a", "b", "c")), _event_value | st.fixed_dictionaries({"d": _event_value}), max_size=3
    ),
    min_size=1,
    max_size=6,
)


# --- the evaluator: strings character by character, conditions by Python's own words


def _tokens(pattern: str) -> list[str]:
    """Sigma's wildcards, from its specification: a backslash escapes ``*``, ``?`` and itself, else it is itself."""
    tokens: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern) and pattern[at + 1] in "*?\\":
            tokens.append(pattern[at + 1])
            at += 2
        else:
            tokens.append({"*": "MANY", "?": "ONE"}.get(char, char))
            at += 1
    return tokens


def _like(tokens: list[str], text: str) -> bool:
    places = {0}
    for token in tokens:
        if token == "MANY":
            places = set(range(min(places), len(text) + 1)) if places else set()
        else:
            places = {place + 1 for place in places if place < len(text) and token in ("ONE", text[place])}
    return len(text) in places


def _said(value: Any) -> str | None:
    """A scalar as the text that a log line has for it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(int(value)) if value == int(value) else str(value)
    return value if isinstance(value, str) else None


def _one(modifiers: list[str], wanted: Any, got: Any) -> bool:
    if "exists" in modifiers:
        return (got is not UNSET) == wanted
    if wanted is None:
        return got is UNSET or got is None
    if got is UNSET or got is None:
        return False
    if "gt" in modifiers or "lte" in modifiers:
        said = _said(got)
        if said is None or isinstance(got, bool) or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", said):
            return False
        return float(said) > wanted if "gt" in modifiers else float(said) <= wanted
    if not isinstance(wanted, str):
        said = _said(got)
        return said is not None and said.lower() == _said(wanted)
    tokens = _tokens(wanted)
    if set(modifiers) & {"contains", "endswith"}:
        tokens.insert(0, "MANY")
    if set(modifiers) & {"contains", "startswith"}:
        tokens.append("MANY")
    if tokens and set(tokens) == {"MANY"}:
        return True  # anything that is there
    said = got if isinstance(got, str) else None if {"MANY", "ONE"} & set(tokens) else _said(got)
    if said is None:
        return False
    if "cased" in modifiers:
        return _like(tokens, said)
    return _like([token if token in ("MANY", "ONE") else token.lower() for token in tokens], said.lower())


def _item_holds(key: str, wanted: Any, event: dict[str, Any]) -> bool:
    field, *modifiers = key.split("|")
    got = read(event, field)
    each = [_one(modifiers, one, got) for one in (wanted if isinstance(wanted, list) else [wanted])]
    holds = all(each) if "all" in modifiers else any(each)
    return not holds if "neq" in modifiers else holds


def _block_holds(block: Any, event: dict[str, Any]) -> bool:
    if isinstance(block, list):
        return any(_block_holds(part, event) for part in block)
    return all(_item_holds(key, wanted, event) for key, wanted in block.items())


def _holds(condition: str, blocks: dict[str, Any], event: dict[str, Any]) -> bool:
    seen = {name: _block_holds(block, event) for name, block in blocks.items()}
    text = condition.replace("1 of sel_*", "any_").replace("all of sel_*", "all_").replace("1 of them", "any_")
    return bool(eval(text, {**seen, "any_": any(seen.values()), "all_": all(seen.values())}))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(first=_block, second=_block, condition=_condition, events=_events)
def test_a_sigma_rule_and_what_it_becomes_hold_for_the_same_events(
    first: Any, second: Any, condition: str, events: list[dict[str, Any]]
) -> None:
    blocks = {"sel_a": first, "sel_b": second}
    rule = {"title": "t", "logsource": {"product": "p"}, "detection": {**blocks, "condition": condition}}
    found = imported(json.dumps(rule))
    assert found.refused == []
    where = parse_where(found.rules[0][1]["where"])
    for event in events:
        assert where.holds(lambda path, event=event: read(event, path)) == _holds(condition, blocks, event), (
            blocks,
            condition,
            event,
        )  # type: ignore[misc]
    for wanted, tree in product((True,), (where, Not(where))):
        example = satisfying(tree)
        if example is not None:
            assert tree.holds(lambda path, event=example: read(event, path)) is wanted  # type: ignore[misc]
            assert _holds(condition, blocks, example) is (tree is where)
