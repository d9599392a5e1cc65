"""The catalogue of the shipped rules, a page a domain: out of the rule files, with figures that were measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.detect.kinds.python import Python
from streams.model import Severity
from streams.reference.prose import anchor, table
from streams.rules.chains import ALERTS
from streams.rules.durations import format_duration
from streams.rules.lists import names_in
from streams.rules.rule import Rule, RuleSet

#: Domain -> how its page begins.
DOMAINS: Final = {
    "audit": "Audit: who signs in, who may do what, who takes data along",
    "trade": "Trade: manipulation of markets, and limits of desks",
    "chain": "Chain: MEV, attacks on contracts and users, and the consensus",
    "ops": "Platform: hosts, services, and the business figures they report",
}
PAGES: Final = "catalogue"
_encode = msgspec.json.Encoder().encode
_ORDER = {severity: place for place, severity in enumerate(Severity)}


def pages(ruleset: RuleSet, partition_by: Mapping[str, tuple[str, ...]], figures: Mapping[str, Any]) -> dict[str, str]:
    """The pages by their names below ``streams/docs``. ``partition_by``: of each source; ``figures``: as measured."""
    measured = {one["rule"]: one for one in figures.get("rules", ())}
    found: dict[str, list[Rule]] = {name: [] for name in DOMAINS}
    for rule in sorted(ruleset.rules, key=lambda rule: rule.id):
        found.setdefault(rule.id.partition(".")[0], []).append(rule)
    return {
        f"{PAGES}/{domain}.md": "\n".join(_page(domain, rules, partition_by, measured)) + "\n"
        for domain, rules in found.items()
        if rules
    }


def _page(
    domain: str, rules: Sequence[Rule], partition_by: Mapping[str, tuple[str, ...]], measured: Mapping[str, Any]
) -> Iterator[str]:
    yield f"# {DOMAINS.get(domain, domain)}"
    yield ""
    yield (
        f"Made by `tocsin rules catalogue --write` from the {len(rules)} rules in `streams/packs/{domain}`; do not "
        "edit. Every threshold below is a default: `overrides` in `tocsin.yaml` change it, for all or for one tenant."
    )
    rows = (
        (f"[{rule.id}](#{anchor(rule.id)})", _first(rule), _words(rule), *_short(measured.get(rule.id)))
        for rule in rules
    )
    yield from ("", *table(("rule", "finds", "severity", "recall", "false a million"), rows))
    for rule in rules:
        yield from ("", f"## {rule.id}", "", *_rule(rule, domain, partition_by, measured.get(rule.id)))


def _rule(
    rule: Rule, domain: str, partition_by: Mapping[str, tuple[str, ...]], figures: Mapping[str, Any] | None
) -> Iterator[str]:
    yield f"`{rule.title}`" + ("" if rule.enabled else " (off unless it is enabled)")
    yield ""
    yield _plain(rule.description)
    yield ""
    yield f"- Needs: {_needs(rule)}."
    yield f"- Key: {_listed(('tenant', *rule.group_by) if rule.scope == 'tenant' else rule.group_by) or 'one for all'}."
    yield f"- Asks for: `{rule.detect.name}` {_settings(rule)}."
    yield f"- Severity: {_ladder(rule)}. {_cooldown(rule)}"
    yield f"- Route: {_route(rule, partition_by)}."
    if names := names_in(rule):
        yield f"- Lists: {_listed(names)}; a list that was never applied holds nothing."
    if rule.false_positives:
        yield f"- Harmless causes: {'; '.join(text.rstrip('.') for text in rule.false_positives)}."
    if rule.references:
        yield f"- Rests on: {'; '.join(text.rstrip('.') for text in rule.references)}."
    yield f"- Measured: {_measured(figures)}."
    if rule.runbook:
        yield f"- [What to do](../../packs/{domain}/{rule.runbook})."


def _needs(rule: Rule) -> str:
    """Every field of an event that conditions, key and kind read, for all ways in, by source."""
    sources: dict[str, dict[str, None]] = {name: {} for name in rule.sources}
    for arm in rule.arms:
        named = [path for leaf in arm.where.leaves() for path in leaf.paths]
        named += (path for part in arm.key for path in part.paths)
        sources[arm.source] |= dict.fromkeys(named)
    kind = rule.detect
    sources[rule.source] |= dict.fromkeys(kind.needs() if isinstance(kind, Python) else kind.fields())
    told = (f"{'our own alerts' if name == ALERTS else f'`{name}` events'} with {_listed(read)}"
            for name, read in sources.items())  # fmt: skip
    return "; ".join(told)


def _settings(rule: Rule) -> str:
    """The ``detect`` block as it is written, on one line; what steps and conditions say is in the rule file."""
    block = rule.document["detect"][rule.detect.name] or {}
    if rule.detect.name == "python":
        return f"`{block['class']}` with {_pairs(block.get('settings') or {})}"
    return _pairs(block)


def _pairs(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in settings.items()) or "nothing more"


def _shown(value: Any) -> str:
    """Steps and members by their names, conditions as such."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return " → ".join(str(one.get("name") or number) for number, one in enumerate(value, 1))
    if isinstance(value, dict) and not value.keys() <= {"field", "times", "plus"}:
        return "(a condition)"
    return f"`{_value(value)}`"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _ladder(rule: Rule) -> str:
    beyond = "at most" if rule.severity.falling else "from"
    told = []
    for limit, severity, word in rule.severity.rungs:
        name = severity.value if word == severity.value else f"{word} ({severity.value})"
        told.append(name if limit is None else f"{name} {beyond} {limit:g}")
    return ", ".join(told)


def _cooldown(rule: Rule) -> str:
    if rule.fold == "until_resolved":
        return "Folds until it is resolved."
    return f"Folds for {format_duration(rule.cooldown)}." if rule.cooldown else "Every finding is an alert."


def _route(rule: Rule, partition_by: Mapping[str, tuple[str, ...]]) -> str:
    why = rule.why_not_local(partition_by.get(rule.source, ()))
    return "local, at once" if why is None else f"over `rekeyed`, once the watermark has passed, as {why}"


def _measured(figures: Mapping[str, Any] | None) -> str:
    if figures is None or not (figures["alerts"] or figures["attacks"] or figures["look_alikes"]):
        return "not yet"
    wrong = figures["false"]
    told = [f"{figures['found']} of {figures['attacks']} attacks found"]
    told += (
        f"{wrong[name] or 'none'} of {figures[of]} {words} taken for one"
        for name, of, words in (
            ("near_miss", "near_misses", "near misses"),
            ("look_alike", "look_alikes", "look-alikes"),
        )
    )
    told.append(f"{figures['per_million'] or 0:g} false alerts a million background events")
    return "; ".join(told)


def _short(figures: Mapping[str, Any] | None) -> tuple[str, str]:
    if figures is None:
        return "", ""
    recall = "" if figures["recall"] is None else f"{figures['recall']:.2f}"
    return recall, "" if figures["per_million"] is None else f"{figures['per_million']:g}"


def _words(rule: Rule) -> str:
    found = dict.fromkeys(severity for _, severity, _ in rule.severity.rungs)
    return " to ".join(dict.fromkeys(str(one.value) for one in (min(found, key=_rank), max(found, key=_rank))))


def _rank(severity: Severity) -> int:
    return -_ORDER[severity]


def _first(rule: Rule) -> str:
    """The first sentence of the description."""
    text = _plain(rule.description)
    sentence, stop, _ = text.partition(". ")
    return sentence + "." if stop else text


def _plain(text: str) -> str:
    """A template for readers: the names of fields in italics."""
    return " ".join(text.replace("{{", "\0").replace("}}", "\1").replace("{", "*").replace("}", "*").split()).replace(
        "\0", "{"
    ).replace("\1", "}")  # fmt: skip


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def files_below(docs: Path) -> dict[str, str]:
    """The committed pages, by name."""
    return {f"{PAGES}/{file.name}": file.read_text(encoding="utf-8") for file in sorted((docs / PAGES).glob("*.md"))}
