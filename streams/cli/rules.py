"""``tocsin rules``: check, test, list and apply rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.on_demand import OnDemand
from streams.cli.printing import json_option, line
from streams.cli.rules_given import (
    effective,
    paths_argument,
    sources_by_name,
    warn_of_unknown_sources,
    written,
)
from streams.config.rules import with_overrides
from streams.errors import USAGE, TocsinError
from streams.rules.lists import used
from streams.rules.problems import RuleErrors
from streams.rules.rule import Rule

_ELSEWHERE = {
    "test": "streams.cli.rules_test:command",
    "explain": "streams.cli.rules_explain:command",
    "reference": "streams.cli.rules_docs:command",
    "catalogue": "streams.cli.rules_catalogue:command",
    "new": "streams.cli.rules_new:command",
    "import-sigma": "streams.cli.rules_import:import_sigma",
    "import-policies": "streams.cli.rules_import:import_policies",
    "shadow": "streams.cli.rules_shadow:shadow",
    "promote": "streams.cli.rules_shadow:promote",
}


@click.group("rules", cls=OnDemand, elsewhere=_ELSEWHERE)
def command() -> None:
    """Write, check, test, explain, list and apply rules.

    Without a PATH: the configured rules, by default the shipped packs.

    \b
    Examples:
      tocsin rules new count --id my.burst --out my-rules/burst.yaml
      tocsin rules test my-rules/
      tocsin rules apply my-rules/ streams/packs/audit
    """


@command.command("check")
@paths_argument
@json_option
def check(paths: tuple[Path, ...], as_json: bool) -> int:
    """Read the rules and report every problem of every file. Exit status 2 where there is one.

    \b
    Examples:
      tocsin rules check rules/
      tocsin rules check rules/my-rule.yaml --json
    """
    try:
        ruleset = effective(paths)
    except RuleErrors as errors:
        if not as_json:
            raise
        for problem in errors.problems:
            line({"place": problem.place, "path": problem.path, "message": problem.message})
        return USAGE
    if not as_json:
        many = f"{len(ruleset.rules)} rule{'s' if len(ruleset.rules) != 1 else ''}"
        click.echo(f"{many}, no problems (rule set {ruleset.version})")
        if lists := used(ruleset):
            click.echo(f"they use the lists {', '.join(lists)}: `tocsin lists show` says which are applied")
    warn_of_unknown_sources(ruleset)
    return 0


@command.command("list")
@paths_argument
@json_option
def list_(paths: tuple[Path, ...], as_json: bool) -> None:
    """The rules, one a line.

    \b
    Examples:
      tocsin rules list
      tocsin rules list my-rules/ --json
    """
    ruleset, sources = effective(paths), sources_by_name()
    rows = [_row(rule, sources[rule.source].partition_by if rule.source in sources else ()) for rule in ruleset.rules]
    if as_json:
        for row in rows:
            line(row)
        return
    from streams.replay.report import console_for_tables

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "source", "kind", "key", "severity", "type", "title"):
        table.add_column(name, overflow="fold")
    for row in rows:
        name = row["id"] + ("" if row["enabled"] else " (off)") + (" (shadow)" if row["stage"] == "shadow" else "")
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
        "stage": rule.stage,
        "tests": len(rule.tests),
        "tags": list(rule.tags),
        "file": rule.file,
    }


@command.command("apply")
@paths_argument
@click.option("--skip-tests", is_flag=True, help="Apply rules whose own tests fail.")
@click.option("--policy", is_flag=True, help="Bring the policy of the configuration into force with them.")
def apply(paths: tuple[Path, ...], skip_tests: bool, policy: bool) -> None:
    """Bring exactly these rules into force on all workers, at once, without a restart.

    With them go the overrides of the configuration. Rules whose meaning is what it was keep their state; rules that are
    not among these are not in force any more.

    \b
    Examples:
      tocsin rules apply rules/
      tocsin rules apply streams/packs/audit my-rules/
    """
    from streams.cli.lists import warn_of_missing
    from streams.cli.rules_test import print_results
    from streams.replay.rules.cases import test_rules
    from streams.runtime.control import policy_record, publish, ruleset_record

    base = written(paths)
    warn_of_unknown_sources(base)
    if not skip_tests and (failed := [one for one in test_rules(base, sources_by_name()) if not one.passed]):
        print_results(failed)
        raise TocsinError("the rules were not applied: their tests fail", "mend them, or use --skip-tests")
    config = get_config()
    ruleset = with_overrides(config, base)
    admin(config)
    records = [ruleset_record(ruleset), *([policy_record(config.policy)] if policy else [])]
    position = publish(kafka_options(config), names_of(config), records)
    what = f"rule set {ruleset.version} with {len(ruleset.rules)} rules" + (" and the policy" if policy else "")
    click.echo(f"{what}, in force from control position {position}")
    if used(ruleset):
        warn_of_missing(position)
