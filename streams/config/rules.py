"""The rules that a configuration names, as written and as its overrides change them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streams.config.document import read
from streams.config.settings import Config
from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.rules.load import load_rules
from streams.rules.overrides import concerning, overridden
from streams.rules.rule import RuleSet


def written_rules(config: Config, paths: Sequence[Path] = ()) -> RuleSet:
    """The rules in these files and folders, without any the configured ones, as they stand there: what tests run on.

    Raises ``RuleErrors``.
    """
    return load_rules(list(paths) or list(config.rules), KINDS)


def with_overrides(config: Config, ruleset: RuleSet) -> RuleSet:
    """These rules with the settings of the configuration in place of their own: what is brought into force.

    Raises ``RuleErrors`` with the line of every override that cannot be.
    """
    return overridden(ruleset, config.overrides, KINDS, TUNABLE, lambda path: _place(config, path))


def with_their_overrides(config: Config, ruleset: RuleSet) -> RuleSet:
    """Like ``with_overrides``, for a look at some rules: what is overridden in others is no problem here."""
    document = concerning(config.overrides, ruleset)
    return overridden(ruleset, document, KINDS, TUNABLE, lambda path: _place(config, path))


def _place(config: Config, path: str) -> str:
    if config.file is None:
        return "overrides"
    return read(config.file).place(f"overrides.{path}".rstrip("."))
