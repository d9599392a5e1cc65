"""The rules that a command was given, or the configured ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.context import get_config
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.model import Source
    from streams.rules.rule import RuleSet

paths_argument: Callable[[Any], Any] = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


def written(paths: Sequence[Path]) -> RuleSet:
    """The rules as they stand in these files, without any in the configured ones. Raises ConfigError where none are."""
    from streams.config.rules import written_rules

    ruleset = written_rules(get_config(), paths)
    if not ruleset.rules:
        raise ConfigError("there are no rules in what was given", "a rule is a *.yaml file; see streams/docs/rules.md")
    return ruleset


def effective(paths: Sequence[Path]) -> RuleSet:
    """The same with the overrides of the configuration; of given files with those that are about their rules."""
    from streams.config.rules import with_overrides, with_their_overrides

    chosen = written(paths)
    return with_their_overrides(get_config(), chosen) if paths else with_overrides(get_config(), chosen)


def sources_by_name() -> dict[str, Source]:
    """The configured sources."""
    from streams.config import event_sources

    return {source.name: source for source in event_sources(get_config())}


def warn_of_unknown_sources(ruleset: RuleSet) -> None:
    """Say on stderr which rules read a source that is not configured: nothing ever comes to them."""
    from streams.rules.problems import did_you_mean

    known = sources_by_name()
    asking: dict[str, list[str]] = {}
    for rule in ruleset.rules:
        for name in rule.sources:
            if name not in known and rule.enabled:
                asking.setdefault(name, []).append(rule.id)
    for name, rules in asking.items():
        near = did_you_mean(name, known)
        click.echo(f"warning: no source is called '{name}'{near}: no event comes to {', '.join(rules)}", err=True)
        click.echo("  hint: give it a topic under sources in tocsin.yaml", err=True)
