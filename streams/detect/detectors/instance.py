"""Credentials of a virtual machine's role, used from somewhere else than the machine.

The heuristic of Amazon GuardDuty's InstanceCredentialExfiltration findings and of Netflix's "Detecting credential
compromise in AWS": an instance role's session has the address of its instance, and keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from streams.detect.detectors import Event, Found
from streams.rules.addresses import MAX_ADDRESS, Address, Network, address, network

_KEPT = 32
#: Addresses that say nothing about where a call comes from: inside of a network, by way of a private endpoint.
_INSIDE = tuple(
    network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8",
        "fc00::/7", "fe80::/10", "::1/128", "::/128",
    )
)  # fmt: skip
_ASNS = ("geo.asn", "asn")


class StolenSession:
    """Fires where one session of an instance is used from a public network that it was not used from before.

    Settings: ``networks`` (none: networks of one's own; once given, what lies in them is home and anything else fires,
    the first use too), ``asns`` (none: the same by autonomous system, for events that carry ``geo.asn`` or ``asn``),
    ``ipv4_prefix`` (24) and ``ipv6_prefix`` (48): what counts as one network. A new network is ``high``, ``medium``
    where it is of the same autonomous system as the one before. Use of an earlier network within ``both_within`` (1h)
    of the new one is ``critical``: two machines hold one credential. Names of services and private addresses are not
    looked at. The state is the 32 networks used last; observed is how many there are.
    """

    fields: Sequence[str] = ("source_ip", *_ASNS)
    keeps: str | int = "30d"
    live = steady = True
    both_within = 3_600_000

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._home = tuple(_network(text) for text in settings.get("networks", ()))
        self._asns = frozenset(str(one) for one in settings.get("asns", ()))
        self._prefix = {32: int(settings.get("ipv4_prefix", 24)), 128: int(settings.get("ipv6_prefix", 48))}
        if not all(0 < prefix <= bits for bits, prefix in self._prefix.items()):
            raise ValueError("a prefix is too long, or not above 0")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        text = event.fields.get("source_ip")
        came = _outside(text) if isinstance(text, str) and len(text) <= MAX_ADDRESS else None
        if came is None:
            return state, ()
        asn = next((str(value) for path in _ASNS if type(value := event.fields.get(path)) in (int, str)), "")
        if self._is_home(came, asn):
            return state, ()
        known: dict[str, list[Any]] = state or {}
        name = f"{came.bits}/{came.place >> came.bits - self._prefix[came.bits]:x}"
        others = [one for key, one in known.items() if key != name]
        declared = bool(self._home or self._asns)
        is_new = name not in known
        # [last used, autonomous system, whether it came after others, first used]
        first = [event.time, asn, bool(known), event.time]
        seen = known.setdefault(name, first)
        seen[0] = max(event.time, seen[0])
        found = self._judged(event.time, is_new, others, seen, declared)
        if len(known) > _KEPT:
            del known[min(known, key=lambda one: known[one][0])]
        return known, found

    def _judged(self, at: int, is_new: bool, others: list[Any], seen: list[Any], declared: bool) -> Sequence[Found]:
        count, detail = len(others) + 1, {"asn": seen[1]}
        if any(self._both(seen, one) or self._both(one, seen) for one in others):
            return [Found(count, 1, severity="critical", detail=detail)]
        if is_new and (others or declared):
            same = bool(seen[1]) and any(one[1] == seen[1] for one in others)
            return [Found(count, 1, severity="medium" if same and not declared else "high", detail=detail)]
        return ()

    def _both(self, before: list[Any], after: list[Any]) -> bool:
        """Whether the network of before is still used when the one that came after it is."""
        return after[2] and not before[2] and after[3] < before[0] < after[0] + self.both_within

    def _is_home(self, came: Address, asn: str) -> bool:
        return (bool(asn) and asn in self._asns) or any(_holds(home, came) for home in self._home)


@lru_cache(1 << 12)
def _outside(text: str) -> Address | None:
    """The address, where it says where a call comes from."""
    came = address(text)
    return None if came is None or any(_holds(inside, came) for inside in _INSIDE) else came


def _network(text: Any) -> Network:
    found = network(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{str(text)[:60]!r} is no network")
    return found


def _holds(inside: Network | None, came: Address) -> bool:
    if inside is None or inside.bits != came.bits:
        return False
    return came.place >> came.bits - inside.prefix == inside.place >> inside.bits - inside.prefix
