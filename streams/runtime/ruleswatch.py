"""Rule files that are watched: what stands in them comes into force whenever it changes, if it is whole and passes.

A file is looked at again once nothing has changed between two looks, so that what an editor is writing is not taken for
a rule. A set with any problem is refused whole: what was in force goes on, and the metric, the log and ``refused`` say
so until the files are mended. Who applies rules by hand is not overruled before a file changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from streams import telemetry
from streams.errors import ClusterError, TocsinError
from streams.rules.rule import RuleSet

#: Seconds between two looks.
EVERY = 2.0
_MAX_TOLD = 20

#: Everything below the watched paths: (path, inode, mtime in ns, size).
_Sight = frozenset[tuple[str, int, int, int]]


class Look(StrEnum):
    """What came of one look."""

    UNCHANGED = "unchanged"
    SETTLING = "settling"  #: something has changed since the look before; wait for it to stand still
    REFUSED = "refused"
    IN_FORCE = "in force"  #: what changed makes no difference
    APPLIED = "applied"
    FAILED = "failed"  #: the cluster could not be written to; tried again at the next look


class RulesWatch:
    """``load`` gives the rules as they are to be, tested and with overrides, and raises TocsinError for what is wrong;
    ``in_force`` the version of the set in force; ``apply`` brings a set into force and returns its control position.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        load: Callable[[], RuleSet],
        in_force: Callable[[], str],
        apply: Callable[[RuleSet], int],
    ) -> None:
        self.refused: TocsinError | None = None  #: what is wrong with the files as they stand
        self._paths, self._load, self._in_force, self._apply = tuple(paths), load, in_force, apply
        self._seen: _Sight | None = None  # at the look before
        self._done: _Sight | None = None  # what was last dealt with
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ruleswatch", daemon=True)

    def start(self) -> None:
        telemetry.RULES_FILE_REFUSED.set(0)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def look(self) -> Look:
        """Look once."""
        sight = frozenset(_below(self._paths))
        if sight == self._done:
            self._seen = sight
            return Look.UNCHANGED
        settled, self._seen = sight == self._seen, sight
        if not settled:
            return Look.SETTLING
        try:
            ruleset = self._load()
        except TocsinError as error:
            if frozenset(_below(self._paths)) != sight:
                return Look.SETTLING  # it was written to while it was read
            self._refuse(error)
            self._done = sight
            return Look.REFUSED
        try:
            return self._take(ruleset, sight)
        except ClusterError as error:
            telemetry.log.error("rules from files were not applied; trying again", error=error.message)
            return Look.FAILED

    def _take(self, ruleset: RuleSet, sight: _Sight) -> Look:
        before = self._in_force()
        position = self._apply(ruleset) if ruleset.version != before else None
        self._done, self.refused = sight, None
        telemetry.RULES_FILE_REFUSED.set(0)
        if position is None:
            return Look.IN_FORCE
        telemetry.log.info(
            "rules from files applied", ruleset=ruleset.version, before=before, position=position,
            rules=len(ruleset.rules),
        )  # fmt: skip
        return Look.APPLIED

    def _refuse(self, error: TocsinError) -> None:
        self.refused = error
        telemetry.RULES_FILE_REFUSED.set(1)
        problems = [str(problem) for problem in getattr(error, "problems", ())] or [error.message]
        telemetry.log.error(
            "rule files refused; what was in force goes on", in_force=self._in_force(), problems=problems[:_MAX_TOLD],
            more=max(0, len(problems) - _MAX_TOLD),
        )  # fmt: skip

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            try:
                self.look()
            except Exception as error:  # whoever edits files next finds it watching
                telemetry.log.error("rule files could not be looked at", error=f"{type(error).__name__}: {error}")


def _below(paths: Iterable[Path]) -> Iterator[tuple[str, int, int, int]]:
    """Whatever may matter: rules and what stands beside them, through links, as a mounted ConfigMap changes by one."""
    for path in paths:
        for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
            try:
                there = file.stat()
            except OSError:
                yield str(file), 0, 0, -1  # gone between two looks, or it cannot be read
            else:
                yield str(file), there.st_ino, there.st_mtime_ns, there.st_size
