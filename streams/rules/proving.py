"""The ``tests`` of a rule that came without any: events that must fire, and the nearest that must not.

They are found from the rule's own conditions, so they show that the rule *can* fire and where; whether it is the rule
that was meant, a person has to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from streams.rules.conditions import Not
from streams.rules.durations import format_duration
from streams.rules.rule import Arm, Rule
from streams.rules.satisfying import put, satisfying
from streams.rules.testing import BASE
from streams.rules.values import key_part, read

#: What a document says while it has no tests yet, so that it can be parsed.
UNPROVEN = [{"name": "none yet", "events": [{"at": "0s"}], "expect": [{"at": "0s"}]}]

_Event = dict[str, Any]
#: Names of a test's event that are not its fields.
_OWN = ("at", "times", "every", "late_by")


class Unproven(ValueError):
    """No events were found that the rule fires on. The text says for which part."""


def proofs(rule: Rule) -> list[dict[str, Any]]:
    """Tests for a rule of the kinds match, count, distinct, aggregate (rising), sequence and group. Raises Unproven."""
    settings = rule.detect.document()
    at = {"count": _count, "distinct": _distinct, "aggregate": _aggregate, "sequence": _steps, "group": _steps}
    tests = at.get(rule.detect.name, _match)(rule, settings)
    return [{"name": test["name"], **_start(rule), **test} for test in tests]


def _start(rule: Rule) -> dict[str, Any]:
    """When the rule looks: the first hour of a fortnight in which it does."""
    if rule.active is None:
        return {}
    for hour in range(14 * 24):
        at = BASE + hour * 3_600_000 + 30_000
        if rule.active.covers(at):
            return {"start": datetime.fromtimestamp(at // 1_000, UTC).isoformat().replace("+00:00", "Z")}
    raise Unproven("no hour of a fortnight was found in which it is active")


def _match(rule: Rule, _: Mapping[str, Any]) -> list[dict[str, Any]]:
    event = _example(rule.arms[0], {})
    tests = [_case("what it describes fires", [{"at": "0s", **event}], [{"at": "0s"}])]
    other = satisfying(Not(rule.arms[0].where), _names(rule.arms[0], event))
    if other is not None and not set(_OWN) & other.keys():
        tests.append(_case("anything else is silent", [{"at": "0s", **other}], []))
    return tests


def _count(rule: Rule, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    need = settings["at_least"]
    every = _every(rule, need)
    event = _example(rule.arms[0], {})
    return [
        _case(
            f"{need} inside {format_duration(rule.detect.within or 0)} fire",
            [_times(event, need, every)],
            [_at(need, every)],
        ),
        *([_case(f"{need - 1} are too few", [_times(event, need - 1, every)], [])] if need > 1 else ()),
    ]


def _distinct(rule: Rule, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    need, path = settings["at_least"], settings["field"]
    every = _every(rule, need)
    arm = rule.arms[0]
    event = _example(arm, {})
    for value in ("value-{n}", f"{_text(event, path)}{{n}}", f"{{n}}{_text(event, path)}"):
        values = [value.replace("{n}", str(number)) for number in (1, 2, need)]
        found = [satisfying(arm.where, {**_names(arm, event), path: each}) for each in values]
        if path in _names(arm, event) or not all(found):
            continue
        put(event, path, value)
        return [
            _case(f"{need} values of {path} fire", [_times(event, need, every)], [_at(need, every)]),
            *([_case(f"{need - 1} are too few", [_times(event, need - 1, every)], [])] if need > 1 else ()),
        ]
    raise Unproven(f"no events were found that differ in {path}")


def _aggregate(rule: Rule, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One event whose value alone passes the threshold, and one that just does not."""
    arm, path = rule.arms[0], settings["field"]
    above = "above" in settings
    limit = _number(settings["above" if above else "at_least"])
    beyond, short = (limit + 1, limit) if above else (limit, limit - 1)
    return [
        _case(f"{path} of {beyond} fires", [{"at": "0s", **_example(arm, {path: beyond})}], [{"at": "0s"}]),
        _case(f"{path} of {short} does not", [{"at": "0s", **_example(arm, {path: short})}], []),
    ]


def _number(limit: Any) -> int | float:
    """A threshold as a canonical document has it: a fraction as text."""
    exact = Fraction(limit)
    return int(exact) if exact.denominator == 1 else float(exact)


def _steps(rule: Rule, _: Mapping[str, Any]) -> list[dict[str, Any]]:
    every = max(1, min(1_000, (rule.detect.within or 0) // (2 * len(rule.arms))))
    keys: dict[int, Any] = {}
    for arm in rule.arms:  # a part that asks for a certain key decides for all
        event = satisfying(arm.where) or {}
        for place, part in enumerate(arm.key):
            value = read(event, part.text) if part.is_field else None
            if isinstance(value, str) and value:
                keys.setdefault(place, value)
    events = []
    for number, arm in enumerate(rule.arms):
        given = {part.text: keys.get(place, f"key-{place + 1}") for place, part in enumerate(arm.key) if part.is_field}
        source = {"source": arm.source} if arm.source != rule.source else {}
        events.append({"at": format_duration(number * every), **source, **_example(arm, given)})
    last = {"at": events[-1]["at"]}
    return [
        _case("all of its parts, in order, fire", events, [last]),
        _case("all but the last are silent", events[:-1], []),
    ]


def _example(arm: Arm, given: Mapping[str, Any]) -> _Event:
    """An event that comes in by this way and has a key. Raises Unproven."""
    event = satisfying(arm.where, given)
    if event is None:
        raise Unproven("no event was found that its conditions hold for")
    keys = {part.text: read(event, part.text) for part in arm.key if part.is_field}
    lacking = {path: "someone" for path, value in keys.items() if key_part(value) is None}
    if lacking:
        event = satisfying(arm.where, {**given, **lacking})
        if event is None:
            raise Unproven(f"no event was found that has a key ({', '.join(lacking)})")
    if clash := set(_OWN) & event.keys():
        raise Unproven(f"a test cannot give an event the field {clash.pop()}")
    return event


def _names(arm: Arm, event: Mapping[str, Any]) -> dict[str, Any]:
    """The key of an event, by path."""
    return {part.text: read(event, part.text) for part in arm.key if part.is_field}


def _every(rule: Rule, need: int) -> int:
    """Between two events, ms, so that all of them lie well inside the window."""
    return max(1, min(1_000, (rule.detect.within or 0) // (2 * need)))


def _times(event: _Event, times: int, every: int) -> _Event:
    return {"at": "0s", **event, "times": times, "every": format_duration(every)}


def _at(need: int, every: int) -> dict[str, Any]:
    return {"at": format_duration((need - 1) * every)}


def _text(event: Mapping[str, Any], path: str) -> str:
    value = read(event, path)
    return value if isinstance(value, str) else ""


def _case(name: str, events: list[_Event], expect: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "events": events, "expect": expect}
