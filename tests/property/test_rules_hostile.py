"""Whatever stands in a rule file: located problems, or a rule that runs. Nothing else is ever raised, and soon."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import metadata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.kinds import python
from streams.detect.registry import KINDS, MODULES
from streams.replay.rules.cases import test_rules as run_tests
from streams.rules.compiled import compiled
from streams.rules.document import parse_document
from streams.rules.load import load_rules, ruleset_from_documents
from streams.rules.plain import plain
from streams.rules.problems import RuleErrors
from tests.detecting import AUDIT
from tests.everykind import LOCAL, OVER_SOURCES

Path = tuple[str | int, ...]


def nested(depth: int, **with_: Any) -> Any:
    """Conditions inside conditions."""
    value: Any = {"a": 1}
    for level in range(depth):
        value = {"not": value, **with_} if level % 2 else {"all": [value], **with_}
    return value


#: Put in the place of every value of every example, one at a time.
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**64, 10**400, 1.5, 1e308, float("nan"), float("inf"), "", "x", "a..b", "{x!r}", "9999999d",
    "0s", "85%", "(a+)+$", "a{1000}{1000}", "lower(", "é☃😀\x00", "w" * 100_000, [], [None], [[]], {}, {"": {}},
    {"field": "x"}, {"no_such_key": 1},
)  # fmt: skip
#: Put in several places at once.
HOSTILE: tuple[Any, ...] = (
    *ODD, False, 1, 2, 10**6, 2**63, -0.0, -1e308, " ", ".", "a.b", "{", "}", "{x}", "{x:.2f}", "{" * 3_000, "a\nb",
    "10m", "-5m", "3650d", "1ms", "9" * 40 + "d", "1e999", "NaN", "1000", "(?=x)", "(((", "*", "all", "tenant",
    "__class__", "lower(" * 5 + "x" + ")" * 5, "cidr(x, 999)", "first()", [1, 2], ["a", "a"], ["a"] * 5_000,
    [f"x{n}" for n in range(20_000)], [{}], {"a": {}}, {"all": []}, {"any": [{}]}, {"not": {}}, nested(15), nested(40),
    nested(30, b=[]), {"field": []}, {"field": "x", "times": "1e400"}, {"x": {"gt": 10**400}}, {"x": {"gt": 5, "lt": 3}},
    {"x": {"regex": "(a+)+$"}}, {"x": {"cidr": "10.0.0.0/99"}}, {"x": {"in_list": "../../etc/passwd"}},
    {"x": {"in_list": "no-such-list"}}, {"count": {}}, {"low": 1, "high": 0}, {"low": None}, {"low": 10**400},
    {"a": [{"b": [{"c": {}}]}]}, {f"k{n}": n for n in range(2_000)},
)  # fmt: skip


def example(kind: str) -> dict[str, Any]:
    document, _ = parse_document(MODULES[kind].EXAMPLE.encode())
    return document


#: Kinds' examples, and rules with every window, several sources, lists, budgets, exports and hours.
DOCUMENTS: tuple[dict[str, Any], ...] = (*map(example, MODULES), *LOCAL, *OVER_SOURCES)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in below:
        yield from places(inner, (*path, name))


def put(value: Any, path: Path, new: Any) -> Any:
    """The value with another one at a path; as it was where the path has gone."""
    if not path:
        return new
    if isinstance(value, dict) and path[0] in value:
        return {**value, path[0]: put(value[path[0]], path[1:], new)}
    if isinstance(value, list) and isinstance(path[0], int) and path[0] < len(value):
        return [*value[: path[0]], put(value[path[0]], path[1:], new), *value[path[0] + 1 :]]
    return value


def without(value: Any, path: Path) -> Any:
    if len(path) == 1:
        if isinstance(value, dict):
            return {name: inner for name, inner in value.items() if name != path[0]}
        return [inner for place, inner in enumerate(value) if place != path[0]]
    return put(value, path[:1], without(value[path[0]], path[1:]))


def load(document: Any) -> bool:
    """Whether a document is a rule. What is none has problems, each with a place and a message of bearable length."""
    try:
        ruleset = ruleset_from_documents([document], KINDS)
    except RuleErrors as errors:
        assert errors.problems
        for problem in errors.problems:
            assert problem.place.startswith("rules[0]")
            assert problem.message.strip()
            assert len(problem.message) < 1_000, problem.message
        return False
    compiled(ruleset, AUDIT)
    plain(ruleset, AUDIT)
    for result in run_tests(ruleset, {}):  # whether they pass is another matter
        assert all(problem for problem in result.problems)
    return True


@pytest.fixture(autouse=True)
def _look_for_packages_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the thousands of ``python`` rules below spend their time with the metadata of what is installed."""
    monkeypatch.setattr(python, "entry_points", cache(metadata.entry_points))


@pytest.mark.parametrize("kind", list(MODULES))
def test_no_value_in_any_place_raises_anything_but_located_problems(kind: str) -> None:
    document = example(kind)
    assert load(document)
    for path in places(document):
        for odd in ODD:
            load(put(document, path, odd))


@pytest.mark.parametrize("kind", list(MODULES))
def test_nothing_that_is_left_out_raises_anything_else_and_nothing_unknown_is_taken(kind: str) -> None:
    document = example(kind)
    for path in places(document):
        if path:
            load(without(document, path))
    for name in ("titel", "Where", "", "é", "x" * 10_000):
        assert not load({**document, name: "x"})
    ((word, block),) = document["detect"].items()
    assert not load({**document, "detect": {word: {**block, "no_such_setting": 1}}})


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_nor_do_several_hostile_values_at_once(data: st.DataObject) -> None:
    document: Any = data.draw(st.sampled_from(DOCUMENTS))
    for path in data.draw(st.lists(st.sampled_from(list(places(document))), min_size=1, max_size=3)):
        document = put(document, path, data.draw(st.sampled_from(HOSTILE)))
    load(document)


#: Text, bytes and structures of YAML that are no rule, each with what is said of it.
FILES = {
    "empty": (b"", "holds no rule"),
    "a-list": (b"- a", "holds no rule"),
    "a-word": (b"rule", "holds no rule"),
    "open": (b"id: [", "is not YAML"),
    "tab": (b"\tid: x", "is not YAML"),
    "twice": (b"id: a\nid: b", "says 'id' twice"),
    "tagged": (b"id: !!python/object/apply:os.system [x]", "which means nothing here"),
    "utf-16": (b"\xff\xfei\x00d\x00", "is not UTF-8"),
    "control": (b"id: \x00", "is not YAML"),
    "surrogate": (b'id: "\\ud800"', "half of a surrogate pair"),
    "two": (b"a: b\n---\nc: d", "is not YAML"),
    "name": (b"? [a]\n: b", "has a name that is no plain text"),
    "bomb": (b"\n".join([b"a0: &a0 [x,x,x,x,x,x,x,x,x]", *(
        b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30))]), "holds more than"),
    "itself": (b"a: &a [*a]", "nests deeper than"),
    "deep-lists": (b"a: " + b"[" * 50_000, "nests deeper than"),
    "deep-mappings": (b"a: " + b"{a: " * 100 + b"}" * 100, "nests deeper than"),
    "deep-blocks": (b"\n".join(b" " * n + b"a:" for n in range(500)), "nests deeper than"),
    "decimal": (b"id: " + b"9" * 5_000, "a number that is too long"),
    "hexadecimal": (b"id: 0x" + b"f" * 200_000, "a number that is too long"),
    "ten-megabytes": (b"#" * 10_000_000, "is larger than 256 KiB"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FILES))
def test_a_file_that_holds_no_rule_is_one_problem_with_its_line(name: str, tmp_path: Any) -> None:
    content, said = FILES[name]
    file = tmp_path / "rule.yaml"
    file.write_bytes(content)
    with pytest.raises(RuleErrors) as caught:
        load_rules([tmp_path], KINDS)
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.place.startswith(str(file))
    assert len(problem.message) < 300
