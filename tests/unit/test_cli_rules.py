"""``tocsin rules``: a draft passes as it stands, an explanation is true, coverage names what no test shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from streams.cli.context import Invocation
from streams.cli.rules import command
from streams.detect.registry import KINDS, MODULES
from streams.replay.rules.coverage import coverage
from streams.rules.document import parse_document
from streams.rules.load import load_rules
from tests.unit.test_replay_ruletests import BURST, OPENED, RAISED, RULE, SOURCES


def invoke(*args: str | Path, config: Path | None = None) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], obj=Invocation(config), standalone_mode=False)


# --- check


def test_a_source_that_is_not_configured_is_warned_of_with_the_rules_that_read_it(tmp_path: Path) -> None:
    assert (
        invoke("new", "match", "--id", "my.rule", "--source", "audti", "--out", tmp_path / "a.yaml").exception is None
    )
    assert invoke("new", "match", "--id", "my.known", "--out", tmp_path / "b.yaml").exception is None
    result = invoke("check", tmp_path)
    assert result.return_value == 0
    assert "no source is called 'audti' (did you mean 'audit'?): no event comes to my.rule\n" in result.stderr
    assert "my.known" not in result.stderr


# --- new


@pytest.mark.parametrize("kind", MODULES)
def test_a_draft_of_every_kind_checks_and_passes_as_it_stands(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "rule.yaml"
    assert invoke("new", kind, "--id", "my.draft", "--out", file).exception is None
    assert invoke("check", file).return_value == 0
    assert invoke("test", file).return_value == 0
    text = file.read_text()
    assert "\nid: my.draft\n" in text
    assert all(f"#   {option.name} (" in text for option in MODULES[kind].OPTIONS)


@pytest.mark.parametrize("kind", ["match", "count"])
@pytest.mark.parametrize(
    ("event", "id"),
    [
        ({"actor": "ada", "action": "login", "outcome": "failure"}, "audit.login-failure"),
        ({"account": "a-1", "type": "order", "side": "buy", "qty": 3, "price": "1.5"}, "trade.order-buy"),
        ({"pool": "p", "chain_id": 1, "type": "swap", "amount": 2**200}, "chain.swap"),
        ({"host": "h", "name": "cpu", "value": 97.5, "event_time": "2024-01-01T00:00:00Z"}, "metric.cpu"),
        ({"type": "{x} \u2028 'it': \"#\" \x85é😀", "at": "noon", "times": "x", "all": 1}, "audit.x-it"),
        ({"type": "no", "actor": "- {n} [", "deep": {"a": [1]}, "a.b": 1, "null": None}, "audit.no"),
        ({"name": "only"}, "audit.only"),
    ],
    ids=["audit", "trade", "chain", "metric", "hostile", "yaml", "least"],
)
def test_a_draft_from_an_event_fires_on_it(tmp_path: Path, kind: str, event: dict[str, Any], id: str) -> None:
    (tmp_path / "event.json").write_bytes(msgspec.json.encode(event))
    result = invoke("new", kind, "--from", tmp_path / "event.json")
    assert result.exception is None, result.exception
    document, _ = parse_document(result.output.encode())
    assert (document["id"], list(document["detect"])) == (id, [kind])
    assert all(event[name] == value for name, value in document["where"].items())
    assert [bool(case["expect"]) for case in document["tests"]] == [True, False]


@pytest.mark.parametrize(
    ("content", "args", "says"),
    [
        (b"{", (), "event.json: "),
        (b"[]", (), "event.json: "),
        (b'{"x": 1}', (), "none of the fields that tell events apart"),
        (b'{"type": "a"}', ("--id", "Not An Id"), "no rule can be made of this: id: takes lower-case words"),
        (b'{"type": "a"}', ("--source", "no source"), "source: takes the name of a source"),
        (b'{"type": "something-else"}', (), "the draft fails its own test"),
        (b'{"type": "' + b"x" * 300_000 + b'"}', (), "is larger than 256 KiB"),
        (b'{"type": "a"}', ("distinct",), "--from makes a rule of match or count"),
    ],
)
def test_what_no_draft_can_be_made_of_is_told(tmp_path: Path, content: bytes, args: tuple[str, ...], says: str) -> None:
    (tmp_path / "event.json").write_bytes(content)
    assert says in str(invoke("new", "--from", tmp_path / "event.json", *args).exception)


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    assert "cannot be written" in str(invoke("new", "match", "--out", tmp_path / "mine.yaml").exception)
    assert (tmp_path / "mine.yaml").read_text() == "mine"


# --- explain


def test_a_local_rule_is_explained() -> None:
    text = invoke("explain", "audit.failed-login-burst").output
    for part in (
        "way        local: audit is partitioned by tenant, actor, all of it part of the key",
        "key        tenant, actor",
        "filed under outcome = failure",
        "where (action in [login, ",
        "def match(e):",
    ):
        assert part in text


def test_a_rekeyed_rule_is_explained_and_why() -> None:
    result = invoke("explain", "audit.failed-logins-by-ip", "--json")
    found = msgspec.json.decode(result.output)
    assert not found["local"]
    assert found["why"] == "the source is partitioned by actor, which is no part of the key as it stands"
    assert set(found["reads"]) == {"action", "outcome", "source_ip"}
    assert found["tests"][0].startswith("the twentieth failure")


def test_a_rule_that_is_not_there_is_told_with_one_that_is() -> None:
    assert "did you mean 'audit.failed-login-burst'?" in str(invoke("explain", "audit.failed-login-brust").exception)


def test_a_rule_that_is_off_is_explained(tmp_path: Path) -> None:
    rule(tmp_path, enabled=False)
    assert "enabled: false" in invoke("explain", "test.burst", tmp_path).output


# --- overrides


def rule(folder: Path, *tests: dict[str, Any], **more: Any) -> Path:
    chosen = tests or ({"name": "fires", "events": BURST, "expect": [OPENED, RAISED]},)
    (folder / "rule.yaml").write_text(yaml.safe_dump({**RULE, "tests": list(chosen), **more}))
    return folder / "rule.yaml"


def test_overrides_are_in_the_rules_that_are_shown_and_tests_run_without_them(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    file, config = rule(tmp_path / "rules"), tmp_path / "tocsin.yaml"
    entry = {"test.burst": {"detect": {"count": {"at_least": 4}}}}
    overrides = {**entry, "tenants": {"acme": {"test.*": {"enabled": False}}}}
    config.write_text(yaml.safe_dump({"rules": ["rules"], "overrides": overrides}))
    text = invoke("explain", "test.burst", config=config).output
    assert "overridden for all: count.at_least: 4 (was 3)" in text
    assert "for acme: off" in text
    assert "at_least 4" in text
    assert invoke("test", config=config).return_value == 0
    without = invoke("check", file, config=None).output
    assert without != invoke("check", file, config=config).output, "the version of the set covers them"


def test_a_bad_override_is_told_with_its_line_wherever_all_rules_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    rule(tmp_path / "rules")
    config = tmp_path / "tocsin.yaml"
    config.write_text(
        'rules: [rules]\noverrides:\n  test.burst:\n    cooldown: soon\n  nobody: {cooldown: 1h}\n  tenants:\n    "":\n      x: 1\n'
    )
    result = invoke("check", "--json", config=config)
    assert result.return_value == 2
    places = [msgspec.json.decode(problem)["place"].rpartition(":")[2] for problem in result.output.splitlines()]
    assert sorted(places) == ["4", "5", "6"]
    # A look at other rules is no business of an entry that is not about them.
    (tmp_path / "other").mkdir()
    other = rule(tmp_path / "other", id="test.other")
    config.write_text("rules: [rules]\noverrides: {test.burst: {cooldown: 1h}}\n")
    assert invoke("check", other, config=config).return_value == 0


# --- coverage


def test_coverage_names_what_no_test_shows(tmp_path: Path) -> None:
    where = {"any": [{"outcome": "failure"}, {"outcome": "denied", "reason": {"in": ["a", "b"]}}]}
    (found,) = coverage(load_rules([rule(tmp_path, where=where)], KINDS), SOURCES)
    assert found.missing == (
        "outcome eq failure does not hold",
        "(outcome eq denied and reason in [a, b]) holds",
        "outcome eq denied holds",
        "reason in [a, b] holds",
        "a test in which the rule keeps silent",
    )
    assert found.percent == 100 * (len(found.points) - 5) // len(found.points)


def test_all_of_it_shown_is_100(tmp_path: Path) -> None:
    silent = {"name": "another", "events": [{"outcome": "success"}], "expect": []}
    fires = {"name": "fires", "events": BURST, "expect": [OPENED, RAISED]}
    (found,) = coverage(load_rules([rule(tmp_path, fires, silent)], KINDS), SOURCES)
    assert (found.percent, found.missing) == (100, ())


def test_too_little_coverage_is_status_1(tmp_path: Path) -> None:
    path = rule(tmp_path)
    result = invoke("test", path, "--min-coverage", "80")
    assert result.return_value == 1
    assert "not shown: outcome eq failure does not hold" in result.output
    assert "1 of 1 rules are below what is asked" in result.output
    assert invoke("test", path, "--min-coverage", "50").return_value == 0
    lines = [msgspec.json.decode(text) for text in invoke("test", path, "--coverage", "--json").output.splitlines()]
    assert (lines[1]["coverage"], len(lines[1]["missing"])) == (60, 2)
