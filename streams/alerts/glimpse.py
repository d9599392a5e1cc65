"""An alert at rest, of which only the fields that some labels need are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from streams.alerts.subject import steps, within
from streams.model import Alert
from streams.route.matchers import Labelled


class Glimpse(Labelled):
    """Gives the labels that ``Subject`` gives of the whole alert, for the paths it was made for; empty for others."""

    __slots__ = ("_seen",)

    def __init__(self, seen: Any) -> None:
        self._seen = seen

    def label(self, path: str) -> str | tuple[str, ...]:
        name, rest = steps(path)
        return within(getattr(self._seen, name, None), rest)


def glimpses(paths: Iterable[str]) -> Callable[[bytes], Glimpse]:
    """Reads the labels at ``paths`` from the JSON of a ``Memory``."""
    names = {steps(path)[0] for path in paths}
    fields = [_field(one) for one in msgspec.structs.fields(Alert) if one.name in names]
    alert = msgspec.defstruct("Seen", fields, kw_only=True)
    decode = msgspec.json.Decoder(msgspec.defstruct("Rest", [("alert", alert)])).decode
    return lambda value: Glimpse(decode(value).alert)  # type: ignore[attr-defined]


def _field(one: msgspec.structs.FieldInfo) -> Any:
    if one.default is not msgspec.NODEFAULT:
        return one.name, one.type, msgspec.field(default=one.default)
    if one.default_factory is not msgspec.NODEFAULT:
        return one.name, one.type, msgspec.field(default_factory=one.default_factory)
    return one.name, one.type
