"""``python: {class: rising, settings: {…}}``: fires where a class of an installed package finds something.

python: {class: "acme_detectors.wash:WashTrades", settings: {depth: 3}}    # of a package that declares detectors
python: {class: wash-trades}                                               # by the name of its entry point
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import msgspec

from streams.detect.base import Option, Settings
from streams.detect.boxed import Boxed, BoxedTimed
from streams.detect.living import Living, LivingInPlace, LivingTimed
from streams.detect.patterns.steps import PART_OPTIONS, read_name, read_way
from streams.rules.block import Block, paths
from streams.rules.durations import format_duration, parse_duration, shown
from streams.rules.problems import BlockErrors, did_you_mean
from streams.rules.rule import ArmSpec, Ladder

GROUP = "tocsin.detectors"
_SHIPPED = "streams.detect.detectors"
_MOST_WAYS = 8
_NAME = re.compile(r"[A-Za-z_][\w.-]*(?::[A-Za-z_]\w*)?", re.ASCII)

_encode = msgspec.json.Encoder(order="sorted").encode

OPTIONS = (
    Option("class", "text", None, "``package.module:Class``, or the name of an entry point of ``tocsin.detectors``"),
    Option("settings", "mapping", "{}", "what the class is called with"),
    Option("fields", "fields", "the class's", "dot paths that it gets of an event"),
    Option(
        "also", "ways", "", "further ways in, each by a name that the class sees, from other sources too", PART_OPTIONS
    ),
)

EXAMPLE = """
id: example.temperature-keeps-rising
title: "{sensor} has risen {value} times in a row"
source: metric
where: {name: temperature}
group_by: [sensor]
detect: {python: {class: "streams.detect.detectors.runs:Rising", settings: {field: value, length: 3}}}
severity: medium
type: metrics
tests:
  - name: the third rise in a row fires
    events:
      - {at: 0m, sensor: a, name: temperature, value: 20}
      - {at: 1m, sensor: a, name: temperature, value: 21}
      - {at: 2m, sensor: a, name: temperature, value: 22}
      - {at: 3m, sensor: a, name: temperature, value: 23}
      - {at: 4m, sensor: a, name: temperature, value: 19}
    expect: [{at: 3m, sensor: a}]
"""


@dataclass(frozen=True, slots=True)
class Python(Settings):
    """Fires where the class finds something (``streams.detect.detectors``).

    It must be importable on every worker: code comes from installed packages that declare detectors, never from a
    rule. An event id is recognised among the key's last 64. ``version`` of the class, where it has one, is part of
    the rule's version: raise it when states of an earlier one cannot be read.

    An alert is named after the event that was stepped, or after an earlier one of the key that the class names. A class
    can choose the evidence of what it finds, and retract alerts of other rules (``about``, ``evidence`` and ``retract``
    of ``Found``).
    """

    target: str
    settings: bytes  #: JSON
    watched: tuple[str, ...]
    keeping: int
    is_timed: bool
    version: str = ""
    also: tuple[tuple[str, ArmSpec], ...] = ()

    @property
    def name(self) -> str:
        return "python"

    @property
    def keeps(self) -> int:
        return self.keeping

    @property
    def timed(self) -> bool:
        return self.is_timed

    def fields(self) -> tuple[str, ...]:
        return self.watched

    def needs(self) -> tuple[str, ...]:
        """Of ``fields()`` what the class looks at: some read more, and so share one reading with others."""
        needs = getattr(found(self.target), "needs", self.watched)
        return tuple(path for path in self.watched if path in needs)

    def arms(self) -> tuple[ArmSpec, ...]:
        return (ArmSpec(), *(spec for _, spec in self.also)) if self.also else ()

    def document(self) -> dict[str, Any]:
        also = {name: spec.document() for name, spec in self.also}
        return {
            "class": self.target, "settings": msgspec.json.decode(self.settings), "fields": list(self.watched),
            "keeps": format_duration(self.keeping), "version": self.version, **({"also": also} if also else {}),
        }  # fmt: skip

    def detector(self, ladder: Ladder) -> Boxed:
        made = found(self.target)(msgspec.json.decode(self.settings))
        ways = ("", *(name for name, _ in self.also))
        boxed: type[Boxed] = BoxedTimed if self.is_timed else Boxed
        if getattr(made, "live", False) is True:
            boxed = LivingTimed if self.is_timed else Living if self.also else LivingInPlace
        return boxed(made, self.watched, self.keeping, ways)


def _packages() -> set[str]:
    """Those that are installed and declare detectors."""
    return {point.module.partition(".")[0] for point in entry_points(group=GROUP)}


def found(target: str) -> type:
    """The class of that name. Raises ValueError that says what is wrong; imports nothing that declares no detectors."""
    if not isinstance(target, str) or not _NAME.fullmatch(target):
        raise ValueError(f"takes package.module:Class or the name of an entry point, not {shown(target)}")
    try:
        if ":" not in target:
            declared = {point.name: point for point in entry_points(group=GROUP)}
            if target not in declared:
                raise ValueError(f"{target!r} is no entry point of {GROUP}{did_you_mean(target, declared)}")
            chosen = declared[target].load()
        else:
            module, _, name = target.partition(":")
            # Our own need no look at what is installed, which takes milliseconds for each rule of a pack.
            if not f"{module}.".startswith(f"{_SHIPPED}.") and module.partition(".")[0] not in _packages():
                raise ValueError(f"{module.partition('.')[0]!r} is no installed package that declares {GROUP}")
            chosen = getattr(import_module(module), name)
    except ValueError:
        raise
    except Exception as error:  # whatever a package does when it is imported
        raise ValueError(f"{target} cannot be loaded: {type(error).__name__}: {error}"[:300]) from error
    if not isinstance(chosen, type) or not callable(getattr(chosen, "step", None)):
        raise ValueError(f"{target} is no class with a step")
    return chosen


def parse(block: Mapping[str, Any]) -> Python:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    target = read.text("class")
    settings = read.read("settings", _settings, b"{}")
    fields = read.read("fields", paths, None)
    also = read.read("also", _also, ())
    chosen = read.read("class", found) if isinstance(target, str) and not read.problems else None
    watched: tuple[str, ...] = ()
    keeping, is_timed, version = 1, False, ""
    if chosen is not None:
        try:
            made = chosen(msgspec.json.decode(settings))
            watched = paths(list(made.fields)) if fields is None else fields
            keeps = made.keeps
            keeping = parse_duration(keeps) if isinstance(keeps, str) else int(keeps)
            version = str(getattr(made, "version", ""))
            is_timed = hasattr(made, "due")
            if keeping < 1 or is_timed != hasattr(made, "expire"):
                raise ValueError("keeps must be more than 0, and due and expire come together")
        except Exception as error:  # the class's own
            read.problem("", f"{target} does not take these settings: {type(error).__name__}: {error}"[:300])
    read.check()
    return Python(target, settings, watched, keeping, is_timed, version, also)


def _also(raw: Any) -> tuple[tuple[str, ArmSpec], ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= _MOST_WAYS:
        raise ValueError(f"takes a list of 1 to {_MOST_WAYS} ways, not {shown(raw)}")
    ways: dict[str, ArmSpec] = {}
    problems: list[tuple[str, str]] = []
    for place, item in enumerate(raw):
        read = Block(item)
        name, way = read_name(read, place + 1), read_way(read)
        try:
            read.check()
        except BlockErrors as errors:
            problems += [(f"{place}.{path}" if path else str(place), message) for path, message in errors.problems]
        if name in ways:
            problems.append((str(place), f"a way is called {name!r} already"))
        ways[name] = way
    if problems:
        raise BlockErrors(problems)
    return tuple(ways.items())


def _settings(raw: Any) -> bytes:
    if not isinstance(raw, Mapping):
        raise ValueError(f"takes a mapping, not {shown(raw)}")
    return _encode(raw)
