"""Rules over a key that is not their topic's: one setting's copies are those of every other, under another name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from streams.detect.hop import Copy, read
from streams.model import Alert, Finding
from streams.replay.runner import Detected, Replayed
from streams.replay.spool import Spool, Waiting
from streams.replay.tuning.beside import key_text
from streams.rules.rule import Rule, RuleSet
from streams.state.detect.keys import key_of, values_of

#: A tenant's keys in one partition, as they are bounded live: beyond, what goes depends on all that there is.
_MAX_KEYS = 1_000_000
_finding = msgspec.json.Decoder(Finding)
_encode = msgspec.json.Encoder().encode


def spoken_of(result: Replayed, rule: Rule) -> frozenset[bytes] | None:
    """The keys that alerts of the rule are about; None where it has raised, so that more depends on what came."""
    if result.total("rule_errors"):
        return None
    return frozenset(_about(alert) for alert in result.alerts if alert.rule == rule.id)


def _about(alert: Alert) -> bytes:
    return key_text(alert.tenant, tuple(alert.key.values()))


def narrowed(parts: Sequence[Detected], keys: frozenset[bytes] | None) -> list[Detected]:
    """The same with the copies of these keys alone; all of them with None, or where keys are too many to be kept."""
    if keys is None:
        return list(parts)
    seen: set[int] = set()
    made = []
    for part in parts:
        spool = Spool()
        for waiting, copy in _copies(part):
            text = key_text(copy.tenant, values_of(key_of(list(copy.key))))
            seen.add(hash(text))
            if text in keys:
                spool.add(waiting)
        made.append(replace(part, copies=spool))
    return list(parts) if len(seen) >= _MAX_KEYS else made


def renamed(parts: Sequence[Detected], before: RuleSet, after: RuleSet) -> list[Detected]:
    """The same for another setting: copies name the version of each rule, findings that of the rule set."""
    names = {one.ref: other.ref for one, other in zip(before.in_force(), after.in_force(), strict=True)}
    return [
        replace(part, copies=_copies_of(part, names, after.version), findings=_findings_of(part, after.version))
        for part in parts
    ]


def _copies_of(part: Detected, names: Mapping[str, str], version: str) -> Spool:
    spool = Spool()
    for waiting, copy in _copies(part):
        fresh = msgspec.structs.replace(copy, rules=tuple(names[ref] for ref in copy.rules), ruleset=version)
        spool.add(waiting._replace(value=_encode(fresh)))
    return spool


def _findings_of(part: Detected, version: str) -> Spool:
    """Those of rules whose alerts the rule looks at."""
    spool = Spool()
    for waiting in part.findings:
        fresh = msgspec.structs.replace(_finding.decode(waiting.value), ruleset=version)
        spool.add(waiting._replace(value=_encode(fresh)))
    return spool


def _copies(part: Detected) -> Iterator[tuple[Waiting, Copy]]:
    for waiting in part.copies:
        copy = read(waiting.value)
        if isinstance(copy, Copy):  # watermarks are of no use: all copies come first
            yield waiting, copy
