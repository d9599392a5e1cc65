"""Policies to begin with: ``preset: operations``, ``audit`` or ``trading``, under what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from streams.rules.durations import shown
from streams.rules.problems import did_you_mean

NAMES = ("audit", "operations", "trading")
#: Sections of things by name: the user's stand beside those of the preset, and before one of the same name.
_BY_NAME = ("intervals", "escalations", "escalate", "oncall", "silences", "maintenance")


def with_preset(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The whole policy: the user's sections over those of the preset it names; one that names none as it is.

    Things that have names are added one by one, a receiver even field by field; every other section, the route among
    them, is the user's alone if the user has it. Raises ValueError for a preset that does not exist.
    """
    if "preset" not in document:
        return document
    name = document["preset"]
    if name not in NAMES:
        raise ValueError(f"there is no preset {shown(name)}{did_you_mean(name, NAMES)}")
    whole = deepcopy(_preset(name))
    for section, said in document.items():
        known = whole.get(section)
        if section == "receivers" and isinstance(said, list):
            whole[section] = _receivers(known or [], said)
        elif section in _BY_NAME and isinstance(said, Mapping):
            whole[section] = {**(known or {}), **said}
        elif section != "preset":
            whole[section] = said
    return whole


def _receivers(known: list[dict[str, Any]], said: list[Any]) -> list[Any]:
    """The preset's with what the user says of them, then the user's own."""
    named = {one["name"]: one for one in said if isinstance(one, Mapping) and isinstance(one.get("name"), str)}
    merged = [{**one, **named.get(one["name"], {})} for one in known]
    names = {one["name"] for one in known}
    seen: set[str] = set()
    for one in said:
        name = one.get("name") if isinstance(one, Mapping) else None
        if name not in names or name in seen:  # one that is given twice is for the policy to refuse
            merged.append(one)
        if isinstance(name, str):
            seen.add(name)
    return merged


@cache
def _preset(name: str) -> dict[str, Any]:
    text = (Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document
