"""Enrichment of envelopes: what is known of an event's addresses, beside them. Wraps a source's mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from streams.codec.geoip import GeoIP, Location
from streams.codec.mapping import Path, find
from streams.codec.registry import Apply
from streams.model.decode import decode_full

#: What belongs together: of these an event's own value rules out ours, or a place would be half theirs, half ours.
_GROUPS = (("country", "city", "lat", "lon"), ("asn", "asn_org"))
#: Where an event may carry places of its own beside ``geo``.
_THEIRS = ("location",)
_COORDINATES = ("lat", "latitude", "country")


class Enriched:
    """A mapping whose envelopes say where their addresses are. Usable as ``Source.mapping``; pure as long as the
    databases are.

    ``fields``: path of an address -> path of the object that gets the answer. An event's own values win: where it has
    one of a group (place; network), and it is not the same as ours, the group stays as it came. ``database`` is set
    where anything was added. What is no object at that path is left alone.
    """

    def __init__(self, mapping: Apply | None, geoip: GeoIP, fields: Mapping[Path, Path]) -> None:
        self._mapping = mapping or decode_full
        self._geoip, self._fields = geoip, tuple(fields.items())

    def __call__(self, raw: bytes) -> dict[str, Any]:
        envelope = self._mapping(raw)
        for address, target in self._fields:
            known = self._geoip.about(find(envelope, address))
            if known:
                envelope = _put(envelope, target, known)
        return envelope


def _put(envelope: dict[str, Any], target: Path, known: Location) -> dict[str, Any]:
    """The envelope with what is known at ``target``; itself where nothing is to be added. It stays as it is."""
    name, rest = target[0], target[1:]
    before = envelope.get(name)
    if before is not None and not isinstance(before, dict):
        return envelope
    if rest:
        after = _put(before or {}, rest, known)
    else:
        after = _joined(before or {}, known, theirs=any(_has_place(envelope.get(other)) for other in _THEIRS))
    return envelope if after is before or not after else {**envelope, name: after}


def _joined(own: dict[str, Any], known: Location, *, theirs: bool) -> dict[str, Any]:
    if not own and not theirs:
        return dict(known)
    added: dict[str, Any] = {}
    for group in _GROUPS:
        is_place = "lat" in group
        differs = any(own.get(name) is not None and own[name] != known.get(name) for name in group)
        if not differs and not (is_place and theirs):
            added |= {name: known[name] for name in group if name in known and own.get(name) is None}
    if not added:
        return own
    return {**own, **added, "database": known["database"]}


def _has_place(value: Any) -> bool:
    return isinstance(value, dict) and any(value.get(name, UNSET) is not UNSET for name in _COORDINATES)
