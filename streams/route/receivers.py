"""A receiver takes the alerts that are bad enough and of its concern, and says how it wants to be told."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from streams.model import Alert, Severity, severity_rank


class Receiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``name`` is the name of a notifier sink. Every matcher that is given must hold; one that is empty holds always.

    ``rules`` are rule ids; ``audit.*`` stands for every id that begins with ``audit.``.
    """

    name: str
    min_severity: Severity = Severity.INFO
    types: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  #: one of them suffices
    oncall: str = ""  #: a rotation: who is on call goes along in ``to``
    fallback: str = ""  #: the receiver that is told where this one cannot be reached for good
    send_resolved: bool = True
    digest: str = ""  #: a crontab line: told at these times only, all together
    timezone: str = "UTC"  #: of ``digest``
    batch: int = 0  #: told so many at a time, or after ``batch_wait``; 0: each by itself
    batch_wait: int = 5_000  #: ms

    def takes(self, alert: Alert) -> bool:
        """Whether this receiver wants to hear of ``alert``."""
        return (
            severity_rank(alert.severity) >= severity_rank(self.min_severity)
            and (not self.types or alert.type in self.types)
            and (not self.sources or alert.source in self.sources)
            and (not self.tags or any(tag in self.tags for tag in alert.tags))
            and (not self.rules or any(_names(pattern, alert.rule) for pattern in self.rules))
        )


def _names(pattern: str, rule: str) -> bool:
    return rule.startswith(pattern[:-1]) if pattern.endswith("*") else rule == pattern


def reached(receivers: Iterable[Receiver], alert: Alert) -> tuple[str, ...]:
    """Names of the receivers that take ``alert``, in the order of the policy."""
    return tuple(receiver.name for receiver in receivers if receiver.takes(alert))
