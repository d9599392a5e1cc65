"""What is wrong with a rule: every problem of every file, each with the place it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.errors import ConfigError


class Problem(NamedTuple):
    """One thing to mend. ``place`` is ``file:line``, or ``rules[2]`` for a rule that came in a record."""

    place: str
    path: str  #: dot path inside the rule, ``detect.count.within``; empty for the whole of it
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.path}: {self.message}" if self.path else f"{self.place}: {self.message}"


class BlockErrors(ValueError):
    """What a kind's parser raises: all problems of its block, as (dot path inside the block or "", message)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in self.problems))


class RuleErrors(ConfigError):
    """All problems of all rules that were loaded together, in order of place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "one problem in the rules" if count == 1 else f"{count} problems in the rules"
        super().__init__("\n  ".join([f"{head}:", *map(str, self.problems)]), hint="see streams/docs/rules.md")


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`` (did you mean 'count'?)`` where a known word is near, else the known words; empty where none are known."""
    choices = sorted(known)
    near = difflib.get_close_matches(str(word)[:40].lower(), choices, n=1)
    if near:
        return f" (did you mean '{near[0]}'?)"
    return f" (known: {', '.join(choices)})" if choices else ""
