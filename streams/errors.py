"""Errors that a person reads: what is wrong, where, and what to do. The CLI prints them without a traceback."""

from __future__ import annotations

#: Exit statuses. 2 is usage and configuration; 70-74 are a worker's own ends, see ``streams/docs/operations.md``.
USAGE = 2
FAILED = 70  #: a runtime error: nothing was committed, start it again
FENCED = 71  #: another process took this worker's identity: back off before starting again
LOST = 72  #: the group gave this worker's partitions away
MISMATCH = 73  #: the log and the state disagree: a person must look
STALLED = 74  #: the watchdog saw lag grow while the position stood still


class TocsinError(Exception):
    """``message`` says what is wrong and where; ``hint`` what to do next."""

    status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(TocsinError):
    """The configuration, a rule file or the command line is wrong."""

    status = USAGE


class ClusterError(TocsinError):
    """Kafka cannot be reached, refuses us, or does not look as it must."""


class StateMismatch(TocsinError):
    """Log, changelog and committed offsets disagree."""

    status = MISMATCH


class SourceUnavailable(TocsinError):
    """Something that events cannot be read without does not answer, such as a schema registry.

    No event's fault: nothing is refused for it. The process ends without committing, and is to be started again.
    """

    status = FAILED
