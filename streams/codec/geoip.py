"""Where an address is and whose it is, from databases on disk in MaxMind's format. Nothing is asked over a network.

Read are the layouts of GeoLite2/GeoIP2, DB-IP (nested) and IPinfo (flat). A database is opened once and held; a file
that is replaced is seen by workers that start afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any

from streams.errors import ConfigError

#: Addresses whose answer is remembered.
REMEMBERED = 65_536
PLACE, NETWORK = "city", "asn"
#: Looked up when a database is opened, so that a damaged one is told then: some of every /8, and of IPv6.
_PROBES = (
    *(f"{first}.{first % 7 * 30}.{first % 5 * 50}.1" for first in range(1, 224)),
    "2001:4860:4860::8888",
    "2a00::1",
)
_DOCS = "see streams/docs/enrichment.md"

Location = Mapping[str, Any]
_NOWHERE: Location = MappingProxyType({})


class GeoIP:
    """Answers by address: ``country`` (ISO code), ``city``, ``lat``, ``lon``, ``asn``, ``asn_org``, ``database``.

    Only what a database says is in an answer; an answer that says nothing is empty. ``city`` and ``asn`` are files, one
    of which may be None. Raises ConfigError for a file that is missing, broken, or knows nothing of the kind.
    """

    def __init__(self, city: Path | None, asn: Path | None) -> None:
        self._places = None if city is None else _Database(city, PLACE)
        self._networks = None if asn is None else _Database(asn, NETWORK)
        self._about = lru_cache(maxsize=REMEMBERED)(self._look_up)

    def about(self, address: Any) -> Location:
        """What is known of an address; empty for one that is private, reserved or none at all."""
        return self._about(address) if isinstance(address, str) and len(address) <= 45 else _NOWHERE

    def _look_up(self, address: str) -> Location:
        try:
            ip = ip_address(address.strip())
        except ValueError:
            return _NOWHERE
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if not ip.is_global or ip.is_multicast:
            return _NOWHERE
        found: dict[str, Any] = {}
        versions = []
        for database, read in ((self._places, _place), (self._networks, _network)):
            if database is not None and (known := read(database.record(str(ip)))):
                found |= known
                versions.append(database.version)
        if not found:
            return _NOWHERE
        return MappingProxyType({**found, "database": ", ".join(dict.fromkeys(versions))})


class _Database:
    """One file. ``version``: its type and the day on which it was built."""

    def __init__(self, path: Path, kind: str) -> None:
        try:
            import maxminddb
        except ImportError:
            raise ConfigError(f"enrichment.geoip.{kind} needs maxminddb", "pip install 'tocsin[geo]'") from None
        self._failures = (ValueError, maxminddb.InvalidDatabaseError)
        try:
            self._reader = maxminddb.open_database(path)
            metadata = self._reader.metadata()
            for probe in _PROBES:
                if metadata.ip_version == 6 or ":" not in probe:
                    self._reader.get(probe)
            built = datetime.fromtimestamp(metadata.build_epoch, UTC)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}", _DOCS) from None
        except Exception as error:  # whatever a damaged file leads the reader to
            raise ConfigError(f"{path}: is no database of MaxMind's format, or a damaged one: {error}", _DOCS) from None
        name = str(metadata.database_type)
        self.version = f"{name[:80]} {built:%Y-%m-%d}"
        if kind == PLACE and "asn" in name.lower() and "city" not in name.lower():
            raise ConfigError(f"{path}: holds networks ({name}), not places", "it belongs under asn")

    def record(self, address: str) -> Mapping[str, Any]:
        """What stands there; nothing where an address cannot be looked up in it."""
        with contextlib.suppress(*self._failures):  # IPv6 in a database of IPv4; damage that no probe met
            found = self._reader.get(address)
            if isinstance(found, dict):
                return found
        return _NOWHERE


def _place(record: Mapping[str, Any]) -> dict[str, Any]:
    country, where = _object(record, "country"), _object(record, "location")
    city = record.get("city")
    code = country.get("iso_code") or record.get("country_code") or record.get("country")
    lat, lon = (
        _degrees(where.get(name, record.get(short))) for name, short in (("latitude", "lat"), ("longitude", "lng"))
    )
    found: dict[str, Any] = {
        "country": code.upper() if isinstance(code, str) and len(code) == 2 else None,
        "city": _object(_object(record, "city"), "names").get("en") if isinstance(city, dict) else city,
    }
    if lat is not None and lon is not None:
        found |= {"lat": lat, "lon": lon}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _network(record: Mapping[str, Any]) -> dict[str, Any]:
    number = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(number, str) and number.upper().removeprefix("AS").isdecimal():
        number = int(number.upper().removeprefix("AS"))
    owner = record.get("autonomous_system_organization") or record.get("as_name") or record.get("name")
    found = {"asn": number if type(number) is int else None, "asn_org": owner if isinstance(owner, str) else None}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else _NOWHERE


def _degrees(value: Any) -> float | None:
    """Degrees, which IPinfo writes as text."""
    try:
        degrees = float(value)
    except (TypeError, ValueError):
        return None
    return degrees if -180 <= degrees <= 180 else None
