"""From the document of one rule to the rule: every check a single rule can fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streams.rules import active, template, testing, throttle
from streams.rules.active import parse_active
from streams.rules.block import Block, paths, texts
from streams.rules.conditions import ALWAYS, Condition, Leaf, conjuncts
from streams.rules.durations import shown
from streams.rules.keyed import parse_key
from streams.rules.ladder import parse_ladder
from streams.rules.never import why_never
from streams.rules.option import Option
from streams.rules.problems import BlockErrors, did_you_mean
from streams.rules.rule import LIVE, SHADOW, Arm, Export, KindConfig, Ladder, Rule
from streams.rules.testing import check_tests
from streams.rules.throttle import parse_throttle
from streams.rules.where import parse_where

#: Parsers of the ``detect`` block by the word that names the kind. They raise ``BlockErrors``.
Kinds = Mapping[str, Callable[[Mapping[str, Any]], KindConfig]]

TYPES = ("security", "compliance", "performance", "system", "metrics")
#: Where a rule names none and its kind has no window.
COOLDOWN = 15 * 60_000
#: Rule ids that the engine itself speaks under.
RESERVED = "tocsin."

BUDGET_OPTIONS = (
    Option("keys", "integer", "", "at most so many keys; one of the two must be there"),
    Option("memory", "size", "", "at most so much, such as 64MiB"),
)
EXPORT_OPTIONS = (
    Option("name", "series", None, "of the series `tocsin_rule_<name>`: lower-case words joined by underscores"),
    Option("max_series", "integer", "100", "keys in each partition that have a series; those that came first"),
)
#: Every key that ``parse_rule`` knows, in the order of the reference page.
KEYS = (
    Option("id", "id", None, f"lower-case words joined by `.` `-` `_`; stands once; `{RESERVED}` is reserved"),
    Option("title", "template", None, "what the alert says"),
    Option("source", "source", None, "`audit`, `trade`, `chain`, `metric`, `alerts`, or a source of your own"),
    Option("where", "condition", "every event", "which events are looked at"),
    Option("group_by", "key", "none", "fields and key expressions; with the tenant they are the key. State, alerts and "
           "cooldown are per key"),
    Option("scope", "one of tenant, global", "tenant", "`global`: the tenant is no part of the key"),
    Option("missing", "one of skip, null", "skip", "an event that lacks a field of the key, or has null there: `skip` "
           'it, or count it as `"null"`'),
    Option("detect", "kind", None, "one kind with its settings"),
    Option("severity", "severity", None, "a word, or words with the observed value from which each holds"),
    Option("type", f"one of {', '.join(TYPES)}", None, "what the alert is about"),
    Option("cooldown", "duration", "the kind's `within`, else 15m", "findings within it, counted from the alert's "
           "opening, fold into that alert"),
    Option("fold", "one of cooldown, until_resolved", "cooldown", "`until_resolved`: fold for as long as the alert is "
           "open"),
    Option("fingerprint", "fields", "[]", "fields that decide with the key which findings fold together; a missing one "
           "counts as null"),
    Option("resolve_after", "duration", "never", "an alert without findings for so long resolves by itself"),
    Option("allowed_lateness", "duration", "0s", "how long after its window an event may come and still count"),
    Option("active", "block", "always", "days and hours in which events count, by event time", active.OPTIONS),
    Option("enabled", "flag", "true", "whether it is in force"),
    Option("stage", "one of live, shadow", "live", "`shadow`: it is only tried; what it finds goes to the topic "
           "`shadow`, makes no alert and is told to nobody"),
    Option("throttle", "block", "none", "limits on what is told of its alerts; of those beyond nobody is told",
           throttle.OPTIONS),
    Option("budget", "block", "as configured", "the most state that it keeps of a tenant in one partition; beyond it "
           "the oldest keys are evicted, counted, and marked on later alerts", BUDGET_OPTIONS),
    Option("export", "block", "none", "a series for dashboards: the number that the kind measures, for each key",
           EXPORT_OPTIONS),
    Option("description", "template", "", "what it means and what to do"),
    Option("violation_type", "text", "", "carried on the alert as it is"),
    Option("deal_id", "template", "", "carried on the alert"),
    Option("metadata", "templates", "{}", "names with templates, carried on the alert"),
    Option("runbook", "text", "", "a page for the person on call, carried on the alert as it is"),
    Option("tags", "texts", "[]", "carried on the alert as they are"),
    Option("references", "texts", "[]", "what it rests on: techniques, regulations, papers; for the catalogue"),
    Option("false_positives", "texts", "[]", "what is harmless and may look like it; for the catalogue"),
    Option("tests", "tests", None, "at least one must expect something", testing.CASE_OPTIONS),
)  # fmt: skip

_ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_SOURCE = re.compile(r"[a-z][a-z0-9_-]*")
_SERIES = re.compile(r"[a-z][a-z0-9_]{0,99}")
_SIZE = re.compile(r"([0-9]{1,6})(KiB|MiB|GiB)")
#: How the texts are written that the schema can check, by the word in ``Option.takes``.
PATTERNS = {
    "id": f"^{_ID.pattern}$",
    "source": f"^{_SOURCE.pattern}$",
    "series": f"^{_SERIES.pattern}$",
    "size": f"^{_SIZE.pattern}$",
}
_POWERS = {"KiB": 10, "MiB": 20, "GiB": 30}
SIZE_UNITS = tuple(_POWERS)
_MAX_ID = 100
_MAX_METADATA = 32


def parse_rule(document: Mapping[str, Any], kinds: Kinds, file: str = "", line: int = 0) -> Rule:
    """The rule a document describes. Raises ``BlockErrors`` with all its problems."""
    block = Block(document)
    where: Condition = block.read("where", parse_where, ALWAYS)
    kind = block.read("detect", lambda raw: _kind(raw, kinds))
    falling = bool(getattr(kind, "falling", False))
    ladder: Ladder = block.read("severity", lambda raw: parse_ladder(raw, falling=falling))
    scope = block.choice("scope", ("tenant", "global"), "tenant")
    key = block.read("group_by", parse_key, ())
    missing = "null" if block.raw("missing", "skip") is None else block.choice("missing", ("skip", "null"), "skip")
    within = getattr(kind, "within", None)
    budget = block.read("budget", _budget, (0, 0))
    rule = Rule(
        id=block.read("id", _id),
        title=_template(block, "title", required=True),
        source=block.read("source", _source),
        where=where,
        key=key,
        detect=kind,
        severity=ladder,
        type=block.choice("type", TYPES),
        description=_template(block, "description", longest=4_000),
        scope=scope,
        cooldown=block.duration("cooldown", COOLDOWN if within is None else within),
        fold=block.choice("fold", ("cooldown", "until_resolved"), "cooldown"),
        fingerprint=block.read("fingerprint", paths, ()),
        resolve_after=block.duration("resolve_after", 0),
        allowed_lateness=block.duration("allowed_lateness", 0),
        missing=missing,
        active=block.read("active", parse_active, None),
        throttle=block.read("throttle", parse_throttle, None),
        enabled=block.flag("enabled", True),
        stage=block.choice("stage", (LIVE, SHADOW), LIVE),
        runbook=block.text("runbook", ""),
        tags=block.read("tags", texts, ()),
        references=block.read("references", texts, ()),
        false_positives=block.read("false_positives", texts, ()),
        metadata=block.read("metadata", _metadata, {}),
        violation_type=block.text("violation_type", ""),
        deal_id=_template(block, "deal_id"),
        tests=block.read("tests", check_tests),
        document=dict(document) if isinstance(document, Mapping) else {},
        file=file,
        line=line,
        max_keys=budget[0],
        max_memory=budget[1],
        export=block.read("export", _export, None),
    )
    for path, message in _between(rule):
        block.problem(path, message)
    block.check()
    return rule


def _between(rule: Rule) -> Iterator[tuple[str, str]]:
    """What no block can tell by itself. Blocks that are wrong in themselves are None."""
    if rule.scope == "tenant" and "tenant" in rule.group_by:
        yield "group_by", "names tenant, which is always part of the key unless the rule says scope: global"
    if rule.where is not None and rule.detect is not None and rule.key is not None and rule.source is not None:
        yield from _ways_in(rule)
    made = getattr(rule.detect, "detector", None)
    if rule.export is not None and made is not None and rule.severity is not None and not hasattr(
        made(rule.severity), "measure"
    ):  # fmt: skip
        yield "export", f"has no number to show for {rule.detect.name}: count, aggregate and ratio have one"
    against = getattr(rule.detect, "against", None)
    if rule.severity is not None and against is not None:
        for message in against(rule.severity):
            yield "severity", message


def _ways_in(rule: Rule) -> Iterator[tuple[str, str]]:
    for arm, spec in zip(rule.arms, rule.detect.arms() or (None,), strict=True):
        place = "where" if spec is None else f"detect.{rule.detect.name}"
        which = "" if spec is None else f"part {arm.number + 1} "
        if len(arm.key) != len(rule.key):
            yield place, f"{which}names {len(arm.key)} fields in 'by' where group_by has {len(rule.key)}"
        if reason := why_never(arm.where) or _keyless(rule, arm):
            yield place, f"{which}can never match: {reason}"


def _keyless(rule: Rule, arm: Arm) -> str | None:
    fields = {part.text for part in arm.key if part.is_field}
    for part in conjuncts(arm.where) if rule.missing == "skip" else ():
        if not isinstance(part, Leaf) or part.path not in fields:
            continue
        if (part.op, part.operand) in (("exists", False), ("eq", None)):
            return f"an event without {part.path} has no key, unless the rule says missing: null"
    return None


def _kind(raw: Any, kinds: Kinds) -> KindConfig:
    if not isinstance(raw, Mapping) or len(raw) != 1:
        raise ValueError(
            f"takes one kind with its settings, such as {{count: {{at_least: 5, within: 10m}}}}, not {shown(raw)}"
        )
    ((name, settings),) = raw.items()
    parser = kinds.get(name)
    if parser is None:
        raise BlockErrors([(str(name)[:60], f"is not a kind{did_you_mean(name, kinds)}")])
    try:
        return parser({} if settings is None else settings)
    except BlockErrors as errors:
        raise BlockErrors(
            [(f"{name}.{path}" if path else name, message) for path, message in errors.problems]
        ) from None
    except ValueError as error:
        raise BlockErrors([(name, str(error))]) from None


def _id(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_ID or not _ID.fullmatch(value):
        raise ValueError(
            f"takes lower-case words joined by . - or _, such as audit.failed-login-burst, not {shown(value)}"
        )
    if value.startswith(RESERVED):
        raise ValueError(f"begins with {RESERVED}, which is kept for what the engine itself reports")
    return value


def _source(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_ID or not _SOURCE.fullmatch(value):
        raise ValueError(f"takes the name of a source, such as audit, not {shown(value)}")
    return value


def _budget(value: Any) -> tuple[int, int]:
    block = Block(value)
    keys = block.integer("keys", 0, least=1, most=1_000_000_000)
    memory = block.read("memory", _size, 0)
    if not keys and not memory:
        block.problem("", "names neither keys nor memory")
    block.check()
    return keys, memory


def _size(value: Any) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise ValueError(f"takes a size such as 64MiB, not {shown(value)}")
    return int(match[1]) << _POWERS[match[2]]


def _export(value: Any) -> Export:
    block = Block(value)
    name = block.text("name")
    if name and not _SERIES.fullmatch(name):
        block.problem("name", "takes lower-case words joined by underscores, such as trade_volume")
    most = block.integer("max_series", 100, least=1, most=10_000)
    block.check()
    return Export(name, most)


def _template(block: Block, name: str, *, required: bool = False, longest: int = 500) -> str:
    text = block.text(name, longest=longest) if required else block.text(name, "", longest=longest)
    try:
        template.parse(text or "")
    except ValueError as error:
        block.problem(name, str(error))
    return text


def _metadata(value: Any) -> dict[str, str]:
    block = Block(value)
    if isinstance(value, dict) and len(value) > _MAX_METADATA:
        block.problem("", f"has more than {_MAX_METADATA} entries")
    for name in value if isinstance(value, dict) else ():
        _template(block, name, required=True)
    block.check()
    return dict(value)
