"""Topics as data: ``topics.yaml`` as values that the CLI creates from and checks a cluster against."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

FILE = Path(__file__).parent / "topics.yaml"
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "y": 365 * 86_400_000}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_KEYS = {"name", "key", "holds", "schemas", "partitions", "same_as", "cleanup", "retention", "segment", "limits", "of"}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What one topic must be. Names are without prefix.

    ``config``: the settings of Kafka to create it with; ``checked``: those of them that exactness needs, so that a
    cluster which differs is wrong, whoever made the topic. ``partitions``: how many it must have, or None where it is
    free (``tocsin topics create`` takes its default) or told by ``same_as``, the topic whose count it must have.
    """

    name: str
    key: str
    holds: str
    of: str  #: "source": the user's own; "log": Tocsin's; "changelog": state
    schemas: tuple[str, ...] = ()
    partitions: int | None = None
    same_as: str | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    checked: frozenset[str] = frozenset()


def _amount(text: Any, units: dict[str, int]) -> int:
    match = re.fullmatch(r"([0-9]+) ?([A-Za-z]+)", str(text))
    if match is None or match[2] not in units:
        raise ValueError(f"{text!r} is not an amount in {', '.join(units)}")
    return int(match[1]) * units[match[2]]


def _config(entry: Mapping[str, Any]) -> dict[str, str]:
    config = {"cleanup.policy": entry["cleanup"]}
    if "retention" in entry:
        forever = entry["retention"] == "forever"
        config["retention.ms"] = "-1" if forever else str(_amount(entry["retention"], _MS))
        config["retention.bytes"] = "-1"
    if "segment" in entry:
        config["segment.bytes"] = str(_amount(entry["segment"]["bytes"], _BYTES))
        config["segment.ms"] = str(_amount(entry["segment"]["every"], _MS))
    for name, limit in entry.get("limits", {}).items():
        config[name] = (
            str(_amount(limit, {**_MS, **_BYTES})) if isinstance(limit, str) and limit[0].isdigit() else str(limit)
        )
    return config


def _spec(name: str, entry: Mapping[str, Any], app: str) -> TopicSpec:
    config = _config(entry)
    # A changelog has the partitions of what it is the state of, unless the file says otherwise.
    table = re.fullmatch(r"<app>-detect-(.+)-changelog", name)
    theirs = entry["of"] == "source"
    return TopicSpec(
        name=name.replace("<app>", app),
        key=entry["key"],
        holds=entry["holds"],
        of=entry["of"],
        schemas=tuple(entry.get("schemas", (name,) if theirs else ())),
        partitions=entry.get("partitions"),
        same_as=entry.get("same_as", table[1] if table else None),
        config=MappingProxyType(config),
        checked=frozenset(entry.get("limits", ()) if theirs else config),
    )


def parse_topics(text: str, app: str) -> tuple[TopicSpec, ...]:
    """The specs a topics file describes. Raises ValueError for a file that is not well-formed."""
    specs: list[TopicSpec] = []
    for entry in yaml.safe_load(text)["topics"]:
        if unknown := set(entry) - _KEYS:
            raise ValueError(f"{entry.get('name')}: unknown {', '.join(sorted(unknown))}")
        names = entry["name"] if isinstance(entry["name"], list) else [entry["name"]]
        specs.extend(_spec(name, entry, app) for name in names)
    known = [spec.name for spec in specs]
    for spec in specs:
        if known.count(spec.name) > 1:
            raise ValueError(f"{spec.name} is there twice")
        if spec.same_as is not None and spec.same_as not in known:
            raise ValueError(f"{spec.name}: same_as names {spec.same_as}, which is not there")
    return tuple(specs)


@cache
def topic_specs(app: str = "tocsin") -> tuple[TopicSpec, ...]:
    """All topics of one application, sources first. ``app`` goes into the names of the changelogs."""
    return parse_topics(FILE.read_text("utf-8"), app)
