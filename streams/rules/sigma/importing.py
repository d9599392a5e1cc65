"""From files of Sigma rules to documents of ours: every rule is imported whole, or refused with its reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError, SigmaRuleLocation, SigmaRuleNotFoundError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule
from sigma.rule.base import check_alias_expansion

from streams.model import content_hash
from streams.rules.document import MAX_BYTES
from streams.rules.sigma.conditions import path_in, where_of
from streams.rules.sigma.correlations import Part, correlated, fields_of
from streams.rules.sigma.heading import heading
from streams.rules.sigma.mapping import FieldMapping, Logsource
from streams.rules.sigma.refusal import Inexpressible, Refusal

_Rule = SigmaRule | SigmaCorrelationRule

_MAX_NESTED = 200


@dataclass(slots=True)
class Imported:
    """``rules``: (file they came from, document without ``tests``), in order of id."""

    rules: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def import_rules(paths: Sequence[Path], mapping: FieldMapping) -> Imported:
    """The Sigma rules in these files and folders (all ``*.yml`` and ``*.yaml`` below them, any documents a file).

    Correlations and filters find the rules they name in any of the files. Nothing is raised for a bad rule: it is
    refused, and so is a correlation that needs it.
    """
    done = Imported()
    found: list[_Rule | SigmaFilter] = []
    for file in _files(paths, done.refused):
        found += _read(file, done.refused)
    rules = _filtered(found, done.refused)
    translated = _Translation(rules, mapping, done.refused).run()
    for place, document in _named(translated):
        done.rules.append((place, document))
    done.rules.sort(key=lambda item: str(item[1]["id"]))
    done.refused.sort()
    return done


def _files(paths: Sequence[Path], refused: list[Refusal]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix in (".yml", ".yaml") and file.is_file())
        elif path.is_file():
            yield path
        else:
            refused.append(Refusal(str(path), "", "is no file and no folder"))


def _read(file: Path, refused: list[Refusal]) -> Iterator[_Rule | SigmaFilter]:
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"is larger than {MAX_BYTES // 1024} KiB")
        if _nested(data) > _MAX_NESTED:
            raise ValueError("nests too deep")
        documents = [document for document in yaml.safe_load_all(data.decode("utf-8-sig")) if document is not None]
    except OSError as error:
        refused.append(Refusal(str(file), "", f"cannot be read: {error.strerror}"))
        return
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # UnicodeDecodeError is a ValueError
        refused.append(Refusal(str(file), "", f"is not YAML: {_line(error)}"))
        return
    for document in documents:
        name = str(document.get("title") or document.get("name") or "") if isinstance(document, dict) else ""
        try:
            yield from _parsed(file, document)
        except (SigmaError, Inexpressible) as error:
            refused.append(Refusal(str(file), name, _line(error)))
        except Exception as error:  # a parser's own fault over a hostile rule is that rule's refusal
            refused.append(Refusal(str(file), name, f"cannot be read as a Sigma rule: {_line(error)}"))


def _nested(data: bytes) -> int:
    """About how deep brackets nest: PyYAML takes quadratic time over them, and its C half may crash."""
    depth = deepest = 0
    for byte in data:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}" and depth:
            depth -= 1
    return deepest


def _parsed(file: Path, document: Any) -> Iterator[_Rule | SigmaFilter]:
    if not isinstance(document, dict):
        raise Inexpressible("is not a mapping")
    check_alias_expansion(document, SigmaError, None)
    if "action" in document:
        raise Inexpressible("collection actions (global, repeat, reset); write each rule out")
    if isinstance(document.get("detection"), dict) and "timeframe" in document["detection"]:
        raise Inexpressible("a timeframe without a correlation")
    place = SigmaRuleLocation(file)
    if "correlation" in document:
        correlation = document["correlation"]
        extended = isinstance(correlation, dict) and "rules" not in correlation
        if isinstance(correlation, dict) and not extended and not correlation["rules"]:
            raise Inexpressible("it refers to no rule")
        yield SigmaCorrelationRule.from_dict(document, source=place)
    elif "filter" in document:
        yield SigmaFilter.from_dict(document, source=place)
    else:
        yield SigmaRule.from_dict(document, source=place)


def _filtered(found: list[_Rule | SigmaFilter], refused: list[Refusal]) -> list[_Rule]:
    """The rules with every filter applied that names them, and the references of correlations resolved."""
    filters = [item for item in found if isinstance(item, SigmaFilter)]
    rules: list[_Rule] = []
    for item in found:
        if isinstance(item, SigmaFilter):
            continue
        try:
            for filter_ in filters if isinstance(item, SigmaRule) else ():
                item = filter_.apply_on_rule(item)
            rules.append(item)
        except SigmaError as error:
            refused.append(Refusal(_place(item), _name(item), _line(error)))
    collection = SigmaCollection([*rules], resolve_references=False)
    words = Counter(word for rule in rules for word in _words(rule))
    usable = []
    for rule in rules:
        if shared := [word for word in _words(rule) if words[word] > 1]:
            refused.append(Refusal(_place(rule), _name(rule), f"{shared[0]} is the id or name of another rule too"))
            continue
        try:
            if isinstance(rule, SigmaCorrelationRule):
                rule.resolve_rule_references(collection)
            usable.append(rule)
        except SigmaRuleNotFoundError as error:
            reason = f"{_line(error)}: it is in none of the files, or was refused"
            refused.append(Refusal(_place(rule), _name(rule), reason))
        except SigmaError as error:
            refused.append(Refusal(_place(rule), _name(rule), _line(error)))
    return usable


def _words(rule: _Rule) -> set[str]:
    """What a correlation may call it."""
    return {str(word) for word in (rule.id, rule.name) if word is not None}


class _Translation:
    def __init__(self, rules: list[_Rule], mapping: FieldMapping, refused: list[Refusal]) -> None:
        self._rules, self._mapping, self._refused = rules, mapping, refused

    def run(self) -> Iterator[tuple[str, dict[str, Any], _Rule]]:
        """Every rule that has an output of its own, without its id."""
        for rule in self._rules:
            try:
                if isinstance(rule, SigmaCorrelationRule):
                    document = self._correlation(rule)
                else:
                    logsource = self._logsource(rule)
                    where = where_of(rule, self._mapping, logsource)
                    if not rule._output:  # only correlations that do not `generate` refer to it
                        continue
                    document = {"source": logsource.source, "where": where}
                    if logsource.group_by:
                        document["group_by"] = list(logsource.group_by)
                    document["detect"] = {"match": {}}
                yield _place(rule), {**heading(rule), **document}, rule
            except (SigmaError, Inexpressible) as error:
                self._refused.append(Refusal(_place(rule), _name(rule), _line(error)))
            except Exception as error:  # as in _read
                self._refused.append(Refusal(_place(rule), _name(rule), f"cannot be translated: {_line(error)}"))

    def _logsource(self, rule: SigmaRule) -> Logsource:
        words = {word: getattr(rule.logsource, word) for word in ("category", "product", "service")}
        try:
            return self._mapping.of({word: str(value) for word, value in words.items() if value})
        except ValueError as error:
            raise Inexpressible(str(error)) from None

    def _correlation(self, rule: SigmaCorrelationRule) -> dict[str, Any]:
        parts = []
        for reference in rule.referenced_rules:
            if isinstance(reference.rule, SigmaCorrelationRule):
                raise Inexpressible(f"it correlates another correlation, {reference.reference}")
            logsource = self._logsource(reference.rule)
            try:
                where = where_of(reference.rule, self._mapping, logsource)
            except (SigmaError, Inexpressible) as error:
                raise Inexpressible(f"it needs the rule {reference.reference}, which says: {_line(error)}") from None
            fields = {name: path_in(name, self._mapping, logsource) for name in fields_of(rule)}
            parts.append(Part(reference.rule.title or reference.reference, logsource.source, where, fields))
        return correlated(rule, parts)


def _named(translated: Iterator[tuple[str, dict[str, Any], _Rule]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """With ids: from name or title; where several would be the same, each with a hash of its Sigma id."""
    items = [(place, document, rule, _slug(rule)) for place, document, rule in translated]
    times = Counter(slug for *_, slug in items)
    for place, document, rule, slug in items:
        if times[slug] > 1:
            slug = f"{slug}-{content_hash('sigma', str(rule.id or place), rule.title)[:8]}"
        yield place, {"id": f"sigma.{slug}", **document}


def _slug(rule: _Rule) -> str:
    words = re.findall(r"[a-z0-9]+", (rule.name or rule.title or str(rule.id)).lower())
    return "-".join(words)[:80].strip("-") or "rule"


def _place(rule: _Rule) -> str:
    return str(rule.source.path) if rule.source is not None else ""


def _name(rule: _Rule) -> str:
    return rule.title or rule.name or str(rule.id or "")


def _line(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
