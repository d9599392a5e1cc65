"""Timed cases of multi-step rules, written for another engine, as rules and events of this one.

A case is one JSON object: ``kind`` (``group`` or ``sequence``), ``steps`` (id, signal, absence, min_match, max_match),
``match_criteria`` (of a group: which field of which step must be equal; null: none), ``transitions`` (of a sequence: from,
to, within so many minutes, which fields must be equal; null: the steps in their order), ``lookback_minutes``, ``events``
(ts, step, signal, match_field, match_value) and ``expected``: whether it fires. ``severity`` decides nothing; ``order``
says in which order the other engine looks at a group's events, which makes no difference here.

    document, events = convert(line)   # what ``tocsin rules check`` and ``tocsin replay`` take
    fires(line)                        # whether an alert comes of it, through the production engine

What a match is taken to be:
- a group: every present step at least ``min_match`` and at most ``max_match`` times, in any order, in one window of
  ``lookback_minutes``; an absent step not in the window before the match's last event, nor as long after it;
- a sequence: the steps in the order of its transitions, each ``min_match`` times, all in one window; "within 15
  minutes" includes the fifteenth. An absent step is one that must not come where it stands.
- a field that holds a list speaks for each of its items: the event is sent once for every one of them.
- fields that stand in one event are given by several ``match_field`` (a list, with a list of values), by ``matches`` (field
  to value), or, for steps with several fields to compare, by lines of one ``ts`` and ``step``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from streams.detect.registry import KINDS
from streams.replay.rules.engine import moments
from streams.rules.load import ruleset_from_documents
from streams.rules.testing import Arrival, Case

#: The field of an event that says which detection it stands for.
SIGNAL = "matched_signal"
_SOURCE = "audit"
_MINUTE = 60_000

Line = Mapping[str, Any]
#: For each step, the fields that must hold the same as those of every other step, part for part.
Keys = dict[str, tuple[str, ...]]


class Inexpressible(ValueError):
    """The case needs what the rule language has no words for. Says what."""


def convert(line: Line) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rule's document, and the events in order of time, as envelopes. Raises ``Inexpressible``."""
    if line["kind"] not in ("group", "sequence"):
        raise Inexpressible(f"a rule of kind {line['kind']}")
    steps = {step["id"]: step for step in line["steps"]}
    if line["kind"] == "group":
        keys = _criteria(line.get("match_criteria"), steps)
        detect: dict[str, Any] = {"group": _group(line, keys)}
    else:
        chain = _chain(line.get("transitions") or (), steps)
        keys = _transited(line, chain, steps)
        detect = {"sequence": _sequence(line, chain, keys)}
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in str(line["rule_id"]).lower()).split()
    document = {
        "id": "-".join(["case", *words])[:100].rstrip("-"), "title": "{observed} events of a case", "source": _SOURCE,
        "group_by": list(next(iter(keys.values()), ())), "detect": detect, "severity": "high", "type": "security",
        "tests": [{"name": "it fires", "events": [{"at": "0s"}], "expect": [{"at": "0s"}]}],
    }  # fmt: skip
    return document, list(_events(line["events"], keys))


def fires(line: Line) -> bool:
    """Whether the events of a case bring about an alert, once time has gone on until nothing more can come of them."""
    document, events = convert(line)
    if not events:
        return False
    (rule,) = ruleset_from_documents([document], KINDS).rules
    start = events[0]["event_time"]
    arrivals = tuple(Arrival(event["event_time"] - start, _SOURCE, event) for event in events)
    beyond = 4 * int(line["lookback_minutes"]) * _MINUTE
    found, refused = moments(
        rule, {}, Case(str(line.get("test")), start, arrivals, None, until=arrivals[-1].at + beyond)
    )
    if refused:
        raise ValueError(f"an event of the case was refused: {refused[0]}")
    return bool(found)


# -- the rule ------------------------------------------------------------------------------------------------------------


def _way(step: Line, keys: Keys) -> dict[str, Any]:
    by = {"by": list(keys[step["id"]])} if keys else {}
    return {"name": step["id"], "where": {SIGNAL: step["signal"]}, **by}


def _group(line: Line, keys: Keys) -> dict[str, Any]:
    members = []
    for step in line["steps"]:
        counts = {"at_least": step.get("min_match") or 1, "at_most": step.get("max_match")}
        bounds = {"absent": True} if step.get("absence") else {k: v for k, v in counts.items() if v is not None}
        members.append({**_way(step, keys), **bounds})
    return {"within": f"{line['lookback_minutes']}m", "members": members}


def _sequence(line: Line, chain: Sequence[tuple[Line, int | None]], keys: Keys) -> dict[str, Any]:
    """``chain``: the steps in their order, each with the minutes in which it follows on the one before."""
    steps: list[dict[str, Any]] = []
    passed: int | None = 0  # minutes that absent steps since the last present one were given
    for place, (step, minutes) in enumerate(chain):
        if step.get("max_match") is not None:
            raise Inexpressible("at most so many events of a step in a sequence")
        part = _way(step, keys)
        if step.get("absence"):
            part["absent"] = True
            if not any(not other.get("absence") for other, _ in chain[place + 1 :]) and minutes is not None:
                part["within"] = f"{minutes}m"
            passed = None if passed is None or minutes is None else passed + minutes
        else:
            part["runs"] = step.get("min_match") or 1
            if minutes is not None and passed is not None and any("absent" not in before for before in steps):
                part["within"] = f"{min((minutes + passed) * _MINUTE + 1, line['lookback_minutes'] * _MINUTE)}ms"
            passed = 0
        steps.append(part)
    return {"within": f"{line['lookback_minutes']}m", "steps": steps}


def _chain(transitions: Sequence[Line], steps: Mapping[str, Line]) -> list[tuple[Line, int | None]]:
    if not transitions:
        return [(step, None) for step in steps.values()]
    after = {_word(each, "from"): each for each in transitions}
    into = {_word(each, "to") for each in transitions}
    begins = [step for step in steps if step not in into]
    if len(after) != len(transitions) or len(into) != len(transitions) or len(begins) != 1:
        raise Inexpressible("transitions that are not one chain through the steps")
    chain: list[tuple[Line, int | None]] = [(steps[begins[0]], None)]
    while chain[-1][0]["id"] in after:
        transition = after[chain[-1][0]["id"]]
        chain.append((steps[_word(transition, "to")], _minutes(transition)))
    if len(chain) != len(steps):
        raise Inexpressible("transitions that are not one chain through the steps")
    return chain


def _word(mapping: Line, name: str) -> Any:
    """The value of a name, however its capitals and underscores are set."""
    return next((value for key, value in mapping.items() if key.lower().replace("_", "") == name), None)


def _minutes(transition: Line) -> int | None:
    for key, value in transition.items():
        if key.lower().startswith("within") and value is not None:
            return int(value)
    return None


# -- the key -------------------------------------------------------------------------------------------------------------


def _criteria(criteria: Mapping[str, Any] | None, steps: Mapping[str, Line]) -> Keys:
    """Each criterion is one part of the key; it must name a field of every step."""
    keys: dict[str, list[str]] = {step: [] for step in steps}
    for parts in (criteria or {}).values():
        fields = {_word(part, "groupid"): _word(part, "match") for part in parts}
        if set(fields) != set(steps):
            raise Inexpressible("fields to compare that some step has none of")
        for step, path in fields.items():
            keys[step].append(path)
    return {step: tuple(paths) for step, paths in keys.items()} if criteria else {}


def _transited(line: Line, chain: Sequence[tuple[Line, int | None]], steps: Mapping[str, Line]) -> Keys:
    """The fields that the transitions compare, as parts that run through all steps."""
    if line.get("match_criteria"):
        return _criteria(line["match_criteria"], steps)
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for transition in line.get("transitions") or ():
        ends = _word(transition, "from"), _word(transition, "to")
        pairs[ends] = list(_compared(_word(transition, "match")))
    if not any(pairs.values()):
        return {}
    first, *others = (step["id"] for step, _ in chain)
    keys: Keys = {first: tuple(one for one, _ in pairs[first, others[0]])}
    for step in others:
        before = list(keys)[-1]
        compared = dict(pairs[before, step])
        if set(compared) != set(keys[before]) or len(compared) != len(pairs[before, step]):
            raise Inexpressible("steps that are held together by one field on one side and by another on the other")
        keys[step] = tuple(compared[path] for path in keys[before])
    return keys


def _compared(match: Any) -> Iterator[tuple[str, str]]:
    """(field of the step before, field of the step after), from ``On``, from ``From`` and ``To``, or from a name."""
    for part in match if isinstance(match, list) else [] if match is None else [match]:
        if isinstance(part, str):
            yield part, part
        else:
            both = _word(part, "on")
            yield both or _word(part, "from"), both or _word(part, "to")


# -- the events ----------------------------------------------------------------------------------------------------------


def _events(lines: Iterable[Line], keys: Keys) -> Iterator[dict[str, Any]]:
    told = sorted(_together(lines, keys), key=lambda one: one[0])
    for number, (at, line, fields) in enumerate(told):
        envelope = {"event_id": f"case-{number}", "event_time": at, "tenant": "case", SIGNAL: line["signal"]}
        for copy, chosen in enumerate(_apart(fields, keys.get(line["step"], ()))):
            event: dict[str, Any] = {**envelope, "event_id": f"case-{number}-{copy}"}
            for path, value in chosen.items():
                _put(event, path, value)
            yield event


def _together(lines: Iterable[Line], keys: Keys) -> list[tuple[int, Line, dict[str, Any]]]:
    """Each event with its time and fields; lines of one moment and step are one event where it takes several fields."""
    found: list[tuple[int, Line, dict[str, Any]]] = []
    for line in lines:
        at = round(datetime.fromisoformat(line["ts"]).timestamp() * 1_000)
        fields = _fields(line)
        several = len(set(keys.get(line["step"], ()))) > 1
        same = (
            known
            for when, other, known in found
            if several and (when, other["step"], other["signal"]) == (at, line["step"], line["signal"])
            and not set(known) & set(fields)
        )  # fmt: skip
        known = next(same, None)
        if known is None:
            found.append((at, line, fields))
        else:
            known.update(fields)
    return found


def _fields(line: Line) -> dict[str, Any]:
    if isinstance(line.get("matches"), Mapping):
        return dict(line["matches"])
    names, value = line.get("match_field"), line.get("match_value")
    if isinstance(names, list):
        return dict(zip(names, value if isinstance(value, list) else [value], strict=True))
    return {} if names is None else {names: value}


def _apart(fields: Mapping[str, Any], key: Iterable[str]) -> list[dict[str, Any]]:
    """The event once for each combination of the items of lists that stand in its key."""
    copies = [dict(fields)]
    for path in dict.fromkeys(key):
        if isinstance(fields.get(path), list):
            copies = [{**copy, path: item} for copy in copies for item in dict.fromkeys(fields[path])]
    return copies


def _put(event: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        below = event.setdefault(parent, {})
        if not isinstance(below, dict):
            raise Inexpressible(f"an event in which {parent} is a value and holds {path}")
        event = below
    event[name] = value
