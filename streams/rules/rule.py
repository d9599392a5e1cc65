"""A rule, loaded and checked: frozen, with the two hashes that name its meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from streams.model import Severity, content_hash
from streams.rules import template
from streams.rules.conditions import All, Condition
from streams.rules.indicators import NamedList, bound_to
from streams.rules.keyed import KeyField
from streams.rules.throttle import Throttle

#: Stages of a rule: what it finds makes alerts, or is kept for those who try it.
LIVE, SHADOW = "live", "shadow"


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """One way into a rule, as its kind says it: a step, a member, a share. ``by``: in place of the rule's key."""

    where: Condition | None = None  #: beside the rule's own ``where``, which holds for arms of the rule's source
    source: str = ""  #: empty: the rule's own
    by: tuple[KeyField, ...] | None = None

    def document(self) -> dict[str, Any]:
        """Canonical, for the rule's version."""
        return {
            "where": None if self.where is None else self.where.document(),
            "source": self.source,
            "by": None if self.by is None else [part.text for part in self.by],
        }


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition under which events reach a rule. Most rules have one; an event may come in by several."""

    rule: Rule
    number: int
    source: str
    where: Condition
    key: tuple[KeyField, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """A series for dashboards: the number that the kind measures, for each key, under the names of the key's parts.

    At most ``max_series`` keys in each partition, those that came first; how many were left out is counted.
    """

    name: str  #: of the label ``series``
    max_series: int = 100


class KindConfig(Protocol):
    """The ``detect`` block of one kind, parsed: a frozen value (``streams/detect/kinds``)."""

    @property
    def name(self) -> str:
        """The word in the rule file: ``count``."""

    @property
    def within(self) -> int | None:
        """Length of the window in ms; None for kinds without one."""

    @property
    def timed(self) -> bool:
        """Whether time alone may bring about findings (``streams.detect.base.Timed``)."""

    def arms(self) -> tuple[ArmSpec, ...]:
        """The ways into the rule; empty: its ``where`` alone, as arm 0."""

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
    where: Condition
    key: tuple[KeyField, ...]
    detect: KindConfig
    severity: Ladder
    type: str
    description: str = ""
    scope: str = "tenant"  #: or "global": the tenant is not part of the key
    cooldown: int = 0
    fold: str = "cooldown"  #: or "until_resolved"
    fingerprint: tuple[str, ...] = ()  #: fields that decide with the key which findings fold together
    resolve_after: int = 0  #: an alert without findings for so long resolves, ms; 0: it does not
    allowed_lateness: int = 0
    missing: str = "skip"  #: what an absent key field does: "skip" the event, or count as "null"
    active: Any = None  #: streams.rules.active.Active, a gate on the event's local time
    throttle: Throttle | None = None  #: limits on its alerts, for the alert stage
    enabled: bool = True
    stage: str = LIVE  #: or SHADOW: it runs, and nobody is told what it finds
    runbook: str = ""
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()  #: what it rests on; for the catalogue, as the next
    false_positives: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)  #: name -> template
    violation_type: str = ""
    deal_id: str = ""  #: template
    tests: tuple[dict[str, Any], ...] = ()
    document: dict[str, Any] = field(default_factory=dict)  #: the file's content, for control records
    file: str = ""
    line: int = 0
    variant: str = ""  #: the tenant for which a setting is overridden
    overridden: str = ""  #: which settings are not the file's own, and for whom (``streams.rules.overrides``)
    max_keys: int = 0  #: of a tenant, in one partition; 0: as configured
    max_memory: int = 0  #: bytes, of a tenant, in one partition; 0: no such bound
    export: Export | None = None
    lists: Mapping[str, NamedList] = field(default_factory=dict, compare=False, repr=False)  #: bound (``rules.lists``)

    @property
    def is_shadow(self) -> bool:
        """Whether it is only being tried: its findings go to a topic of their own, and make no alerts."""
        return self.stage == SHADOW

    @property
    def group_by(self) -> tuple[str, ...]:
        """The names of the parts of the key."""
        return tuple(part.name for part in self.key)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The ways into the rule, over all its sources; at least one."""
        return tuple(
            Arm(self, number, spec.source or self.source, self._where(spec), self.key if spec.by is None else spec.by)
            for number, spec in enumerate(self.detect.arms() or (ArmSpec(),))
        )

    def _where(self, spec: ArmSpec) -> Condition:
        own = self.where if spec.source in ("", self.source) else All(())
        where = own if spec.where is None else All((own, spec.where))
        return bound_to(where, self.lists) if self.lists else where

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The sources it reads, its own first."""
        return tuple(dict.fromkeys((self.source, *(arm.source for arm in self.arms))))

    @cached_property
    def captures(self) -> tuple[str, ...]:
        """Fields that its templates need of the last event, where time alone may complete the condition."""
        if not self.detect.timed:
            return ()
        texts = (self.title, self.description, self.deal_id, *self.metadata.values())
        found = dict.fromkeys(path for text in texts for _, path in template.parse(text) if path)
        return tuple(
            path for path in dict.fromkeys((*found, *self.fingerprint, "correlation_id")) if path not in self.group_by
        )

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
            [part.written for part in self.key],
            self.scope,
            self.missing,
            active,
            self.allowed_lateness,
            self.detect.name,
            self.detect.document(),
        )[:16]

    @cached_property
    def ref(self) -> str:
        """``id@version``: names the rule's state; that of a tenant with a setting of its own: ``id@version~tenant``."""
        return f"{self.id}@{self.version}" + (f"~{self.variant}" if self.variant else "")

    def is_local(self, partition_by: tuple[str, ...]) -> bool:
        """Whether all events of one key stand in one partition of its source, which is keyed by ``partition_by``."""
        return bool(partition_by) and self.why_not_local(partition_by) is None

    def why_not_local(self, partition_by: tuple[str, ...]) -> str | None:
        """What sends its events over ``rekeyed``; None where they can stay."""
        if len({arm.source for arm in self.arms}) > 1:
            return f"it reads {' and '.join(dict.fromkeys(arm.source for arm in self.arms))}"
        if not partition_by:
            return "nothing is known of how the source is partitioned"
        for name in partition_by:
            if name == "tenant" and self.scope == "tenant":
                continue
            places = [[part.text if part.is_field else None for part in arm.key] for arm in self.arms]
            if not all(name in place for place in places):
                return f"the source is partitioned by {name}, which is no part of the key as it stands"
            if len({place.index(name) for place in places}) > 1:
                return f"{name} stands for different parts of the key in its steps"
        return None


@dataclass(frozen=True)
class RuleSet:
    """Rules that are switched as one. ``variants``: of a rule id, by tenant; None where it is off for the tenant."""

    rules: tuple[Rule, ...]
    variants: Mapping[str, Mapping[str, Rule | None]] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)  #: the document that ``rules`` and ``variants`` follow
    lists: Mapping[str, str] = field(default_factory=dict)  #: in use and bound: the version of each

    def __hash__(self) -> int:
        return hash(self.version)  # rules hold documents, which have no hash

    @cached_property
    def identity(self) -> str:
        """What programs are cached by: the version, with those of the lists that are bound."""
        lists = "".join(f" {name}@{version}" for name, version in sorted(self.lists.items()))
        return self.version + lists

    @cached_property
    def version(self) -> str:
        """Hash of every rule in full, and of what is overridden in them."""
        rules = sorted((rule.document for rule in self.rules), key=lambda d: str(d["id"]))
        return content_hash("ruleset", rules, *([self.overrides] if self.overrides else ()))[:16]

    def reading(self, source: str) -> tuple[Rule, ...]:
        """Enabled rules over one source, in order of id."""
        chosen = (rule for rule in self.rules if rule.enabled and any(arm.source == source for arm in rule.arms))
        return tuple(sorted(chosen, key=lambda rule: rule.id))

    def arms(self, source: str) -> tuple[Arm, ...]:
        """The ways into the enabled rules from one source, in order of rule and number."""
        return tuple(arm for rule in self.reading(source) for arm in rule.arms if arm.source == source)

    def in_force(self) -> Iterator[Rule]:
        """Every enabled rule, and its variants."""
        for rule in self.rules:
            if rule.enabled:
                yield rule
                yield from (variant for variant in self.variants.get(rule.id, {}).values() if variant is not None)
