"""Rule files: everything that is wrong with all of them, with file and line, and nothing that harms the reader."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from streams.detect.registry import KINDS
from streams.errors import USAGE
from streams.rules import document
from streams.rules.load import load_rules, ruleset_from_documents
from streams.rules.problems import RuleErrors
from streams.rules.rule import RuleSet

GOOD: dict[str, Any] = {
    "id": "audit.burst",
    "title": "{count} failed logins for {actor}",
    "source": "audit",
    "where": {"action": "login", "outcome": "failure"},
    "group_by": ["actor"],
    "detect": {"count": {"at_least": 5, "within": "10m"}},
    "severity": {"medium": 5, "high": 20},
    "type": "security",
    "tests": [
        {
            "name": "five",
            "events": [{"at": "0s", "actor": "ada", "times": 5, "every": "1s"}],
            "expect": [{"at": "4s", "count": 5}],
        }
    ],
}


def changed(**changes: Any) -> dict[str, Any]:
    document = {**deepcopy(GOOD), **changes}
    return {name: value for name, value in document.items() if value is not ...}


def problems(*documents: Any) -> list[str]:
    with pytest.raises(RuleErrors) as caught:
        ruleset_from_documents(documents, KINDS)
    assert caught.value.status == USAGE
    return [str(problem) for problem in caught.value.problems]


def one(**changes: Any) -> Any:
    return ruleset_from_documents([changed(**changes)], KINDS).rules[0]


def load(tmp_path: Path, **files: str | bytes) -> RuleSet:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return load_rules([tmp_path], KINDS)


def test_a_good_rule_has_its_defaults() -> None:
    rule = one()
    assert (rule.cooldown, rule.fold, rule.missing, rule.scope, rule.enabled) == (
        600_000,
        "cooldown",
        "skip",
        "tenant",
        True,
    )
    assert rule.severity.at(4) == ("medium", "medium")
    assert rule.severity.at(20) == ("high", "high")
    assert one(detect={"match": {}}, severity="P1").cooldown == 900_000
    assert one(detect={"match": None}, severity="P1").severity.at(None) == ("high", "P1")


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "other"}, {"severity": "low"}, {"tags": ["x"]}, {"cooldown": "1h"}, {"description": "more"}, {"enabled": False},
        {"where": {"outcome": {"eq": "failure"}, "action": ["login"][0]}}, {"type": "system"}, {"metadata": {"a": "{b}"}},
    ],
)  # fmt: skip
def test_the_version_is_of_the_meaning_alone(changes: dict[str, Any]) -> None:
    assert one(**changes).version == one().version


@pytest.mark.parametrize(
    "changes",
    [
        {"where": {"action": "login"}}, {"group_by": []}, {"detect": {"count": {"at_least": 6, "within": "10m"}}}, {"missing": "null"},
        {"allowed_lateness": "1m"}, {"active": {"days": ["mon"]}}, {"id": "audit.other"}, {"source": "trade"}, {"scope": "global"},
        {"detect": {"count": {"at_least": 5, "within": "11m"}}}, {"where": {"action": "login", "outcome": {"eq": "failure", "if_missing": True}}},
    ],
)  # fmt: skip
def test_another_meaning_is_another_version(changes: dict[str, Any]) -> None:
    assert one(**changes).version != one().version


BAD = [
    ({"id": ...}, "id: is missing"), ({"id": "Audit Burst"}, "id: takes lower-case words"), ({"id": "tocsin.x"}, "kept for"), ({"id": 5}, "id: takes"),
    ({"id": "a" * 101}, "id: takes"), ({"title": ...}, "title: is missing"), ({"title": ""}, "title: takes text"), ({"title": "{count"}, "never closes"),
    ({"title": "{a b }"}, "blank"), ({"title": "}"}, "not opened"), ({"title": 5}, "takes text"), ({"titel": "x"}, "titel: is not known here (did you mean 'title'?)"),
    ({"source": "Audit!"}, "name of a source"), ({"source": None}, "name of a source"), ({"where": []}, "where: takes fields"), ({"where": "x"}, "where: takes fields"),
    ({"group_by": "actor"}, "list of fields"), ({"group_by": ["actor", "actor"]}, "twice"), ({"group_by": ["a..b"]}, "empty"), ({"group_by": ["tenant"]}, "always part of the key"),
    ({"group_by": [5]}, "is not a field"), ({"detect": ...}, "detect: is missing"), ({"detect": {"cuont": {}}}, "detect.cuont: is not a kind (did you mean 'count'?)"),
    ({"detect": {"count": {"at_least": 5}}}, "detect.count.within"), ({"detect": {"count": {"at_least": "5", "within": "10m"}}}, "detect.count.at_least"),
    ({"detect": {"count": {"at_least": True, "within": "10m"}}}, "detect.count.at_least"), ({"detect": {"count": {"at_least": 5, "within": 600}}}, "detect.count.within"),
    ({"detect": {"count": {"at_least": 5, "within": "10m", "witin": 1}}}, "did you mean"), ({"detect": {"count": 5}}, "detect.count"), ({"detect": "count"}, "one kind with its settings"),
    ({"detect": {}}, "one kind with its settings"), ({"detect": {"count": {}, "match": {}}}, "one kind with its settings"), ({"severity": ...}, "severity: is missing"),
    ({"severity": "hihg"}, "did you mean 'high'"), ({"severity": 5}, "takes a word"), ({"severity": {}}, "takes a word"), ({"severity": {"high": "5"}}, "severity.high: takes a number"),
    ({"severity": {"high": True}}, "takes a number"), ({"severity": {"high": float("inf")}}, "takes a number"), ({"severity": {"high": 5, "low": 20}}, "milder than high"),
    ({"severity": {"medium": 5, "high": 5}}, "has the threshold of medium"), ({"severity": {5: "high"}}, "name that is no text"), ({"detect": {"match": {}}}, "severity: match observes no value"),
    ({"type": "sec"}, "type: does not take 'sec' (known:"), ({"type": "securty"}, "did you mean 'security'"), ({"type": ["security"]}, "does not take"), ({"cooldown": 15}, "not a duration"),
    ({"cooldown": "15 m"}, "not a duration"), ({"cooldown": "-5m"}, "not a duration"), ({"cooldown": "9999w"}, "ten years"), ({"cooldown": "1" * 5000 + "m"}, "not a duration"),
    ({"fold": "never"}, "fold: does not take"), ({"scope": "all"}, "scope: does not take"), ({"missing": "drop"}, "missing: does not take"), ({"enabled": "yes"}, "true or false"),
    ({"enabled": 1}, "true or false"), ({"tags": "x"}, "list of names"), ({"tags": [""]}, "list of names"), ({"metadata": []}, "takes a mapping"), ({"metadata": {"a": "{"}}, "metadata.a: opens a brace"),
    ({"metadata": {"a": 5}}, "metadata.a: takes text"), ({"metadata": {f"m{n}": "x" for n in range(33)}}, "more than 32"), ({"deal_id": "{"}, "deal_id: opens"), ({"runbook": 5}, "runbook: takes text"),
    ({"active": {"hours": "18-8"}}, "active.hours: takes hours"), ({"active": {"hours": "18:00-25:00"}}, "beyond 24:00"), ({"active": {"hours": "08:00-08:00"}}, "empty"), ({"active": {}}, "neither days nor hours"),
    ({"active": {"hours": "18:00-08:00", "timezone": "Mars/Base"}}, "not a time zone"), ({"active": {"hours": "18:00-08:00", "timezone": "../../etc/passwd"}}, "not a time zone"),
    ({"active": {"days": ["monday"]}}, "takes a list of mon"), ({"active": {"days": [["mon"]]}}, "takes a list of mon"), ({"active": "night"}, "takes a mapping"), ({"where": {"a": {"gt": 5, "lt": 3}}}, "where: can never match: nothing lies"),
    ({"where": {"actor": {"exists": False}}}, "can never match: an event without actor has no key"), ({"where": {"actor": None}}, "can never match"),
    ({"tests": ...}, "tests: is missing"), ({"tests": []}, "tests: is missing"), ({"tests": [{"name": "x", "events": [], "expect": []}]}, "tests.0.events: takes a list"),
    ({"tests": [{"name": "x", "events": [{}], "expect": []}]}, "expects nothing anywhere"), ({"tests": [{"name": "x", "events": [{"at": 5}], "expect": [{"at": "1s"}]}]}, "tests.0.events.0.at"),
    ({"tests": [{"name": "x", "events": [{"times": 10**9}], "expect": [{"at": "1s"}]}]}, "tests.0.events.0.times"), ({"tests": [{"name": "x", "events": [5], "expect": [{}]}]}, "tests.0.events.0"),
    ({"tests": [{"name": "x", "events": [{"times": 90_000}, {"times": 90_000}], "expect": [{"at": "1s"}]}]}, "more than 100000"), ({"tests": ["x"]}, "tests.0"), ({"tests": "x"}, "tests: is missing"),
    ({"tests": [{"name": "x", "events": [{}], "expect": [{"at": "soon"}]}]}, "expect.0.at"), ({"tests": [{"name": "x", "events": [{}], "expect": [{"count": 1}], "start": "monday"}]}, "tests.0.start"),
    ({"tests": [{"name": "x", "events": [{"event_id": "a", "times": 2}], "expect": [{"count": 1}]}]}, "write {n} in it"), ({"tests": [{"name": "x", "events": [{}], "expect": [{"count": 1}], "evnts": 1}]}, "did you mean 'events'"),
    ({"tests": [GOOD["tests"][0], GOOD["tests"][0]]}, "name of another test"), ({"description": "x" * 5000}, "longer than 4000"), ({"title": "\ud800"}, "surrogate"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_each_slip_is_named(changes: dict[str, Any], message: str) -> None:
    found = problems(changed(**changes))
    assert any(message in problem for problem in found), found


def test_a_null_policy_may_be_written_as_null() -> None:
    assert one(missing=None).missing == "null"
    assert one(missing="null", where={"actor": None}).missing == "null"


@pytest.mark.parametrize("document", [None, 5, [], "x", {}, {"a": object()}, {"id": {"b": b"x"}}])
def test_documents_that_are_none(document: Any) -> None:
    assert problems(document)


@pytest.mark.parametrize("documents", [None, 5, "x", b"x", {}, {"a": 1}])
def test_a_record_without_a_list_of_rules(documents: Any) -> None:
    with pytest.raises(RuleErrors, match="takes a list of rules"):
        ruleset_from_documents(documents, KINDS)
    assert ruleset_from_documents([], KINDS).rules == ()


def test_a_document_without_end() -> None:
    endless: dict[str, Any] = {}
    endless["where"] = endless
    assert "nests deeper" in problems(endless)[0]


def test_all_problems_of_all_files_have_their_lines(tmp_path: Path) -> None:
    with pytest.raises(RuleErrors) as caught:
        load(
            tmp_path,
            a=yaml.safe_dump(GOOD),
            b="id: audit.burst\ntitle: x\nsource: audit\nwhere:\n  action: {eqq: 1}\n  n: {gt: x}\n"
            "detect: {match: {}}\nseverity: low\ntype: sec\ntests: [{name: a, events: [{}], expect: [{at: 0s}]}]\n",
            c="id: [1\n",
            d="a: 1\na: 2\n",
        )
    assert [str(problem).removeprefix(f"{tmp_path}/").split(": ")[:2] for problem in caught.value.problems] == [
        ["b.yaml:5", "where.action.eqq"],
        ["b.yaml:6", "where.n.gt"],
        ["b.yaml:9", "type"],
        ["c.yaml:2", "is not YAML"],
        ["d.yaml:2", "says 'a' twice"],
    ]
    assert "5 problems in the rules" in caught.value.message


def test_an_id_stands_once(tmp_path: Path) -> None:
    with pytest.raises(RuleErrors, match=r"b\.yaml:1: id: audit\.burst is the id of the rule in .*a\.yaml:\d"):
        load(tmp_path, a=yaml.safe_dump(GOOD), b=yaml.safe_dump(GOOD, sort_keys=False))


def test_a_file_named_twice_is_one_file_and_hidden_ones_are_none(tmp_path: Path) -> None:
    load(tmp_path, a=yaml.safe_dump(GOOD))
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").write_text(yaml.safe_dump(GOOD))
    assert len(load_rules([tmp_path, tmp_path / "a.yaml"], KINDS).rules) == 1


def test_places_without_rules(tmp_path: Path) -> None:
    with pytest.raises(RuleErrors, match=r"holds no rule[\s\S]*is no file and no folder"):
        load_rules([tmp_path, tmp_path / "nowhere"], KINDS)


ALIASES = (
    "a: &a ["
    + "1," * 20
    + "]\n"
    + "".join(
        f"{name}: &{name} [" + f"*{before}," * 20 + "]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
)
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "aliases that multiply": (ALIASES, "counting every use of an anchor"),
    "an alias of itself": ("a: &a [*a]", "nests deeper"),
    "deep nesting": ("a: " + "[" * 5000, ""),
    "deep and closed": ("a: " + "[" * 3000 + "]" * 3000, "nests deeper"),
    "deep and never closed": ("{a: " * 50_000, "nests deeper"),
    "a chain of dashes": ("- " * 60_000, "nests deeper"),
    "a chain of anchors": ("- &a " * 40_000, ""),
    "a line of colons": ("{a: " * 900, "nests deeper"),
    "a tag": ("a: !!python/object/apply:os.system [ls]", "tag"),
    "no text": (b"a: \xff\xfe", "UTF-8"),
    "nothing": ("", "holds no rule"),
    "a list": ("- 1", "holds no rule"),
    "two documents": ("a: 1\n---\nb: 2", "single document"),
    "too much": ("a: '" + "x" * 300_000 + "'", "larger than"),
    "a control character": ("a: \x01", "not YAML"),
    "half a surrogate": ('a: "\\ud800"', "surrogate"),
    "a long number": ("a: " + "9" * 5000, "too long"),
    "a list for a name": ("? [a]\n: 1", "no plain text"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_problems(tmp_path: Path, name: str) -> None:
    text, message = HOSTILE[name]
    with pytest.raises(RuleErrors) as caught:
        load(tmp_path, x=text)
    assert message in str(caught.value)


def test_yaml_without_surprises(tmp_path: Path) -> None:
    text = yaml.safe_dump(changed(where=...)) + (
        "where:\n  country: {in: [no, NO, on, off, yes]}\n  day: 2024-01-01\n  n: {gt: 1e5}\n  octal: 010\n  bare: null\n  flag: true\n"
    )
    where = load(tmp_path, a=text).rules[0].document["where"]
    assert where == {
        "country": {"in": ["no", "NO", "on", "off", "yes"]}, "day": "2024-01-01", "n": {"gt": 100_000.0}, "octal": 10, "bare": None, "flag": True,
    }  # fmt: skip
    assert type(where["flag"]) is bool


def test_a_list_beside_the_rule_becomes_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "bad-ips.txt").write_text("# known\n192.0.2.1\n\n 192.0.2.2 \n192.0.2.1\n")
    text = yaml.safe_dump(changed(where={"any": [{"source_ip": {"in_list": "bad-ips.txt"}}]}))
    before = load(tmp_path, a=text)
    assert before.rules[0].document["where"] == {"any": [{"source_ip": {"in_list": ["192.0.2.1", "192.0.2.2"]}}]}
    again = ruleset_from_documents([before.rules[0].document], KINDS)
    assert (again.version, again.rules[0].version) == (before.version, before.rules[0].version)
    (tmp_path / "bad-ips.txt").write_text("192.0.2.3\n")
    assert load_rules([tmp_path], KINDS).rules[0].version != before.rules[0].version


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../x.txt", "beside the rule"),
        ("/etc/passwd", "beside the rule"),
        ("no.txt", "cannot be read"),
        ("empty.txt", "at least one"),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(RuleErrors, match=message):
        load(tmp_path, a=yaml.safe_dump(changed(where={"ip": {"in_list": name}})))


def test_a_rule_set_survives_its_journey_through_a_record(tmp_path: Path) -> None:
    before = load(
        tmp_path, a=yaml.safe_dump(changed(where={"n": {"gt": 2**70, "lt": 1e300}, "é": ["ß", None, True, 1.0]}))
    )
    documents = msgspec.json.decode(msgspec.json.encode([rule.document for rule in before.rules]))
    after = ruleset_from_documents(documents, KINDS)
    assert after.version == before.version
    assert [rule.ref for rule in after.rules] == [rule.ref for rule in before.rules]


def test_libyaml_and_the_plain_reader_see_the_same_in_every_shipped_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((Path(document.__file__).parents[1] / "packs").rglob("*.yaml"))
    quickly = [document.read_document(file) for file in files]
    assert all(isinstance(document._composed(file.read_text())[0], document._Quick) for file in files)
    monkeypatch.setattr(document, "_Quick", document._Loader)
    assert [document.read_document(file) for file in files[::5]] == quickly[::5]
    assert len(files) > 100
