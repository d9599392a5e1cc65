"""Tests of routing as data: an alert and a time, and who is told of it when and why; run by a rehearsal.

``expect`` lists all that is said of the alert, in any order, within ``for`` (a day, if nothing is said); an empty one
says that nobody is told. ``never`` lists what must not be said; without ``expect``, anything else may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.config.document import Document, read
from streams.errors import ConfigError
from streams.model import Notification, Reason
from streams.replay.routes.given import parse_given
from streams.replay.routes.rehearsal import Given, rehearse
from streams.rules.block import Block
from streams.rules.durations import format_duration, parse_duration, shown
from streams.rules.problems import BlockErrors, Problem

#: What an entry of ``expect`` and ``never`` may say of a notification.
WORDS = ("receiver", "after", "reason", "to", "level", "route")


@dataclass(frozen=True, slots=True)
class Told:
    """An entry: of a notification, what it must be. ``after``: ms, to the second."""

    wanted: Mapping[str, Any]

    def holds(self, one: Mapping[str, Any]) -> bool:
        """Whether the notification is one of these."""
        return all(one[name] == value for name, value in self.wanted.items())

    def __str__(self) -> str:
        return _words(self.wanted)


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a file."""

    file: str
    line: int
    name: str
    given: Given
    expect: tuple[Told, ...] | None
    never: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """``problems`` is empty for a case that passed."""

    file: str
    line: int
    case: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class CheckFile:
    """A file of cases. ``policy``: a document of its own, given there or by the path of a file; None: another's."""

    cases: tuple[Case, ...]
    policy: dict[str, Any] | None


def check(records: Mapping[str, dict[str, Any]], cases: Iterable[Case]) -> Iterator[CaseResult]:
    """Run each case under these control records."""
    for case in cases:
        rehearsed = rehearse(records, case.given)
        said = [of(one, case.given.at) for one in rehearsed.told]
        problems = [*_compared(case, said), *(f"refused: {refusal}" for refusal in rehearsed.refused)]
        if rehearsed.cut:
            problems.append(f"stopped after {len(said)} notifications: give a shorter `for`")
        yield CaseResult(case.file, case.line, case.name, tuple(problems))


def of(notification: Notification, begin: int) -> dict[str, Any]:
    """A notification in the words of ``expect``."""
    return {
        "receiver": notification.receiver,
        "after": (notification.at - begin) // 1000 * 1000,
        "reason": notification.reason.value,
        "to": list(notification.to),
        "level": notification.escalation_level,
        "route": notification.route,
    }


def _compared(case: Case, said: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in said:
        for entry in case.never:
            if entry.holds(one):
                yield f"must never be told: {_words(one)}"
    if case.expect is None:
        return
    taken = _matched(case.expect, said)
    for number, entry in enumerate(case.expect):
        if number not in taken.values():
            yield f"was not told: {entry}"
    for place, one in enumerate(said):
        if place not in taken:
            yield f"was told, and is not expected: {_words(one)}"


def _matched(expect: Sequence[Told], said: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """As many pairs (place in ``said``, place in ``expect``) as there can be, each in one pair at most."""
    taken: dict[int, int] = {}

    def place(entry: int, tried: set[int]) -> bool:
        for at, one in enumerate(said):
            if at in tried or not expect[entry].holds(one):
                continue
            tried.add(at)
            if at not in taken or place(taken[at], tried):
                taken[at] = entry
                return True
        return False

    for entry in range(len(expect)):
        place(entry, set())
    return taken


def _words(one: Mapping[str, Any]) -> str:
    shown_as = {**one, **({"after": format_duration(one["after"])} if "after" in one else {})}
    return ", ".join(f"{name} {value}" for name in WORDS if (value := shown_as.get(name)) not in (None, "", [], 0))


# --- the files


def load(path: Path) -> tuple[CheckFile | None, list[Problem]]:
    """A file of cases, or what is wrong with it. Raises ConfigError where it cannot be read at all."""
    document = read(path)
    problems, block = list(document.problems), Block(document.content)
    raw = block.raw("cases")
    policy = block.read("policy", lambda value: _policy(path, value), None)
    cases: list[Case] = []
    if not isinstance(raw, list) or not raw:
        block.problem("cases", "takes a list of cases")
    for number, item in enumerate(raw if isinstance(raw, list) else ()):
        case, found = _case(document, number, item)
        block.problems += [(f"cases.{number}.{where}" if where else f"cases.{number}", text) for where, text in found]
        cases.append(case)
    for where, text in block.finish():
        at = dotted(where)
        problems.append(Problem(document.place(at), at, text))
    return (None if problems else CheckFile(tuple(cases), policy)), problems


def _case(document: Document, number: int, raw: Any) -> tuple[Case, list[tuple[str, str]]]:
    block = Block(raw)
    file, _, line = document.place(f"cases[{number}]").rpartition(":")
    case = Case(
        file=file,
        line=int(line),
        name=block.text("name", f"case {number + 1}"),
        given=parse_given(block, None),
        expect=block.read("expect", _entries, None),
        never=block.read("never", _entries, ()),
    )
    if case.expect is None and not case.never and not block.problems:
        block.problem("", "expects nothing: say `expect` or `never`")
    return case, block.finish()


def _entries(raw: Any) -> tuple[Told, ...]:
    if not isinstance(raw, list):
        raise ValueError(f"takes a list, not {shown(raw)}")
    found: list[Told] = []
    problems: list[tuple[str, str]] = []
    for number, item in enumerate(raw):
        block = Block({"receiver": item} if isinstance(item, str) else item)
        wanted: dict[str, Any] = {name: block.text(name) for name in ("receiver", "route") if block.has(name)}
        if block.has("after"):
            wanted["after"] = block.read("after", parse_duration)
        if block.has("reason"):
            wanted["reason"] = block.choice("reason", [reason.value for reason in Reason])
        if block.has("level"):
            wanted["level"] = block.integer("level")
        if block.has("to"):
            wanted["to"] = block.read("to", _people)
        if not wanted and not block.problems:
            block.problem("", "names nothing that could be compared")
        problems += [(f"{number}.{where}" if where else str(number), text) for where, text in block.finish()]
        found.append(Told(wanted))
    if problems:
        raise BlockErrors(problems)
    return tuple(found)


def _people(raw: Any) -> list[str]:
    people = [raw] if isinstance(raw, str) else raw
    if not isinstance(people, list) or not all(isinstance(one, str) for one in people):
        raise ValueError(f"takes a person or a list of people, not {shown(raw)}")
    return people


def _policy(path: Path, value: Any) -> dict[str, Any]:
    """A policy as a mapping, or the path of one beside the file."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        raise ValueError(f"takes a policy or the path of one, not {shown(value)}")
    try:
        return policy_in(path.parent / value)
    except ConfigError as error:
        raise ValueError(error.message) from None


def policy_in(path: Path) -> dict[str, Any]:
    """The policy in a file: the whole of it, or the section ``policy`` of a configuration. Raises ConfigError."""
    content = read(path).content
    if isinstance(content, dict) and isinstance(content.get("policy"), dict):
        content = content["policy"]
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: is no policy", "see streams/docs/routing.md")
    return content


def dotted(where: str) -> str:
    """``cases.0.alert`` as documents call it: ``cases[0].alert``."""
    parts = where.split(".") if where else []
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts).removeprefix(".")
