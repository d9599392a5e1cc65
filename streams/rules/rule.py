"""A rule, loaded and checked: frozen, with the two hashes that name its meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from streams.model import Severity, content_hash


class KindConfig(Protocol):
    """The ``detect`` block of one kind, parsed: a frozen value (``streams/detect/kinds``)."""

    @property
    def name(self) -> str:
        """The word in the rule file: ``count``."""

    @property
    def within(self) -> int | None:
        """Length of the window in ms; None for kinds without one."""

    def fields(self) -> tuple[str, ...]:
        """Dot paths the kind reads from an event, beyond the rule's key."""

    def document(self) -> dict[str, Any]:
        """The block again, canonical, as it goes into the rule's version."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Severity over the observed value. ``rungs``: (threshold or None, severity, original word), lowest first.

    One word in the file makes a single rung with threshold None. ``falling``: a lower value is worse.
    """

    rungs: tuple[tuple[float | None, Severity, str], ...]
    falling: bool = False

    def at(self, observed: float | None) -> tuple[Severity, str]:
        """Severity and original word for an observed value (the lowest rung where none is reached)."""
        chosen = self.rungs[0]
        if isinstance(observed, (int, float)):
            for rung in self.rungs:
                limit = rung[0]
                if limit is None or (observed <= limit if self.falling else observed >= limit):
                    chosen = rung
        return chosen[1], chosen[2]

    @property
    def top(self) -> float | None:
        """The threshold of the worst rung."""
        return self.rungs[-1][0]


@dataclass(frozen=True)
class Rule:
    """See ``streams/docs/rules.md`` for the language. Durations in ms; templates are ``{dot.path}`` strings."""

    id: str
    title: str
    source: str
    where: Any  #: streams.rules.conditions.Condition
    group_by: tuple[str, ...]
    detect: KindConfig
    severity: Ladder
    type: str
    description: str = ""
    scope: str = "tenant"  #: or "global": the tenant is not part of the key
    cooldown: int = 0
    fold: str = "cooldown"  #: or "until_resolved"
    allowed_lateness: int = 0
    missing: str = "skip"  #: what an absent key field does: "skip" the event, or count as "null"
    active: Any = None  #: streams.rules.active.Active, a gate on the event's local time
    enabled: bool = True
    runbook: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)  #: name -> template
    violation_type: str = ""
    deal_id: str = ""  #: template
    tests: tuple[dict[str, Any], ...] = ()
    document: dict[str, Any] = field(default_factory=dict)  #: the file's content, for control records
    file: str = ""
    line: int = 0

    @cached_property
    def version(self) -> str:
        """Hash of the semantics alone (source, where, key, detect, lateness, gates): a new title changes nothing."""
        where = self.where.document() if self.where is not None else None
        active = self.active.document() if self.active is not None else None
        return content_hash(
            "rule",
            self.id,
            self.source,
            where,
            self.group_by,
            self.scope,
            self.missing,
            active,
            self.allowed_lateness,
            self.detect.name,
            self.detect.document(),
        )[:16]

    @cached_property
    def ref(self) -> str:
        """``id@version``: names the rule's state."""
        return f"{self.id}@{self.version}"

    def is_local(self, partition_by: tuple[str, ...]) -> bool:
        """Whether all events of one key stand in one partition of a source keyed by ``partition_by``."""
        key = {*self.group_by} | ({"tenant"} if self.scope == "tenant" else set())
        return bool(partition_by) and set(partition_by) <= key


@dataclass(frozen=True)
class RuleSet:
    """Rules that are switched as one."""

    rules: tuple[Rule, ...]

    def __hash__(self) -> int:
        return hash(self.version)  # rules hold documents, which have no hash; programs are cached by rule set

    @cached_property
    def version(self) -> str:
        """Hash of every rule in full."""
        return content_hash("ruleset", sorted((rule.document for rule in self.rules), key=lambda d: str(d["id"])))[:16]

    def reading(self, source: str) -> tuple[Rule, ...]:
        """Enabled rules over one source, in order of id."""
        chosen = (rule for rule in self.rules if rule.enabled and rule.source == source)
        return tuple(sorted(chosen, key=lambda rule: rule.id))
