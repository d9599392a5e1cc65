"""Reads what a rehearsal is given: an alert as it stands on the topic, or a few fields of it, and what happens then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streams.model import Action, Alert
from streams.model.severity import SEVERITY_WORDS
from streams.replay.routes.rehearsal import Act, Given
from streams.route.oncall import parse_moment
from streams.rules.block import Block, items, texts
from streams.rules.durations import shown
from streams.rules.problems import BlockErrors, did_you_mean

DAY: Final = 86_400_000
MOST_AHEAD: Final = 60 * DAY
_TEXTS: Final = (
    "rule", "tenant", "type", "title", "source", "description", "runbook", "correlation_id", "violation_type",
    "deal_id",
)  # fmt: skip
_DEFAULTS: Final = {"rule": "rehearsed.rule", "tenant": "default", "type": "security", "source": "rehearsed"}
#: What may be done: actions of people, and what rules find.
_COMMANDS: Final = tuple(action.value for action in Action)
_FINDINGS: Final = ("fire", "clear")
_ALERT_FIELDS: Final = frozenset(Alert.__struct_fields__)


def parse_given(block: Block, at: int | None) -> Given:
    """``alert``, ``at``, ``for``, ``active`` and ``do`` of a block, which the caller checks. ``at``: if it has none."""
    return Given(
        alert=block.read("alert", parse_alert, _DEFAULTS),
        at=block.read("at", parse_moment) if at is None or block.has("at") else at,
        lasts=block.read("for", _ahead, DAY),
        active=block.read("active", lambda raw: items(raw, _active), ()),
        acts=block.read("do", lambda raw: items(raw, _act), ()),
    )


def parse_alert(raw: Any) -> dict[str, Any]:
    """The fields of a finding that opens such an alert. ``severity`` in any known word must be there; fields that an
    alert only has later in its life (``version``, ``notes``) are passed over. Raises BlockErrors.
    """
    block = Block(raw)
    word = block.read("severity", _severity)
    fields: dict[str, Any] = dict(_DEFAULTS)
    for name in _TEXTS:
        value = block.raw(name)
        if value is not None and not isinstance(value, str):
            block.problem(name, f"takes text, not {shown(value)}")
        elif value:
            fields[name] = value
    for name in ("key", "metadata"):
        value = block.raw(name, {})
        if not isinstance(value, Mapping):
            block.problem(name, f"takes a mapping of names to values, not {shown(value)}")
        elif strange := [one for one in value if not isinstance(one, str)]:
            block.problem(name, f"takes text for its names, not {shown(strange[0])}")
        fields[name] = value
    fields["tags"] = block.read("tags", texts, ())
    fields["observed"] = block.raw("observed")
    own = block.raw("severity_word") or word
    if own is not None and not isinstance(own, str):
        block.problem("severity_word", f"takes text, not {shown(own)}")
    fields |= {"severity": SEVERITY_WORDS.get(str(word).lower(), "info"), "severity_word": own}
    fields.setdefault("title", fields["rule"])
    if isinstance(raw, Mapping):
        known = (*_TEXTS, "severity", "severity_word", "key", "metadata", "tags", "observed")
        for name in raw:
            if name not in known and name not in _ALERT_FIELDS:
                block.problem(str(name)[:60], f"is no field of an alert{did_you_mean(name, known)}")
    if block.problems:
        raise BlockErrors(block.problems)
    return fields


def _severity(value: Any) -> str:
    if not isinstance(value, str) or value.lower() not in SEVERITY_WORDS:
        raise ValueError(f"{shown(value)} is not a severity ({', '.join(SEVERITY_WORDS)})")
    return value


def _ahead(value: Any) -> int:
    block = Block({"for": value})
    lasts: int = block.duration("for")
    if block.problems:
        raise ValueError(block.problems[0][1])
    if lasts > MOST_AHEAD:
        raise ValueError(f"{value} is too far ahead: at most 60d")
    return lasts


def _active(raw: Any) -> tuple[int, Mapping[str, Any]]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"takes an alert, not {shown(raw)}")
    block = Block({"before": raw["before"]} if "before" in raw else {})
    before = block.duration("before", 1_000)
    block.check()
    return before, parse_alert({name: value for name, value in raw.items() if name != "before"})


def _act(raw: Any) -> Act:
    block = Block(raw)
    after, action = block.duration("after"), block.choice("action", (*_COMMANDS, *_FINDINGS))
    fields: dict[str, Any] = {"kind": action} if action in _FINDINGS else {"action": action}
    if action == "fire" and block.has("severity"):
        word = block.read("severity", _severity)
        fields |= {"severity": SEVERITY_WORDS.get(str(word).lower()), "severity_word": word}
    if action == "snooze":
        fields["lasts"] = block.duration("for")
    for name in ("by", "note", "receiver", "assignee", "disposition", "target") if action in _COMMANDS else ():
        if block.has(name):
            fields[name] = block.text(name)
    block.check()
    return Act(after, fields)
