"""The reference page and the schema say what the code does: no setting is forgotten, none is invented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from streams.cli.context import Invocation
from streams.cli.rules import command
from streams.cli.rules_docs import DOCS, generated
from streams.detect import edge, findings, windows
from streams.detect.registry import KINDS, MODULES
from streams.reference.examples import example, words
from streams.reference.page import page
from streams.reference.prose import anchor, forms, headline
from streams.replay.rules.cases import test_rules as run_tests
from streams.rules import comparing
from streams.rules.block import Block
from streams.rules.document import parse_document
from streams.rules.expressions import FUNCTIONS, parse_expression
from streams.rules.operators import MEANINGS, OPERATORS
from streams.rules.option import Option
from streams.rules.parse import KEYS, SIZE_UNITS, parse_rule
from streams.rules.problems import BlockErrors
from streams.rules.rule import RuleSet

#: Forms in the docstring of a kind that need a package which is not installed.
NOT_HERE = {"python"}
PAGE = page()


def document(kind: str) -> dict[str, Any]:
    return parse_document(MODULES[kind].EXAMPLE.encode())[0]


def settings(kind: str) -> dict[str, Any]:
    return document(kind)["detect"][kind] or {}


# --- what is committed, and what stands on it


@pytest.mark.parametrize("name", ["reference.md", "rule.schema.json"])
def test_the_committed_files_are_what_the_code_makes(name: str) -> None:
    assert (DOCS / name).read_text() == generated()[name], "run `tocsin rules reference --write` and commit it"


def test_every_link_of_the_page_leads_somewhere() -> None:
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.M | re.S)
    headings = [anchor(heading) for heading in re.findall(r"^#+ (.*)$", prose, re.M)]
    assert len(set(headings)) == len(headings)
    links = re.findall(r"\]\(([^)]*)\)", prose)
    assert {link[1:] for link in links if link.startswith("#")} <= set(headings)
    assert [link for link in links if not link.startswith("#") and not (DOCS / link).is_file()] == []
    contents = set(re.findall(r"^ *- \[.*?\]\(#(.*?)\)", prose, re.M))
    assert contents == {anchor(heading) for heading in re.findall(r"^##+ (.*)$", prose, re.M)} - {"contents"}


def test_the_guide_links_to_sections_that_are_there() -> None:
    headings = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", PAGE, re.M)}
    links = re.findall(r"\]\(reference\.md(?:#([^)]*))?\)", (DOCS / "rules.md").read_text())
    assert links
    assert set(filter(None, links)) <= headings


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_every_kind_has_its_section_with_every_option_and_its_example(kind: str) -> None:
    (section,) = re.findall(rf"^### {kind}$(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    for option in MODULES[kind].OPTIONS:
        assert f"\n| `{option.name}`" in section
    assert MODULES[kind].EXAMPLE.strip() in section


def test_the_command_prints_the_page_or_the_schema_and_writes_both(tmp_path: Path, monkeypatch: Any) -> None:
    def output(*args: str) -> str:
        result = CliRunner().invoke(command, ["reference", *args], obj=Invocation(None), standalone_mode=False)
        assert result.exception is None
        return result.output

    assert output() == generated()["reference.md"]
    assert output("--schema") == generated()["rule.schema.json"]
    monkeypatch.setattr("streams.cli.rules_docs.DOCS", tmp_path)
    output("--write")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == generated()


# --- examples and forms


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_the_example_of_every_kind_loads_and_passes_its_tests(kind: str) -> None:
    rule = example(kind)
    assert rule.detect.name == kind
    results = list(run_tests(RuleSet((rule,)), {}))
    assert results
    assert [problem for result in results for problem in result.problems] == []


@pytest.mark.parametrize("kind", sorted(set(MODULES) - NOT_HERE))
def test_every_form_that_a_kind_shows_of_itself_parses(kind: str) -> None:
    for form in forms(MODULES[kind].__doc__, kind):
        KINDS[kind](yaml.safe_load(form)[kind])


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_every_kind_says_in_one_sentence_when_it_fires(kind: str) -> None:
    sentence = headline(MODULES[kind].__doc__)
    assert sentence.endswith(".")
    assert "``" not in sentence
    assert not sentence.startswith("`")


def test_an_example_that_fails_would_be_noticed() -> None:
    wrong = {**document("count"), "tests": [{**document("count")["tests"][0], "expect": [{"at": "1s"}]}]}
    (result,) = run_tests(RuleSet((parse_rule(wrong, KINDS),)), {})
    assert not result.passed


# --- tables against parsers


class Asked:
    """The blocks that were read, as (what stood there, the names that were asked for)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.blocks: list[Block] = []
        made = Block.__init__

        def recording(block: Block, raw: Any, path: str = "") -> None:
            made(block, raw, path)
            self.blocks.append(block)

        monkeypatch.setattr(Block, "__init__", recording)

    def of(self, raw: Any) -> set[str] | None:
        """The names that were asked of this very mapping; None where nobody read it as a block."""
        blocks = [block for block in self.blocks if block._raw is raw]
        return set().union(*(block._known for block in blocks)) if blocks else None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def names(options: tuple[Option, ...]) -> set[str]:
    assert len({option.name for option in options}) == len(options)
    return {option.name for option in options}


def read(parse: Any, block: dict[str, Any]) -> None:
    try:
        parse(block)
    except (BlockErrors, ValueError):
        pass


def inside(parse: Any, asked: Asked, name: str) -> set[str]:
    """The names that are known inside the value called ``name``, alone or in a list; empty where it is no block."""
    found: set[str] = set()
    for probe in ({}, {"absent": True}, {"where": {"a": 1}}):
        read(parse, {name: probe})
        found |= asked.of(probe) or set()
        one, two = dict(probe), dict(probe)
        read(parse, {name: [one, two]})
        found |= (asked.of(one) or set()) | (asked.of(two) or set())
    return found


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_a_kind_lists_exactly_the_options_that_it_reads(kind: str, asked: Asked) -> None:
    options, parse = MODULES[kind].OPTIONS, KINDS[kind]
    variants = [{}, settings(kind), *({option.name: None} for option in options)]
    known: set[str] = set()
    for variant in variants:
        read(parse, variant)
        known |= asked.of(variant) or set()
    assert names(options) == known


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_a_kind_lists_exactly_the_options_inside_its_options(kind: str, asked: Asked) -> None:
    for option in MODULES[kind].OPTIONS:
        known = inside(KINDS[kind], asked, option.name)
        fields = names(edge.FIELD_OPTIONS)
        assert known == names(option.of) or (option.takes == "threshold" and known == fields), option.name


def test_the_keys_of_a_rule_are_exactly_those_that_are_read(asked: Asked) -> None:
    empty: dict[str, Any] = {}
    read(lambda raw: parse_rule(raw, KINDS), empty)
    assert names(KEYS) == asked.of(empty)


#: Elsewhere: a kind is read by its own parser, cases have a test below, and metadata have any names.
CLOSED = [key for key in KEYS if key.takes not in ("kind", "tests", "templates")]


@pytest.mark.parametrize("key", CLOSED, ids=lambda key: key.name)
def test_the_settings_inside_a_key_are_exactly_those_that_are_read(key: Option, asked: Asked) -> None:
    assert inside(lambda raw: parse_rule(raw, KINDS), asked, key.name) == names(key.of)


def test_the_words_of_a_case_are_exactly_those_that_are_read(asked: Asked) -> None:
    event: dict[str, Any] = {}
    moment: dict[str, Any] = {}
    never: dict[str, Any] = {}
    case = {"events": [event], "expect": [moment], "never": [never]}
    read(lambda raw: parse_rule(raw, KINDS), {"tests": [case, {}]})
    (tests,) = (key.of for key in KEYS if key.name == "tests")
    of = {option.name: names(option.of) for option in tests}
    assert asked.of(case) == set(of)
    assert (asked.of(event), asked.of(moment), asked.of(never)) == (of["events"], of["expect"], of["never"])


def test_the_settings_of_another_field_are_exactly_those_that_are_read(asked: Asked) -> None:
    for parse, options in ((comparing.other_field, comparing.OPTIONS), (edge.parse_threshold, edge.FIELD_OPTIONS)):
        empty: dict[str, Any] = {}
        read(parse, empty)
        assert names(options) == asked.of(empty)


def test_an_option_that_no_table_has_would_be_noticed(asked: Asked) -> None:
    def parse(raw: Any) -> None:
        block = Block(raw)
        block.integer("hidden", 1)
        block.check()

    empty: dict[str, Any] = {}
    read(parse, empty)
    assert asked.of(empty) == {"hidden"}


def test_every_operator_is_explained() -> None:
    assert set(MEANINGS) == OPERATORS


def test_every_function_is_written_as_its_example_says() -> None:
    for name, function in FUNCTIONS.items():
        for text in function.example.split(" or "):
            assert parse_expression(text).text.startswith(f"{name}(")


def test_sizes_of_every_unit_are_read() -> None:
    for unit in SIZE_UNITS:
        assert parse_rule({**document("count"), "budget": {"memory": f"3{unit}"}}, KINDS).max_memory >= 3 * 1024


LITERAL = re.compile(r"(?:[0-9]+(?:ms|s|m|h|d|w))+|-?[0-9.]+|true|false|[a-z_]+|UTC|\{\}|\[\]")
OPTIONAL = [
    pytest.param(kind, option, id=f"{kind}-{option.name}")
    for kind, module in sorted(MODULES.items())
    for option in module.OPTIONS
    if option.default
    and LITERAL.fullmatch(option.default)
    and option.default not in ("none", "any", "within")
    and (kind, option.name) != ("python", "settings")  # which the class of the example needs
]


#: What neither the example nor a form of a kind shows.
MORE = {
    "aggregate": [{"function": "rate", "above": 10, "within": "1m"}],
    "ratio": [{"of": {"a": 1}, "above": 10, "align": "day"}],
}


@pytest.mark.parametrize(("kind", "option"), OPTIONAL)
def test_a_default_is_what_it_is_said_to_be(kind: str, option: Option) -> None:
    """Writing the default changes nothing; where the example cannot have the option, some form of the kind can."""
    blocks = [
        settings(kind),
        *MORE.get(kind, ()),
        *(yaml.safe_load(form)[kind] for form in forms(MODULES[kind].__doc__, kind)),
    ]
    compared = 0
    for block in blocks if kind not in NOT_HERE else blocks[:1]:
        without = {name: value for name, value in block.items() if name != option.name}
        try:
            silent = KINDS[kind](without)
            said = KINDS[kind]({**without, option.name: yaml.safe_load(option.default or "")})
        except BlockErrors:
            continue
        compared += 1
        assert said.document() == silent.document()
    assert compared


def test_the_words_of_templates_are_those_that_findings_give() -> None:
    from streams.detect.base import Observed, Witness
    from streams.model import FindingKind

    seen = Observed(FindingKind.FIRE, 5, 5, (Witness(0, 0, ""),))
    given = {word for kind in ("count", "level") for word in findings._words(example(kind), seen)}
    assert given == set(findings.WORDS)


def test_what_an_expectation_may_name_is_known_to_it() -> None:
    from streams.replay.rules import cases as ruletests
    from streams.replay.rules.engine import moments
    from streams.rules.testing import cases

    rule = example("count")
    ((moment, *_), _) = moments(rule, {}, cases(rule)[0])
    for word in (*ruletests.WORDS, *ruletests.OF_ALERT, *rule.group_by):
        assert ruletests._actual(moment, word)[0], word
    assert not ruletests._actual(moment, "colour")[0]


def test_a_kind_names_its_own_words_for_templates() -> None:
    assert words("change") == ["current", "previous"]
    assert words("sequence") == ["steps"]
    assert words("count") == []


def test_the_shapes_of_windows_that_are_shown_can_be_written() -> None:
    shapes = re.findall(r"^(\{.*?\})", windows.__doc__ or "", re.M)
    found = []
    for shape in shapes:
        block = Block(yaml.safe_load(shape))
        found.append(windows.parse_window(block).shape)
        block.check()
    assert set(found) == set(windows.Shape)
