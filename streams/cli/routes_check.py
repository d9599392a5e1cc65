"""``tocsin routes check``: tests of routing as data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from streams.alerts.policy import parse_policy
from streams.cli.junit import write_junit
from streams.cli.policy_given import Records, given_records, policy_options
from streams.cli.printing import json_option, line
from streams.errors import ConfigError
from streams.replay.routes.checks import CaseResult, CheckFile, check, load
from streams.rules.problems import Problem
from streams.state.alerts.inforce import POLICY


@click.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@policy_options
@json_option
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write the results as JUnit XML too.")
def command(paths: tuple[Path, ...], file: Path | None, live: bool, as_json: bool, junit: Path | None) -> int:
    """Run tests of routing: who is told of an alert, when and why. Exit status 1 where one fails.

    A file is a policy to look at (`policy:`, a mapping or the path of one beside the file; without it --policy, --live
    or the configured one) and a list of cases. `expect` is all that is told within `for` (a day, without it).

    \b
    policy: {preset: operations}
    cases:
      - name: nobody takes a P1 in hand
        alert: {severity: P1, rule: api.errors}
        at: 2026-01-05T03:00:00+01:00
        for: 12m
        expect:
          - {receiver: alerts, after: 0s, reason: new}
          - {receiver: oncall-email, after: 0s}
          - {receiver: pagerduty, after: 10m, reason: escalated, level: 1}
        never: [ceo]

    \b
    Examples:
      tocsin routes check routing/ --junit results.xml
    """
    files, problems = _read(_files(paths))
    if problems:
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError("\n  ".join([f"{count} in the cases:", *map(str, problems)]), "see streams/docs/routing.md")
    shared: Records | None = None
    results: list[CaseResult] = []
    for one in files:
        if one.policy is not None:
            records: Records = {POLICY: one.policy}
        else:
            records = shared = given_records(file, live) if shared is None else shared
        results += check(records, one.cases)
    if junit is not None:
        write_junit(junit, "tocsin routes", [(Path(r.file).name, r.case, r.file, r.line, r.problems) for r in results])
    if as_json:
        for result in results:
            line({"file": result.file, "line": result.line, "test": result.case, "passed": result.passed,
                  "problems": list(result.problems)})  # fmt: skip
    else:
        _print(results)
    return 0 if all(result.passed for result in results) else 1


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"{path}: holds no *.yaml", "a file of cases begins with `cases:`")
        found += inside
    return found


def _read(paths: Sequence[Path]) -> tuple[list[CheckFile], list[Problem]]:
    """All files, with all problems of all of them."""
    files: list[CheckFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            one, found = load(path)
            problems += found
            if one is not None and one.policy is not None:
                parse_policy(one.policy)
            files += [] if one is None else [one]
        except ConfigError as error:
            problems.append(Problem(f"{path}:1", "", error.message))
    return files, problems


def _print(results: Sequence[CaseResult]) -> None:
    for result in results:
        mark = click.style("ok", fg="green") if result.passed else click.style("FAIL", fg="red")
        click.echo(f"{mark:>4} {result.file}:{result.line}: {result.case}")
        for problem in result.problems:
            click.echo(f"       {problem}")
    click.echo(f"{len(results)} tests, {sum(not result.passed for result in results)} failed")
