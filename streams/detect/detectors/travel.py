"""Impossible travel: two successful logins too far apart to have been made by one person who travelled.

The heuristic of Microsoft Entra ID Protection ("atypical travel") and of Elastic's and Panther's rules of that name:
great-circle distance over time, faster than an airliner.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import asin, cos, radians, sin, sqrt
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.logins import short
from streams.detect.exact import exact

_KEPT = 16
_RADIUS_KM = 6371.0088  #: mean radius of the earth
#: Where a position may stand, and where it is said that the address is not where its user is.
_PLACES = (
    ("geo.lat", "geo.lon"), ("geo.latitude", "geo.longitude"), ("geo.location.lat", "geo.location.lon"),
    ("location.lat", "location.lon"), ("location.latitude", "location.longitude"), ("latitude", "longitude"),
)  # fmt: skip
_COUNTRIES = ("geo.country", "location.country", "country")
_MASKED = frozenset((
    "vpn", "proxy", "relay", "datacenter", "is_vpn", "is_proxy", "is_relay", "is_hosting", "geo.vpn", "geo.proxy",
    "geo.relay", "geo.datacenter", "geo.is_vpn", "geo.is_proxy", "geo.is_relay", "geo.is_hosting",
))  # fmt: skip
_Login = list[Any]  # [time, latitude, longitude, address, country, masked]


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Along the great circle between two (latitude, longitude) in degrees, by the haversine formula."""
    (a, b), (c, d) = ((radians(x), radians(y)) for x, y in (one, other))
    half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return 2 * _RADIUS_KM * asin(min(1.0, sqrt(half)))


class ImpossibleTravel:
    """Fires on a login that makes two neighbours, in event time, at least ``min_km`` and more than ``max_kmh`` apart.

    Settings: ``min_km`` (500), ``max_kmh`` (900). Where either came by a VPN, proxy, relay or data centre the severity
    is ``low``. Not looked at: positions that are missing, out of range or exactly 0, 0 (what databases say for
    "unknown"), and two positions of one address. Logins of one moment are an hour's three-thousand-six-hundredth apart.
    A late login is judged against both its neighbours. The state is the last 16 logins with a position.
    """

    fields: Sequence[str] = ("source_ip", *(path for pair in _PLACES for path in pair), *_COUNTRIES, *sorted(_MASKED))
    keeps: str | int = "30d"
    version = "1"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._km, self._kmh = float(settings.get("min_km", 500)), float(settings.get("max_kmh", 900))
        if self._km <= 0 or self._kmh <= 0:
            raise ValueError("min_km and max_kmh are numbers above 0")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        place = _place(event.fields)
        if place is None:
            return state, ()
        fields, logins = event.fields, state or []
        country = next((value for path in _COUNTRIES if isinstance(value := fields.get(path), str)), "")
        masked = any(fields[path] is True for path in fields.keys() & _MASKED)
        login: _Login = [event.time, *place, short(fields.get("source_ip")), country[:40], masked]
        index = bisect_left(logins, login)
        logins.insert(index, login)
        legs = [pair for pair in (logins[index - 1 : index + 1], logins[index : index + 2]) if len(pair) == 2]
        found = [one for leg in legs if (one := self._judged(*leg)) is not None]
        del logins[:-_KEPT]
        return logins, [max(found, key=lambda one: (one.severity == "", one.value))] if found else ()

    def _judged(self, one: _Login, other: _Login) -> Found | None:
        if one[3] and one[3] == other[3]:
            return None
        distance = kilometres((one[1], one[2]), (other[1], other[2]))
        speed = distance / (max(other[0] - one[0], 1_000) / 3_600_000)
        if distance < self._km or speed <= self._kmh:
            return None
        masked = one[5] or other[5]
        detail = {"km": round(distance), "from_country": one[4], "to_country": other[4], "masked": masked}
        return Found(round(speed), self._kmh, severity="low" if masked else "", detail=detail)


def _place(fields: Mapping[str, Any]) -> tuple[float, float] | None:
    for north, east in _PLACES:
        if north not in fields or east not in fields:
            continue
        latitude, longitude = _degrees(fields[north], 90), _degrees(fields[east], 180)
        if latitude is not None and longitude is not None and (latitude or longitude):
            return float(latitude), float(longitude)
    return None


def _degrees(value: Any, most: int) -> float | Fraction | None:
    """A number from -``most`` to ``most``; text is read exactly, as ``1e-400`` is not nothing."""
    number = value if type(value) in (float, int) else exact(value)
    return number if number is not None and -most <= number <= most else None
