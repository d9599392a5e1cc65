"""What becomes of a rule: which way its events go, by which key, how long they count, and the program made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import msgspec

from streams.detect.base import Kind
from streams.model import Source
from streams.replay.rules.coverage import condition_text
from streams.rules.compiled import compiled
from streams.rules.compiled.filing import filed
from streams.rules.compiled.projection import Projection
from streams.rules.durations import format_duration
from streams.rules.lists import names_in
from streams.rules.rule import Arm, Rule, RuleSet
from streams.rules.testing import cases


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way into the rule. ``filed``: (field, values, ways that share the place), outermost table first."""

    source: str
    topic: str
    condition: str
    key: tuple[str, ...]
    filed: tuple[tuple[str, tuple[Any, ...], int], ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as the engine sees it; durations as text."""

    id: str
    title: str
    file: str
    version: str
    ruleset: str
    enabled: bool
    kind: str
    settings: dict[str, Any]
    key: str
    local: bool
    why: str  #: what decides the way: the partitioning, or what stands against it
    ways: tuple[Way, ...]
    window: str
    retention: str
    severity: str
    cooldown: str
    reads: tuple[str, ...]
    lists: tuple[str, ...]
    overridden: tuple[str, ...]  #: for everybody, then for tenants
    tests: tuple[str, ...]
    matchers: dict[str, str]  #: by source: the generated text, for this rule alone


def explain(rule: Rule, ruleset: RuleSet, sources: Mapping[str, Source]) -> Explanation:
    """``rule`` is one of ``ruleset``, which decides how the index files it; ``sources`` by name, as configured."""
    own = sources.get(rule.source)
    partition_by = own.partition_by if own is not None else ()
    against = rule.why_not_local(partition_by)
    return Explanation(
        id=rule.id,
        title=rule.title,
        file=f"{rule.file}:{rule.line}",
        version=rule.version,
        ruleset=ruleset.version,
        enabled=rule.enabled,
        kind=rule.detect.name,
        settings=rule.detect.document(),
        key=_key(rule),
        local=against is None,
        why=against or f"{rule.source} is partitioned by {', '.join(partition_by)}, all of it part of the key",
        ways=tuple(_ways(rule, ruleset, sources)),
        window=_window(rule),
        retention=_retention(rule),
        severity=_severity(rule),
        cooldown=format_duration(rule.cooldown),
        reads=_reads(rule),
        lists=names_in(rule),
        overridden=tuple(_overridden(rule, ruleset)),
        tests=tuple(case.name for case in cases(rule)),
        matchers={name: _matcher(rule, sources.get(name) or Source(name, f"{name}.events")) for name in rule.sources},
    )


def _key(rule: Rule) -> str:
    parts = [*(["tenant"] if rule.scope == "tenant" else []), *(part.text for part in rule.key)]
    absent = "counts as null" if rule.missing == "null" else "is skipped"
    without = f"; an event that lacks a part {absent}" if rule.key else ""
    return f"{', '.join(parts) or 'one key for everything'}{without}"


def _ways(rule: Rule, ruleset: RuleSet, sources: Mapping[str, Source]) -> Iterator[Way]:
    for arm in rule.arms:
        arms = ruleset.arms(arm.source) if rule.enabled else rule.arms
        mine = next((other for other in arms if (other.rule.id, other.number) == (rule.id, arm.number)), None)
        tables = filed(arms, mine) if mine is not None else []
        source = sources.get(arm.source)
        yield Way(
            source=arm.source,
            topic=source.topic if source is not None else "",
            condition=condition_text(arm.where),
            key=tuple(part.text for part in arm.key),
            filed=tuple((table.path, table.values[:20], table.sharing) for table in tables),
        )


def _window(rule: Rule) -> str:
    within = rule.detect.within
    words = "no window" if within is None else f"{format_duration(within)} of event time"
    if rule.active is not None:
        words += "; only at the hours of `active`, by event time"
    return words


def _retention(rule: Rule) -> str:
    kind = cast(Kind, rule.detect)
    late = f" and {format_duration(rule.allowed_lateness)} of allowed lateness" if rule.allowed_lateness else ""
    words = f"an event counts until the watermark has passed it by {format_duration(kind.keeps)}{late}"
    return f"{words}; later it goes to `late`" if kind.refuses_late else f"{words}; by itself it counts however late"


def _severity(rule: Rule) -> str:
    sign = "≤" if rule.severity.falling else "≥"
    return ", ".join(word if at is None else f"{word} {sign} {at:g}" for at, _, word in rule.severity.rungs)


def _reads(rule: Rule) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for arm in rule.arms for path in _paths(arm)))


def _paths(arm: Arm) -> tuple[str, ...]:
    leaves = (path for leaf in arm.where.leaves() for path in leaf.paths)
    key = (path for part in arm.key for path in part.paths)
    return tuple(dict.fromkeys((*leaves, *key, *arm.rule.detect.fields(), *arm.rule.captures)))


def _overridden(rule: Rule, ruleset: RuleSet) -> Iterator[str]:
    if rule.overridden:
        yield rule.overridden
    for tenant, variant in ruleset.variants.get(rule.id, {}).items():
        yield variant.overridden if variant is not None else f"for {tenant}: off"


def _matcher(rule: Rule, source: Source) -> str:
    arms = RuleSet((rule,)).arms(source.name)
    if not arms:
        return "# switched off: no program is made of it\n"
    paths = dict.fromkeys(path for arm in arms for path in _paths(arm))
    projection = Projection(paths)
    legend = "".join(f"# {projection.source(path)} = the event's {path}\n" for path in paths)
    return legend + compiled(RuleSet((rule,)), replace(source, mapping=None)).source_code
