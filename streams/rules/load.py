"""Loading rules: all problems of all files in one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from streams.rules.chains import circles
from streams.rules.document import MAX_BYTES, check_plain, line_of, read_document
from streams.rules.parse import Kinds, parse_rule
from streams.rules.policies import SUFFIX, read_policies
from streams.rules.problems import BlockErrors, Problem, RuleErrors
from streams.rules.rule import Rule, RuleSet

__all__ = ["Kinds", "load_rules", "ruleset_from_documents"]

_SUFFIXES = (".yaml", ".yml", SUFFIX)
_MAX_WAY = 8


def load_rules(paths: Sequence[Path], kinds: Kinds) -> RuleSet:
    """The rules in these files and folders (all ``*.yaml`` below them, one rule a file, and the policies
    in ``*.policies.json``), in order of id.

    Raises ``RuleErrors`` with every problem of every file, each with its line.
    """
    problems: list[Problem] = []
    rules: list[Rule] = []
    for file in _files(paths, problems):
        if file.name.endswith(SUFFIX):
            rules += _policies(file, kinds, problems)
            continue
        document, lines, unreadable = read_document(file)
        problems += unreadable
        if unreadable:
            continue
        lists = _Lists(file)
        document = lists.inlined(document)
        try:
            rules.append(parse_rule(document, kinds, str(file), line_of(lines, "id")))
            found: Sequence[tuple[str, str]] = ()
        except BlockErrors as errors:
            found = errors.problems
        problems += (Problem(f"{file}:{line_of(lines, path)}", path, text) for path, text in (*lists.problems, *found))
    return _ruleset(rules, problems)


def _policies(file: Path, kinds: Kinds, problems: list[Problem]) -> Iterator[Rule]:
    for line, document in read_policies(file, problems, kinds):
        yield parse_rule(document, kinds, str(file), line)


def ruleset_from_documents(documents: Sequence[Mapping[str, Any]], kinds: Kinds) -> RuleSet:
    """The rules of a control record, under the same checks. Raises ``RuleErrors``."""
    if not isinstance(documents, Sequence) or isinstance(documents, (str, bytes)):
        raise RuleErrors([Problem("rules", "", "takes a list of rules")])
    problems: list[Problem] = []
    rules: list[Rule] = []
    for number, document in enumerate(documents):
        place = f"rules[{number}]"
        unfit = check_plain(document) if isinstance(document, dict) else "is not a mapping"
        if unfit:
            problems.append(Problem(place, "", unfit))
            continue
        try:
            rules.append(parse_rule(document, kinds, place))
        except BlockErrors as errors:
            place = f"{place} ({str(document.get('id'))[:60]})"
            problems += (Problem(place, path, text) for path, text in errors.problems)
    return _ruleset(rules, problems)


def _ruleset(rules: list[Rule], problems: list[Problem]) -> RuleSet:
    first: dict[str, Rule] = {}
    for rule in rules:
        other = first.setdefault(rule.id, rule)
        if other is not rule:
            problems.append(Problem(_place(rule), "id", f"{rule.id} is the id of the rule in {_place(other)}"))
    for rule, way in circles(rules):
        problems.append(
            Problem(_place(rule), "where", f"may see its own alerts ({_told(way)}): say which rules it looks at")
        )
    if problems:
        raise RuleErrors(sorted(problems, key=_order))
    return RuleSet(tuple(sorted(rules, key=lambda rule: rule.id)))


def _told(way: Sequence[str]) -> str:
    """The way round, without the middle of a long one."""
    return " <- ".join(way if len(way) <= _MAX_WAY else (*way[:4], f"{len(way) - 6} more", *way[-2:]))


def _place(rule: Rule) -> str:
    return f"{rule.file}:{rule.line}" if rule.line else rule.file


def _order(problem: Problem) -> tuple[str, int, str]:
    file, _, line = problem.place.rpartition(":")
    return (file, int(line), problem.path) if line.isdigit() else (problem.place, 0, problem.path)


def _files(paths: Sequence[Path], problems: list[Problem]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            # What begins with a dot is not ours: editors' leavings, and the second name of every mounted file.
            below = (
                file
                for file in path.rglob("*")
                if file.name.endswith(_SUFFIXES)
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
            found = sorted(file for file in below if file.is_file())
            if not found:
                problems.append(Problem(str(path), "", "holds no rule: no *.yaml file stands in it"))
        elif path.is_file():
            found = [path]
        else:
            found = []
            problems.append(Problem(str(path), "", "is no file and no folder"))
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


#: Names in a ``where`` that are no fields.
_GROUPS = ("all", "any", "not")


class _Lists:
    """Puts the lines of files that ``in_list`` names into the document, so that it is whole and hashed as a whole."""

    def __init__(self, rule_file: Path) -> None:
        self.problems: list[tuple[str, str]] = []
        self._folder = rule_file.parent

    def inlined(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document with the lists of its ``where``, and of those inside ``detect``."""
        done = dict(document)
        for name, groups in (("where", _GROUPS), ("detect", (*_GROUPS, "where", "of"))):
            if isinstance(document.get(name), dict):
                done[name] = self._group(document[name], name, groups)
        return done

    def _group(self, group: Any, path: str, groups: tuple[str, ...]) -> Any:
        if isinstance(group, list):
            return [self._group(item, f"{path}.{place}", groups) for place, item in enumerate(group)]
        if not isinstance(group, dict):
            return group
        done = {}
        for name, value in group.items():
            below = f"{path}.{name}"
            of_field = name not in groups and isinstance(value, dict)
            if of_field and isinstance(value.get("in_list"), str) and _is_file(value["in_list"]):
                done[name] = {**value, "in_list": self._lines(value["in_list"], f"{below}.in_list")}
            else:
                done[name] = self._group(value, below, groups)
        return done

    def _lines(self, name: str, path: str) -> Any:
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            self.problems.append((path, f"{name} does not stand beside the rule"))
            return [name]
        try:
            with (self._folder / relative).open("rb") as handle:
                data = handle.read(MAX_BYTES + 1)
            text = data.decode("utf-8-sig")
        except OSError as error:
            self.problems.append((path, f"{name} cannot be read: {error.strerror}"))
            return [name]
        except UnicodeDecodeError:
            self.problems.append((path, f"{name} is not UTF-8"))
            return [name]
        if len(data) > MAX_BYTES:
            self.problems.append((path, f"{name} is larger than {MAX_BYTES // 1024} KiB"))
            return [name]
        lines = (line.strip() for line in text.splitlines())
        return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def _is_file(name: str) -> bool:
    """Whether ``in_list`` says a file beside the rule; a word alone is the name of an indicator list."""
    return "." in name or "/" in name
