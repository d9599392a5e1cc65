"""``tocsin rules``: check, test, list and apply rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.config import event_sources
from streams.detect.registry import KINDS
from streams.errors import USAGE, ConfigError, TocsinError
from streams.replay.report import console_for_tables
from streams.replay.ruletests import CaseResult, test_rules
from streams.rules.load import load_rules
from streams.rules.problems import RuleErrors
from streams.rules.rule import Rule, RuleSet

_encode = msgspec.json.Encoder().encode
_paths: Callable[[Any], Any] = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
_json: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group("rules")
def command() -> None:
    """Check, test, list and apply rules. Without a PATH: the configured rules, by default the shipped packs."""


def _load(paths: Sequence[Path]) -> RuleSet:
    ruleset = load_rules(list(paths) or list(get_config().rules), KINDS)
    if not ruleset.rules:
        raise ConfigError("there are no rules in what was given", "a rule is a *.yaml file; see streams/docs/rules.md")
    return ruleset


@command.command("check")
@_paths
@_json
def check(paths: tuple[Path, ...], as_json: bool) -> int:
    """Read the rules and report every problem of every file. Exit status 2 where there is one."""
    try:
        ruleset = _load(paths)
    except RuleErrors as errors:
        if not as_json:
            raise
        for problem in errors.problems:
            _line({"place": problem.place, "path": problem.path, "message": problem.message})
        return USAGE
    if not as_json:
        click.echo(f"{len(ruleset.rules)} rules, no problems (rule set {ruleset.version})")
    return 0


@command.command("test")
@_paths
@_json
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write the results as JUnit XML too.")
def test(paths: tuple[Path, ...], as_json: bool, junit: Path | None) -> int:
    """Run the tests in the rule files through the engine. Exit status 1 where one fails."""
    ruleset = _load(paths)
    results = _results(ruleset)
    if junit is not None:
        _write_junit(junit, results)
    if as_json:
        for result in results:
            _line(
                {
                    "rule": result.rule,
                    "file": result.file,
                    "line": result.line,
                    "test": result.case,
                    "passed": result.passed,
                    "problems": list(result.problems),
                }
            )
    else:
        _print(results)
    return 0 if all(result.passed for result in results) else 1


def _results(ruleset: RuleSet) -> list[CaseResult]:
    sources = {source.name: source for source in event_sources(get_config())}
    return list(test_rules(ruleset, sources))


def _print(results: Sequence[CaseResult]) -> None:
    by_rule: dict[str, list[CaseResult]] = {}
    for result in results:
        by_rule.setdefault(result.rule, []).append(result)
    for rule, cases in by_rule.items():
        failed = [case for case in cases if not case.passed]
        mark = click.style("FAIL", fg="red") if failed else click.style("ok", fg="green")
        click.echo(f"{mark:>4} {rule} ({len(cases) - len(failed)} of {len(cases)})")
        for case in failed:
            click.echo(f"       {case.file}:{case.line}: {case.case}")
            for problem in case.problems:
                click.echo(f"         {problem}")
    failures = sum(not result.passed for result in results)
    click.echo(f"{len(results)} tests of {len(by_rule)} rules, {failures} failed")


def _write_junit(path: Path, results: Sequence[CaseResult]) -> None:
    failures = str(sum(not result.passed for result in results))
    suite = ElementTree.Element("testsuite", name="tocsin rules", tests=str(len(results)), failures=failures)
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", classname=result.rule, name=_xml(result.case), file=result.file, line=str(result.line)
        )
        if not result.passed:
            text = _xml("\n".join(result.problems))
            ElementTree.SubElement(case, "failure", message=_xml(result.problems[0])).text = text
    try:
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None


def _xml(text: str) -> str:
    """What XML can hold: no control characters."""
    return "".join(letter if letter >= " " or letter in "\n\t" else "�" for letter in text)


@command.command("list")
@_paths
@_json
def list_(paths: tuple[Path, ...], as_json: bool) -> None:
    """The rules, one a line."""
    ruleset = _load(paths)
    sources = {source.name: source for source in event_sources(get_config())}
    rows = [_row(rule, sources[rule.source].partition_by if rule.source in sources else ()) for rule in ruleset.rules]
    if as_json:
        for row in rows:
            _line(row)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "source", "kind", "key", "severity", "type", "title"):
        table.add_column(name, overflow="fold")
    for row in rows:
        name = row["id"] if row["enabled"] else f"{row['id']} (off)"
        key = ", ".join(row["group_by"]) + ("" if row["local"] else " (rekeyed)")
        severities = ", ".join(row["severity"])
        cells = (name, row["source"], row["kind"], key, severities, row["type"], row["title"])
        table.add_row(*(escape(cell) for cell in cells))
    console_for_tables().print(table)


def _row(rule: Rule, partition_by: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "version": rule.version,
        "source": rule.source,
        "kind": rule.detect.name,
        "group_by": list(rule.group_by),
        "local": rule.is_local(partition_by),
        "severity": [word for _, _, word in rule.severity.rungs],
        "type": rule.type,
        "title": rule.title,
        "enabled": rule.enabled,
        "tests": len(rule.tests),
        "tags": list(rule.tags),
        "file": rule.file,
    }


@command.command("apply")
@_paths
@click.option("--skip-tests", is_flag=True, help="Apply rules whose own tests fail.")
@click.option("--policy", is_flag=True, help="Bring the policy of the configuration into force with them.")
def apply(paths: tuple[Path, ...], skip_tests: bool, policy: bool) -> None:
    """Bring exactly these rules into force on all workers, at once, without a restart."""
    from streams.runtime.control import policy_record, publish, ruleset_record

    ruleset = _load(paths)
    if not skip_tests and (failed := [result for result in _results(ruleset) if not result.passed]):
        _print(failed)
        raise TocsinError("the rules were not applied: their tests fail", "mend them, or use --skip-tests")
    config = get_config()
    admin(config)
    records = [ruleset_record(ruleset), *([policy_record(config.policy)] if policy else [])]
    position = publish(kafka_options(config), names_of(config), records)
    what = f"rule set {ruleset.version} with {len(ruleset.rules)} rules" + (" and the policy" if policy else "")
    click.echo(f"{what}, in force from control position {position}")


def _line(record: dict[str, Any]) -> None:
    click.echo(_encode(record).decode())
