"""The first draft of a rule: a file that loads, whose tests pass, and that says beside each key what it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from streams.detect.registry import MODULES
from streams.rules.values import path_problem

#: Kinds that a rule can be drafted of from one event.
FROM_AN_EVENT: Final = ("match", "count")

_MEANINGS: Final = {
    "id": "lower-case words joined by . - _; names the rule in alerts, and stands once",
    "title": "what the alert says; {field} is a field of the event that completed the condition",
    "source": "whose events it reads: audit, trade, chain, metric, or a source of your own",
    "where": "which events it looks at; all of it must hold. Lists are `any of`, {gte: 5} and the like are operators",
    "group_by": "whose events are counted together; the tenant is always part of the key",
    "detect": "the kind and its settings",
    "severity": "a word, or words with the observed value from which each holds: {medium: 5, high: 20}",
    "cooldown": "findings within it, counted from the alert's opening, fold into that alert",
    "type": "security, compliance, performance, system or metrics",
    "tests": "run by `tocsin rules test`; expect lists every opening and every rise in severity, [] is silence",
}
_WHERE = ("type", "action", "outcome", "name", "event_type", "status", "side", "level")
_KEYS = ("actor", "account", "pool", "host", "user", "source_ip", "resource", "name", "id")
#: Whose fields tell them: the first of which the event has one.
_SOURCES: Final = (
    ("trade", ("account", "instrument", "order_id")),
    ("chain", ("chain_id", "tx_hash", "pool")),
    ("metric", ("value", "host")),
)
#: Words of a test's entry, and what every event has anyway.
_NOT_IN_TESTS = {"at", "times", "every", "late_by", "event_id", "event_time", "source", "tenant"}

_json = msgspec.json.Encoder().encode


def from_kind(kind: str, id: str = "", source: str = "") -> str:
    """The kind's own example as an annotated rule file. Raises KeyError for a kind there is none of."""
    module = MODULES[kind]
    text = module.EXAMPLE.strip("\n") + "\n"
    for key, value in (("id", id), ("source", source)):
        if value:
            lines = text.splitlines(keepends=True)
            text = "".join(f"{key}: {value}\n" if line.startswith(f"{key}: ") else line for line in lines)
    return annotated(text, kind)


def from_event(event: Mapping[str, Any], kind: str, id: str = "", source: str = "") -> str:
    """A rule of ``match`` or ``count`` for events like this one: an envelope with at least one field to go by.

    Raises ValueError where there is none.
    """
    fields = {name: value for name, value in event.items() if name not in _NOT_IN_TESTS and _usable(name, value)}
    where = {name: fields[name] for name in _WHERE if isinstance(fields.get(name), str) and fields[name]}
    key = next((name for name in _KEYS if isinstance(fields.get(name), str) and name not in where), "")
    if not where:
        raise ValueError(f"has none of the fields that tell events apart: {', '.join(_WHERE)}")
    source = source or next((name for name, own in _SOURCES if any(field in event for field in own)), "audit")
    named = re.sub(r"[^a-z0-9]+", "-", "-".join(where.values()).lower()).strip("-")
    counting = kind == "count"
    other = {**fields, next(iter(where)): "something-else"}
    said = " ".join(where.values()).replace("{", "{{").replace("}", "}}")[:200]
    lines = {
        "id": id or f"{source}.{named[:60].strip('-') or 'draft'}",
        "title": _quoted(("{count} times " if counting else "") + said + (f" by {{{key}}}" if key else "")),
        "source": source,
        "where": _flow(where),
        "group_by": f"[{_quoted(key)}]" if key else "[]",
        "detect": "{count: {at_least: 5, within: 10m}}" if counting else "{match: {}}",
        "severity": "medium",
        "type": "security",
    }  # fmt: skip
    many = ", times: 5, every: 30s" if counting else ""
    fires, few = ("2m", ", times: 4, every: 30s") if counting else ("0s", "")
    silent = [f"  - name: {'four of them are not enough' if counting else 'another event is silent'}"]
    silent += [f"    events: [{{at: 0s{few}, {_flow(fields if counting else other)[1:]}]", "    expect: []"]
    tests = ["tests:", f"  - name: {'the fifth' if counting else 'each'} of them fires"]
    tests += [f"    events: [{{at: 0s{many}, {_flow(fields)[1:]}]", f"    expect: [{{at: {fires}}}]", *silent]
    return annotated("\n".join([*(f"{name}: {value}" for name, value in lines.items()), *tests, ""]), kind)


def annotated(text: str, kind: str) -> str:
    """A rule file with what its keys mean above them, and the settings of its kind."""
    module = MODULES[kind]
    says = (module.__doc__ or "").strip().splitlines()[0]
    lines = [f"# {says}", "# Every key and operator: `tocsin rules reference`", ""]
    for line in text.splitlines():
        key = line.partition(":")[0]
        if meaning := _MEANINGS.get(key):
            lines.append(f"# {meaning}")
        if key == "detect":
            for option in module.OPTIONS:
                default = "required" if option.default is None else f"default {option.default or 'none'}"
                lines.append(f"#   {option.name} ({option.takes}, {default}): {option.meaning}")
        lines.append(line)
    return "\n".join([*lines, ""])


def _usable(name: str, value: Any) -> bool:
    """Whether a field can stand in a test and in ``where`` as it is."""
    plain = isinstance(value, (str, int, float, bool)) and "{n}" not in str(value) and len(str(value)) <= 200
    return plain and path_problem(name) is None and "." not in name and name not in ("all", "any", "not")


def _quoted(value: Any) -> str:
    """JSON, which is YAML too once what YAML takes for the end of a line is escaped."""
    text = _json(value).decode()
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _flow(fields: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{_quoted(name)}: {_quoted(value)}" for name, value in fields.items()) + "}"
