"""``tocsin rules test``: the tests in the rule files, and what they show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from streams.cli.junit import write_junit
from streams.cli.printing import json_option, line
from streams.cli.rules_given import paths_argument, sources_by_name, written
from streams.replay.rules.cases import CaseResult, test_rules
from streams.replay.rules.coverage import Coverage, coverage


@click.command("test")
@paths_argument
@json_option
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write the results as JUnit XML too.")
@click.option("--coverage", "show_coverage", is_flag=True, help="Show what no test shows.")
@click.option("--min-coverage", type=click.IntRange(0, 100), help="Fail where a rule's tests show less, in percent.")
def command(
    paths: tuple[Path, ...], as_json: bool, junit: Path | None, show_coverage: bool, min_coverage: int | None
) -> int:
    """Run the tests in the rule files through the engine. Exit status 1 where one fails.

    Rules are tested as they are written, without the overrides of the configuration. Coverage asks of the tests of
    each rule: every severity is reached, every condition and every branch is seen to hold and not to hold, every
    step or member matches, and one test shows the rule keep silent.

    \b
    Examples:
      tocsin rules test rules/ --junit results.xml
      tocsin rules test --coverage --min-coverage 80
    """
    ruleset, sources = written(paths), sources_by_name()
    results = list(test_rules(ruleset, sources))
    asked = show_coverage or min_coverage is not None
    covered = list(coverage(ruleset, sources)) if asked else []
    short = [one for one in covered if min_coverage is not None and one.percent < min_coverage]
    if junit is not None:
        write_junit(junit, "tocsin rules", [(r.rule, r.case, r.file, r.line, r.problems) for r in results])
    if as_json:
        _lines(results, covered)
    else:
        print_results(results)
        _print_coverage(covered, short)
    return 0 if all(result.passed for result in results) and not short else 1


def _lines(results: Sequence[CaseResult], covered: Sequence[Coverage]) -> None:
    for result in results:
        line(
            {
                "rule": result.rule,
                "file": result.file,
                "line": result.line,
                "test": result.case,
                "passed": result.passed,
                "problems": list(result.problems),
            }
        )
    for one in covered:
        line({"rule": one.rule, "file": one.file, "line": one.line, "coverage": one.percent, "missing": one.missing})


def print_results(results: Sequence[CaseResult]) -> None:
    """A line a rule, and under it what failed."""
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


def _print_coverage(covered: Sequence[Coverage], short: Sequence[Coverage]) -> None:
    for one in covered:
        click.echo(f"{one.percent:>3}% {one.rule}")
        for what in one.missing:
            click.echo(f"       not shown: {what}")
    if short:
        click.echo(f"{len(short)} of {len(covered)} rules are below what is asked")
