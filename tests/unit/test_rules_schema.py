"""The schema for editors: what the loader takes it accepts, and what is plainly wrong it refuses."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from streams.detect.drafting import from_kind
from streams.detect.registry import KINDS, MODULES
from streams.reference.prose import forms
from streams.reference.schema import DRAFT, rule_schema
from streams.rules.document import parse_document
from streams.rules.operators import MEANINGS, OPERATORS, canonical
from streams.rules.parse import KEYS, parse_rule
from streams.rules.problems import BlockErrors
from streams.rules.where import parse_where

SCHEMA = rule_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PACKS = Path(__file__).parents[2] / "streams" / "packs"
SHIPPED = sorted(PACKS.rglob("*.yaml"))

#: Values that people write in the wrong place, and in the right one.
POOL: list[Any] = [
    None, True, False, 0, 1, -1, 2, 5, 20, 2**70, 1.5, "", "x", "10m", "0s", "2h", "1h30m", "10 m", "7", "0.5", "-1", "+5",
    "1e3", "5%", "85 %", "ä😀", "a.b", ".a", "a" * 300, "null", "skip", "global", "tenant", "until_resolved", "security",
    "high", "P1", "warning", "Critical", "p99", "p0", "p99.9", "median", "sum", "avg", "count", "day", "sliding",
    "session", "tumbling", "up", "both", "all", "before", "hour_of_day", "UTC", "Europe/Berlin", "Mars/Olympus", "64MiB",
    "0MiB", "18:00-08:00", "25:00-08:00", "cidr(source_ip, 24)", "2024-01-01T00:00:00Z", [], [None], ["a"], ["a", "b"],
    ["a", "a"], [1, "a", None], ["mon", "fri"], ["mon", "xyz"], [[1]], {}, {"a": 1}, {"a": [1]}, {"a": {"gt": 5}}, {"a": "b"},
    {"a": {"gt": "x"}}, {"a": {"gte": 5, "lt": "7"}}, {"gt": 5}, {"field": "x"}, {"field": "x", "times": 2, "plus": 0.5},
    {"field": "x", "times": "0.5"}, {"where": {"a": 1}}, {"source": "trade"}, {"where": {"a": 1}, "by": ["b"]},
    {"any": [{"a": 1}, {"b": None}]}, {"any": []}, {"not": {"a": 1}}, {"not": {}}, {"all": [{}]},
    [{"where": {"a": 1}}, {"where": {"b": 2}}], [{"where": {"a": 1}, "name": "x"}, {"where": {"b": 2}, "absent": True}],
    [{"where": {"a": 1}}], [{"subnet": "cidr(source_ip, 24)"}], {"medium": 5, "high": 20}, {"P1": 3}, {"tall": 3},
    "shadow",
    {"days": ["mon"]}, {"hours": "18:00-08:00", "timezone": "UTC"}, {"every": "5m"}, {"per_hour": 3}, {"keys": 10},
    {"memory": "64MiB"}, {"name": "trade_volume"}, {"name": "Trade Volume"}, {"count": {"at_least": 1, "within": "1m"}},
    {"match": None}, {"match": {}}, {"count": None}, {"count": {}, "match": {}}, {"a": ["x"]}, {"192.0.2.0/24": 1},
    [{"name": "n", "events": [{"at": "0s", "a": 1}], "expect": [{"at": "0s"}]}],
    [{"name": "n", "events": [{"a": 1}], "never": [{"at": "0s"}]}, {"name": "m", "events": [{"x": {}}], "expect": [{"b": 1}]}],
    [{"name": "n", "events": [], "expect": []}], [{"name": "n", "events": [{"at": "soon"}], "expect": [{}]}],
]  # fmt: skip


EXAMPLES: dict[str, dict[str, Any]] = {
    kind: parse_document(module.EXAMPLE.encode())[0] for kind, module in MODULES.items()
}

RULE = EXAMPLES["count"]


def accepts(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(document))


def loads(document: Any) -> bool:
    try:
        parse_rule(document, KINDS)
    except BlockErrors:
        return False
    return True


def with_detect(kind: str, block: Any) -> dict[str, Any]:
    return {**EXAMPLES[kind], "detect": {kind: block}, "severity": "high"}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == DRAFT == Draft202012Validator.META_SCHEMA["$id"]
    assert rule_schema() == SCHEMA


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_rules_are_accepted(file: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(parse_document(file.read_bytes())[0])] == []


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_an_editor_that_knows_draft_7_only_is_told_the_same(kind: str) -> None:
    """All but the descriptions beside a reference, which that draft leaves out."""
    old = Draft7Validator({name: value for name, value in SCHEMA.items() if name != "$schema"})
    assert old.is_valid(EXAMPLES[kind])
    for option in MODULES[kind].OPTIONS:
        for value in POOL:
            document = with_detect(kind, {**EXAMPLES[kind]["detect"][kind], option.name: value})
            assert old.is_valid(document) == accepts(document)


def test_there_are_shipped_rules() -> None:
    assert len(SHIPPED) > 10


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_examples_drafts_and_forms_of_every_kind_are_accepted(kind: str) -> None:
    documents = [parse_document(text.encode())[0] for text in (MODULES[kind].EXAMPLE, from_kind(kind))]
    documents += (with_detect(kind, yaml.safe_load(form)[kind]) for form in forms(MODULES[kind].__doc__, kind))
    for document in documents:
        assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_an_unknown_setting_and_a_value_of_no_type_are_refused_in_every_kind(kind: str) -> None:
    block = EXAMPLES[kind]["detect"][kind]
    assert accepts(with_detect(kind, block))
    assert not accepts(with_detect(kind, {**block, "wihtin": "10m"}))
    for option in MODULES[kind].OPTIONS:
        wrong = [[["no"]]] if option.takes != "mapping" else ["no", ["no"]]
        assert [value for value in wrong if accepts(with_detect(kind, {**block, option.name: value}))] == [], (
            option.name
        )
        if option.takes == "duration":
            for value in ("10 minutes", "ten", 600, "10", "m", "", None, True):
                assert not accepts(with_detect(kind, {**block, option.name: value})), (option.name, value)
        if option.default is None:
            assert not accepts(with_detect(kind, {name: value for name, value in block.items() if name != option.name}))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"titel": "x"}, "no such key"),
        ({"id": "Audit.X"}, "an id is lower-case"),
        ({"source": 5}, "a source is a name"),
        ({"type": "safety"}, "no such type"),
        ({"severity": "terrible"}, "no such word"),
        ({"severity": {"terrible": 5}}, "no such word on a ladder"),
        ({"severity": {"high": "5"}}, "a ladder takes numbers"),
        ({"severity": {}}, "an empty ladder"),
        ({"cooldown": 15}, "a duration has a unit"),
        ({"cooldown": "15 min"}, "and it is one of those known"),
        ({"detect": {"cuont": {"at_least": 5}}}, "no such kind"),
        ({"detect": {}}, "no kind"),
        ({"detect": {"count": {"at_least": 5, "within": "1m"}, "match": {}}}, "two kinds"),
        ({"detect": {"count": None}}, "a kind without what it needs"),
        ({"where": {"a": {"gtt": 5}}}, "no such operator"),
        ({"where": {"a": {"gt": "many"}}}, "order is of numbers"),
        ({"where": {"a": {"exists": "yes"}}}, "exists is true or false"),
        ({"where": {"a": {"case_sensitive": False}}}, "no operator"),
        ({"where": {"any": []}}, "no branch"),
        ({"where": {"any": {"a": 1}}}, "branches are a list"),
        ({"where": {"a": {"gt": {"field": "b", "tmies": 2}}}}, "no such setting of another field"),
        ({"where": [1]}, "conditions are a mapping"),
        ({"group_by": "actor"}, "a key is a list"),
        ({"group_by": [{"a": "b", "c": "d"}]}, "one name for each part"),
        ({"active": {"days": ["monday"]}}, "no such day"),
        ({"active": {"hours": "6-18"}}, "hours have minutes"),
        ({"throttle": {"often": "5m"}}, "no such limit"),
        ({"budget": {"memory": 64}}, "a size has a unit"),
        ({"export": {}}, "a series has a name"),
        ({"enabled": "yes"}, "true or false"),
        ({"tests": []}, "no tests"),
        ({"tests": [{"name": "x", "events": [{"at": "0s"}]}]}, "neither expect nor never"),
        ({"tests": [{"name": "x", "events": [{"at": 5}], "expect": []}]}, "at is a duration"),
        ({"tests": [{"name": "x", "events": [{"times": "5"}], "expect": []}]}, "times is a number"),
        ({"tests": [{"name": "x", "events": [{"a": 1}], "expect": [], "expcet": []}]}, "no such key of a test"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_plainly_wrong_is_refused_by_schema_and_loader(change: dict[str, Any], why: str) -> None:
    assert accepts(RULE)
    assert loads(RULE)
    assert not accepts({**RULE, **change}), why
    assert not loads({**RULE, **change}), why


@pytest.mark.parametrize("missing", [key.name for key in KEYS if key.default is None])
def test_a_key_that_must_be_there_is_missed(missing: str) -> None:
    less = {name: value for name, value in RULE.items() if name != missing}
    assert not accepts(less)
    assert not loads(less)


# --- what the loader takes, the schema accepts


@pytest.mark.parametrize("key", [key.name for key in KEYS])
def test_whatever_a_key_may_be_the_schema_accepts(key: str) -> None:
    taken = [value for value in POOL if loads({**RULE, key: value})]
    assert [value for value in taken if not accepts({**RULE, key: value})] == []
    assert taken or key in ("detect", "tests")


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_whatever_a_setting_of_a_kind_may_be_the_schema_accepts(kind: str) -> None:
    """In the example and in every form of the kind, with each setting as anything."""
    accepting = Draft202012Validator({**SCHEMA["$defs"][f"kind.{kind}"], "$defs": SCHEMA["$defs"]}).is_valid
    blocks = [EXAMPLES[kind]["detect"][kind]]
    blocks += (yaml.safe_load(form)[kind] for form in forms(MODULES[kind].__doc__, kind))
    taken = 0
    for block in blocks:
        for option in MODULES[kind].OPTIONS:
            for value in POOL:
                changed = {**block, option.name: value}
                try:
                    KINDS[kind](changed)
                except BlockErrors:
                    continue
                taken += 1
                assert accepting(changed), changed
    assert taken >= len(MODULES[kind].OPTIONS)


#: What a schema cannot tell of an operand: whether a pattern, a network or a name is one.
MEANT = {"regex", "cidr", "in_list"}


@pytest.mark.parametrize("op", sorted(MEANINGS))
def test_operands_are_told_as_the_loader_tells_them(op: str) -> None:
    for value in POOL:
        try:
            canonical(op, value)
            taken = True
        except ValueError:
            taken = False
        said = accepts({**RULE, "where": {"a": {op: value}}})
        assert said == taken or (said and op in MEANT), value


_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
_operands = (
    _scalars
    | st.lists(_scalars, max_size=3)
    | st.fixed_dictionaries({"field": st.just("b")}, optional={"times": _scalars})
)
_tests = _operands | st.dictionaries(
    st.sampled_from([*sorted(OPERATORS), "case_sensitive", "if_missing", "gtt"]), _operands, max_size=3
)
_fields = st.sampled_from(["a", "user.name", "x y", "ä"])
_wheres = st.recursive(
    st.dictionaries(_fields, _tests, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["all", "any"]), st.lists(inner, max_size=3), max_size=2)
    | st.fixed_dictionaries({"not": inner}),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(_wheres)
def test_whatever_conditions_load_the_schema_accepts(where: dict[str, Any]) -> None:
    try:
        parse_where(where)
    except BlockErrors:
        return
    assert [error.message for error in VALIDATOR.iter_errors({**RULE, "where": where})] == []


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_a_name_that_nobody_knows_is_refused_wherever_names_are_closed(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(MODULES)))
    document = deepcopy(EXAMPLES[kind])
    places = [document, document["detect"], document["tests"][0], *_blocks(document["detect"][kind])]
    data.draw(st.sampled_from(places))["zzz_unknown"] = 1
    assert not accepts(document)
    assert not loads(document)


def _blocks(block: dict[str, Any]) -> list[dict[str, Any]]:
    """A kind's block and the steps or members in it."""
    parts = [part for name in ("steps", "members") for part in block.get(name, ())]
    return [block, *parts]
