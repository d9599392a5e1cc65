"""Policies of a policy-based alerting service (JSON) as rules of ours: the same document model, the same checks.

A file holds one policy, a list of them, or ``{"policies": [...]}``. Unknown keys and operators are problems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from streams.rules.block import Block, texts
from streams.rules.document import MAX_BYTES, Lines, check_plain, line_of, parse_document
from streams.rules.durations import shown
from streams.rules.operators import WITH_CASE, canonical
from streams.rules.parse import Kinds, parse_rule
from streams.rules.problems import BlockErrors, Problem, did_you_mean
from streams.rules.proving import UNPROVEN, Unproven, proofs
from streams.rules.template import parse as parse_template

SUFFIX = ".policies.json"
OPERATORS = ("eq", "ne", "gt", "lt", "gte", "lte", "in", "not_in", "contains", "regex")
MAX_FILE = 16 * MAX_BYTES

#: Kept by the service about a policy; they mean nothing for what it matches.
_RECORD = ("id", "policy_id", "created_at", "updated_at", "created_by", "updated_by", "version")
_DAYS = {"monday": "mon", "tuesday": "tue", "wednesday": "wed", "thursday": "thu", "friday": "fri",
         "saturday": "sat", "sunday": "sun"}  # fmt: skip
_HOUR = re.compile(r"([01][0-9]|2[0-4]):[0-5][0-9](?::00)?")
_FIELD = re.compile(r"\{([^{}]*)\}")


def read_policies(
    file: Path, problems: list[Problem], kinds: Kinds, *, source: str = "audit"
) -> list[tuple[int, dict[str, Any]]]:
    """(line, rule document) of every policy in a file that has no problem; the others' problems are added."""
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_FILE + 1)
    except OSError as error:
        problems.append(Problem(str(file), "", f"cannot be read: {error.strerror}"))
        return []
    if len(data) > MAX_FILE:
        problems.append(Problem(str(file), "", f"is larger than {MAX_FILE // 1024} KiB"))
        return []
    try:
        whole = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        problems.append(Problem(str(file), "", f"is not JSON: {error}"))
        return []
    if unfit := check_plain(whole):
        problems.append(Problem(str(file), "", unfit))
        return []
    lines = _lines(data, listed=isinstance(whole, list))
    documents = []
    for path, policy in _listed(whole):
        line = line_of(lines, path)
        try:
            documents.append((line, load_policy(policy, kinds, source=source)))
        except BlockErrors as errors:
            for below, message in errors.problems:
                at = ".".join(part for part in (path, below) if part)
                problems.append(Problem(f"{file}:{line_of(lines, at)}", at, message))
    return documents


def _listed(whole: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(whole, Mapping) and "policies" in whole and set(whole) <= {"policies", "total", "page", "size"}:
        whole = whole["policies"]
    if isinstance(whole, list):
        yield from ((f"policies.{place}", policy) for place, policy in enumerate(whole))
    else:
        yield "", whole


def _lines(data: bytes, *, listed: bool) -> Lines:
    """Where values stand, as well as it can be told: JSON that YAML cannot read has no lines."""
    try:
        return parse_document(b'{"policies": ' + data + b"}" if listed else data)[1]
    except Exception:  # whatever YAML says of it, the JSON was read
        return {}


def load_policy(policy: Any, kinds: Kinds, *, source: str = "audit") -> dict[str, Any]:
    """The rule document of one policy, with tests made from it. Raises ``BlockErrors`` with all its problems."""
    block = Block(policy)
    name = block.text("name", longest=200)
    rules = block.read("rules", _rules)
    summary = block.read("summary_template", _template, "")
    message = block.read("message_template", _template, "")
    about = block.text("description", "", longest=2_000)
    providers = block.read("providers", texts, ())
    tenant = block.text("tenant_id", "")
    minutes = block.integer("throttle_minutes", 0, most=527_040)
    hourly = block.integer("max_alerts_per_hour", 0)
    windows = [block.read(key, _window) for key in ("time_window", "time_windows") if block.raw(key) is not None]
    match_all, severity = block.flag("match_all", True), block.text("severity", "medium")
    enabled = block.flag("enabled", True)
    for key in _RECORD:
        block.raw(key)
    block.check()
    where: dict[str, Any] = {"all" if match_all else "any": rules}
    if tenant:
        # events without a tenant belong to the default one
        of = {"in": ["default", "", None], "if_missing": True} if tenant == "default" else {"eq": tenant}
        where = {"tenant": of, **where}
    document: dict[str, Any] = {
        "id": f"policy.{_slug(name)}",
        "title": summary or _braced(name),
        "description": message or _braced(about),
        "source": source,
        "where": where,
        "detect": {"match": {}},
        "severity": severity,
        "type": "security",
        "cooldown": f"{minutes}m" if minutes else "0s",
        "active": next((window for window in windows if window), None),
        "throttle": {
            **({"every": f"{minutes}m"} if minutes else {}),
            **({"per_hour": hourly} if hourly else {}),
        },
        "tags": ["policy", *(f"provider:{provider}" for provider in providers)],
        "metadata": {
            "policy": _braced(name),
            **({"providers": _braced(", ".join(providers))} if providers else {}),
            **({"about": _braced(about)[:500]} if about and message and len(_braced(about)) <= 500 else {}),
        },
    }
    document = {key: value for key, value in document.items() if value not in ("", None, {})}
    if not enabled:
        document["enabled"] = False
    try:
        return {**document, "tests": proofs(parse_rule({**document, "tests": UNPROVEN}, kinds))}
    except Unproven as error:
        raise BlockErrors([("rules", f"no event could be made that the policy fires on: {error}")]) from None


def _rules(raw: Any) -> list[dict[str, Any]]:
    if not isinstance(raw, list) or not raw:
        raise ValueError("takes a list of rules, at least one: a policy without rules would hold for every event")
    problems: list[tuple[str, str]] = []
    found = []
    for place, item in enumerate(raw):
        block = Block(item, str(place))
        field = block.path("field")
        if field in ("all", "any", "not"):
            block.problem("field", f"a field called {field} cannot be addressed")
        operator = block.choice("operator", OPERATORS)
        folded = not block.flag("case_sensitive", True)
        value = block.raw("value")
        if not block.has("value"):
            block.problem("value", "is missing")
        elif isinstance(value, dict):
            block.problem("value", "takes one value, or a list of them")
        elif operator:
            block.read("value", lambda given, op=operator: canonical(op, given))  # type: ignore[misc]
        problems += block.finish()
        case = {"case_sensitive": False} if folded and operator in WITH_CASE else {}
        found.append({field: {operator: value, **case}})
    if problems:
        raise BlockErrors(problems)
    return found


def _template(raw: Any) -> str:
    """``{field}`` and ``{field[below]}`` as they are here. Formats and conversions have no equal."""
    if raw is None:
        return ""
    if not isinstance(raw, str) or len(raw) > 2_000:
        raise ValueError(f"takes a text of at most 2000 characters, not {shown(raw)}")
    text = _FIELD.sub(lambda found: "{" + re.sub(r"\[['\"]?([^\]'\"]*)['\"]?\]", r".\1", found[1].strip()) + "}", raw)
    for _, path in parse_template(text):
        if path and (bad := next((char for char in ":!" if char in path), None)):
            plain = path.split(bad)[0][:40]
            raise ValueError(f"has {{{path[:40]}}}: what follows '{bad}' has no meaning here, write {{{plain}}}")
    return text


def _window(raw: Any) -> dict[str, Any] | None:
    """A time window as ``active``; None for an empty list."""
    if isinstance(raw, list):
        if len(raw) > 1:
            raise ValueError("takes one window; write a policy for each of several")
        if not raw:
            return None
        raw = raw[0]
    block = Block(raw)
    active: dict[str, Any] = {}
    for name in ("days", "days_of_week", "active_days"):
        if block.has(name):
            active["days"] = block.read(name, _days)
    ends = [next((block.read(name, _hour) for name in names if block.has(name)), None)
            for names in (("start", "start_time", "active_start"), ("end", "end_time", "active_end"))]  # fmt: skip
    if block.problems:
        block.check()
    elif (ends[0] is None) != (ends[1] is None):
        block.problem("", "names a start or an end, but not both")
    elif ends[0] is not None:
        active["hours"] = f"{ends[0]}-{ends[1]}"
    if block.has("timezone"):
        active["timezone"] = block.text("timezone")
    if not block.problems and not active.keys() & {"days", "hours"}:
        block.problem("", "names neither days nor start and end")
    block.check()
    return active


def _days(raw: Any) -> list[str]:
    if not isinstance(raw, list) or not raw:
        raise ValueError(f"takes a list of days, not {shown(raw)}")
    found = []
    for day in raw:
        word = day.lower() if isinstance(day, str) else ""
        known = _DAYS.get(word) or (word if word in _DAYS.values() else None)
        if known is None:
            hint = ": whether 0 is Sunday or Monday is open" if isinstance(day, int) else did_you_mean(day, _DAYS)
            raise ValueError(f"{shown(day)} is no day such as monday{hint}")
        found.append(known)
    return found


def _hour(raw: Any) -> str:
    if not isinstance(raw, str) or not _HOUR.fullmatch(raw):
        raise ValueError(f"takes a time such as 09:00, not {shown(raw)}")
    return raw[:5]


def _slug(name: str | None) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", (name or "").lower()))[:80].strip("-") or "policy"


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
