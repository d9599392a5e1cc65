"""``tocsin rules import-sigma`` and ``import-policies``: rules of other systems, written as files of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.printing import json_option, line
from streams.cli.rules_given import sources_by_name
from streams.detect.registry import KINDS
from streams.errors import USAGE, ConfigError, TocsinError
from streams.replay.rules.cases import test_rules
from streams.rules.load import ruleset_from_documents
from streams.rules.problems import RuleErrors
from streams.rules.proving import UNPROVEN, Unproven, proofs
from streams.rules.writing import written

if TYPE_CHECKING:
    from streams.model import Source
    from streams.rules.rule import Rule

_Path: Any = click.Path(path_type=Path)
_out: Callable[[Any], Any] = click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the rule files."
)

_SIGMA = """\b
Examples:
  tocsin rules import-sigma sigma/rules/cloud/aws --out rules/sigma
  tocsin rules import-sigma sigma/ --mapping sigma-fields.yaml --strict --out rules/sigma --json

Exit status 1 where a rule was refused; every other rule is written nevertheless.
"""
_POLICIES = """\b
Examples:
  tocsin rules import-policies policies.json --out rules/policies

Exit status 2 where a policy has a problem; nothing is written then.
"""


@click.command("import-sigma", epilog=_SIGMA)
@click.argument("paths", nargs=-1, required=True, type=_Path)
@_out
@click.option("--mapping", type=_Path, help="YAML: names of fields, sources of logs, placeholders.")
@click.option("--source", default="audit", show_default=True, help="The source of logs that the mapping does not name.")
@click.option("--strict", is_flag=True, help="Refuse rules with a field or a log that the mapping does not name.")
@json_option
def import_sigma(
    paths: tuple[Path, ...], out: Path, mapping: Path | None, source: str, strict: bool, as_json: bool
) -> int:
    """Write Sigma rules and correlations as rule files with tests. What has no equal here is refused, and why."""
    try:
        from streams.rules.sigma.importing import import_rules
        from streams.rules.sigma.mapping import load_mapping
    except ModuleNotFoundError as error:
        raise TocsinError(f"this needs the Python module {error.name}", "pip install 'tocsin[sigma]'") from None

    imported = import_rules(paths, load_mapping(mapping, source=source, strict=strict))
    refused = [refusal._asdict() for refusal in imported.refused]
    rules = []
    for place, document in imported.rules:
        try:
            rules.append((place, proven(document, sources_by_name())))
        except NotImported as error:
            title = document["title"].replace("{{", "{").replace("}}", "}")
            refused.append({"file": place, "rule": title, "reason": str(error)})
    _write(out, rules, refused, as_json)
    return 1 if refused else 0


@click.command("import-policies", epilog=_POLICIES)
@click.argument("files", nargs=-1, required=True, type=_Path)
@_out
@click.option("--source", default="audit", show_default=True, help="The source whose events the policies look at.")
@json_option
def import_policies(files: tuple[Path, ...], out: Path, source: str, as_json: bool) -> int:
    """Write the policies of a policy-based alerting service (JSON) as rule files."""
    from streams.rules.policies import read_policies

    problems: list[Any] = []
    rules = [
        (str(file), document) for file in files for _, document in read_policies(file, problems, KINDS, source=source)
    ]
    if not problems:
        try:
            ruleset_from_documents([document for _, document in rules], KINDS)
        except RuleErrors as errors:
            problems += errors.problems
    if problems and not as_json:
        raise RuleErrors(problems)
    if problems:
        for problem in problems:
            line({"place": problem.place, "path": problem.path, "message": problem.message})
        return USAGE
    _write(out, rules, [], as_json)
    return 0


class NotImported(ValueError):
    """Why a translated rule is not written."""


def proven(document: dict[str, Any], sources: dict[str, Source]) -> dict[str, Any]:
    """The document with tests that the engine has just passed. Raises NotImported."""
    try:
        rule = _rule({**document, "tests": UNPROVEN})
        whole = {**document, "tests": proofs(rule)}
        written(whole)
        results = list(test_rules(ruleset_from_documents([whole], KINDS), sources))
    except RuleErrors as errors:
        problem = errors.problems[0]
        reason = f"{problem.path}: {problem.message}" if problem.path else problem.message
        raise NotImported(f"the rule it becomes has a problem: {reason}") from None
    except Unproven as error:
        raise NotImported(f"no test could be made: {error}") from None
    except ValueError as error:
        raise NotImported(str(error)) from None
    failed = [problem for result in results for problem in result.problems]
    if failed:
        raise NotImported(f"the test made for it fails: {failed[0]}")
    return whole


def _rule(document: dict[str, Any]) -> Rule:
    return ruleset_from_documents([document], KINDS).rules[0]


def _write(out: Path, rules: Sequence[tuple[str, dict[str, Any]]], refused: Iterable[Any], as_json: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for _, document in rules:
            (out / f"{document['id']}.yaml").write_text(written(document), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}") from None
    for place, document in rules:
        file = out / f"{document['id']}.yaml"
        if as_json:
            line({"imported": document["id"], "from": place, "file": str(file)})
        else:
            click.echo(f"{file}  from {place}")
    refused = list(refused)
    for refusal in refused:
        if as_json:
            line({"refused": refusal["rule"], "from": refusal["file"], "reason": refusal["reason"]})
        else:
            rule = f" {refusal['rule']}:" if refusal["rule"] else ""
            click.echo(f"{click.style('refused', fg='yellow')} {refusal['file']}:{rule} {refusal['reason']}", err=True)
    if not as_json:
        click.echo(f"{len(rules)} rules written, {len(refused)} refused")
