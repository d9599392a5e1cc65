"""What stands in an indicator list, and when a value of an event is in it.

Entries are texts. An address or a network holds every address inside it, however that is written; one that begins with
a dot (``.evil.example``) holds the domain and all below it, in any case; any other holds itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from streams.model import content_hash
from streams.rules.addresses import MAX_ADDRESS, address, network
from streams.rules.conditions import All, AnyOf, Condition, Leaf, Not
from streams.rules.durations import shown
from streams.rules.operators import ListName

MAX_ENTRIES = 1_000_000
MAX_ENTRY = 2_048
#: All entries of a list together, characters.
MAX_TOTAL = 64 * 1024 * 1024
_MAX_DOMAIN = 253
_MAX_PROBLEMS = 20

#: What looks like a network, or like an IPv4 address, and must then be one.
_LIKE_A_NETWORK = re.compile(r"[0-9.]+(?:/[0-9]*)?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/[0-9]*", re.ASCII)
_FOUR_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){3}", re.ASCII)
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


class ListProblems(ValueError):
    """What keeps entries from being a list: ``problems`` as (number of the entry from 1, message)."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        more = "" if len(problems) <= 3 else f", and {len(problems) - 3} more"
        super().__init__("; ".join(f"entry {number} {what}" for number, what in problems[:3]) + more)
        self.problems = problems


def entry_problem(entry: Any) -> str | None:
    """Why this cannot stand in a list, or None."""
    if not isinstance(entry, str):
        return f"{shown(entry)} is not text"
    if len(entry) > MAX_ENTRY:
        return f"is longer than {MAX_ENTRY} characters"
    if not entry or entry != entry.strip():
        return "is blank, or has blanks around it"
    if not (entry.isascii() and entry.isprintable()) and _NOT_TEXT.search(entry):
        return f"{shown(entry)} has a control character in it"
    if entry[0] == "." and (len(entry) > _MAX_DOMAIN or not all(entry[1:].split("."))):
        return f"{shown(entry)} is no domain: an empty label stands in it, or it is too long"
    if ("/" in entry or entry[-1].isdigit()) and _wrong_network(entry):
        return f"{shown(entry)} is no network: a number is out of range, or bits are set beyond the prefix"
    return None


def _wrong_network(entry: str) -> bool:
    head = entry.partition("/")[0]
    looks = ("/" in entry and _LIKE_A_NETWORK.fullmatch(entry) and (":" in head or _FOUR_NUMBERS.fullmatch(head))) or (
        "/" not in entry and _FOUR_NUMBERS.fullmatch(entry)
    )
    return bool(looks) and network(entry) is None


@dataclass(frozen=True)
class NamedList:
    """The content of a list: distinct texts in order, named by their hash. Made by ``named_list``.

    The tests over it are built once, whatever number of rules use it and however often they are bound.
    """

    name: str
    entries: tuple[str, ...]

    @cached_property
    def version(self) -> str:
        """Hash of the content."""
        return content_hash("list", self.entries)[:16]

    def holds(self, value: Any, case_sensitive: bool = True) -> bool:
        """Whether a value of an event is in the list. Total."""
        return (self._exact if case_sensitive else self._folding)(value)

    def test(self, case_sensitive: bool) -> Callable[[Any], bool]:
        """``holds``, as a function of the value alone."""
        return self._exact if case_sensitive else self._folding

    @cached_property
    def _sorted(self) -> tuple[list[str], frozenset[str], list[tuple[int, int, frozenset[int]]]]:
        """Texts; domains, lower-cased, without their first dot; networks as (bits, shift, places)."""
        texts: list[str] = []
        domains: list[str] = []
        places: dict[tuple[int, int], set[int]] = {}
        for entry in self.entries:
            if entry[0] == ".":
                domains.append(entry[1:].lower())
            elif (found := network(entry) if len(entry) <= MAX_ADDRESS + 4 else None) is not None:
                shift = found.bits - found.prefix
                places.setdefault((found.bits, shift), set()).add(found.place >> shift)
            else:
                texts.append(entry)
        networks = [(bits, shift, frozenset(found)) for (bits, shift), found in sorted(places.items())]
        return texts, frozenset(domains), networks

    @cached_property
    def _exact(self) -> Callable[[Any], bool]:
        return self._made(frozenset(self._sorted[0]), str)

    @cached_property
    def _folding(self) -> Callable[[Any], bool]:
        return self._made(frozenset(text.casefold() for text in self._sorted[0]), str.casefold)

    def _made(self, texts: frozenset[str], fold: Callable[[str], str]) -> Callable[[Any], bool]:
        _, domains, networks = self._sorted

        def holds(value: Any) -> bool:
            if type(value) is not str:
                return False
            if fold(value) in texts:
                return True
            if networks and len(value) <= MAX_ADDRESS and (found := address(value)) is not None:
                bits, place = found
                return any(of == bits and place >> shift in places for of, shift, places in networks)
            return bool(domains) and len(value) <= _MAX_DOMAIN + 1 and _below(value.lower().removesuffix("."), domains)

        return holds


def _below(domain: str, domains: frozenset[str]) -> bool:
    while True:
        if domain in domains:
            return True
        _, dot, domain = domain.partition(".")
        if not dot:
            return False


def named_list(name: str, entries: Iterable[Any]) -> NamedList:
    """A list of these entries; blanks around them and repetitions go. Raises ``ListProblems``."""
    problems: list[tuple[int, str]] = []
    texts: dict[str, None] = {}
    total = 0
    for number, entry in enumerate(entries, 1):
        text = entry.strip() if isinstance(entry, str) else entry
        problem = entry_problem(text)
        if problem is None:
            total += len(text) if text not in texts else 0
            texts[text] = None
        elif len(problems) < _MAX_PROBLEMS:
            problems.append((number, problem))
        if len(texts) > MAX_ENTRIES or total > MAX_TOTAL:
            problems.append((number, f"is too many: a list holds {MAX_ENTRIES:,} entries and {MAX_TOTAL >> 20} MiB"))
            break
    if problems:
        raise ListProblems(problems)
    return NamedList(name, tuple(sorted(texts)))


def bound_to(condition: Condition, lists: Mapping[str, NamedList]) -> Condition:
    """The condition with its named lists tested against these."""
    if isinstance(condition, Leaf):
        found = lists.get(condition.operand.name) if is_named(condition) else None
        return (
            condition
            if found is None or not found.entries
            else replace(condition, test=found.test(condition.case_sensitive))
        )
    if isinstance(condition, All):
        return All(tuple(_all_bound(condition.parts, lists)))
    if isinstance(condition, AnyOf):
        return AnyOf(tuple(_all_bound(condition.parts, lists)))
    return Not(bound_to(condition.part, lists)) if isinstance(condition, Not) else condition


def _all_bound(parts: Iterable[Condition], lists: Mapping[str, NamedList]) -> Iterator[Condition]:
    return (bound_to(part, lists) for part in parts)


def is_named(leaf: Leaf) -> bool:
    """Whether it refers to a list by name."""
    return isinstance(leaf.operand, ListName)
