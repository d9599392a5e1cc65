"""The block ``enrichment``: what is added to events before rules see them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from streams.codec.geoip import GeoIP
from streams.config.settings import Enrichment, GeoIp
from streams.errors import ConfigError
from streams.rules.values import path_problem

if TYPE_CHECKING:
    from streams.config.load import _Section

_USUAL = {"source_ip": "geo"}


def enrichment(block: _Section, base: Path, sources: Collection[str]) -> Enrichment:
    """The block; databases are opened once, to see that they can be."""
    found = Enrichment(geoip=_geoip(block.section("geoip"), base, sources))
    block.finish()
    return found


def _geoip(block: _Section, base: Path, sources: Collection[str]) -> GeoIp | None:
    if not block.given:
        block.finish()
        return None
    files = {
        name: base / Path(text).expanduser() if (text := block.text(name, "")) else None for name in ("city", "asn")
    }
    if not any(files.values()):
        block.problem("", "names no database: give city, asn, or both")
    for name, path in files.items():
        if path is not None:
            try:
                GeoIP(**{"city": None, "asn": None, name: path})
            except ConfigError as error:
                block.problem(name, f"{error.message} ({error.hint})" if error.hint else error.message)
    chosen = block.names("sources", ("audit",))
    for name in chosen:
        if name not in sources or name == "alerts":
            block.problem("sources", f"{name!r:.60} is no source of events that is configured")
    fields = _fields(block)
    block.finish()
    return GeoIp(city=files["city"], asn=files["asn"], sources=chosen, fields=fields)


def _fields(block: _Section) -> dict[str, str]:
    given = block.anything("fields", _USUAL)
    if not isinstance(given, dict) or not given:
        block.problem("fields", "must say which field holds an address and where the answer goes: {source_ip: geo}")
        return dict(_USUAL)
    for pair in given.items():
        for path in pair:
            if problem := path_problem(path):
                block.problem("fields", f"{path!r:.60} {problem}")
    return {str(address): str(target) for address, target in given.items()}
