"""Rules of a firewall that let the whole internet in.

The heuristic and the ports are those of CIS AWS Foundations 5.2 and 5.3 (no ingress from anywhere to administration
ports) and of the checks of Prowler for databases; MITRE ATT&CK T1562.007.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.exact import exact

HARMLESS = (80, 443)
#: Remote administration, files, databases, caches, search, containers.
SENSITIVE = (
    21, 22, 23, 135, 137, 138, 139, 445, 1433, 1521, 2375, 2376, 2379, 3306, 3389, 5432, 5601, 5900, 5984, 5985, 5986,
    6379, 6443, 8020, 9042, 9092, 9200, 9300, 10250, 11211, 27017, 27018,
)  # fmt: skip
_SEVERITIES = ("medium", "high", "critical")
_RULES, _PORTS = 1_000, 65_536


class OpenedToWorld:
    """Fires on a rule that lets (nearly) all addresses in; the value is the number of ports opened to them.

    Settings: ``harmless`` (80 and 443), ports that may be open; ``sensitive``, ports that make it high where else it
    is medium; all ports are critical. Networks count from /4 (IPv6 /16) up. Shapes: CloudTrail's security groups, old
    and new, and events with ``source_cidr`` or ``cidr`` and ``port``, or ``from_port`` and ``to_port``. A rule without
    ports is for all; ICMP is not looked at. There is no state.
    """

    fields: Sequence[str] = ("requestParameters", "source_cidr", "cidr", "port", "from_port", "to_port", "protocol")
    keeps: str | int = "1d"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._harmless = frozenset(int(port) for port in settings.get("harmless", HARMLESS))
        self._sensitive = frozenset(int(port) for port in settings.get("sensitive", SENSITIVE))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        worst: tuple[int, int, str] = (0, 0, "")
        for cidr, low, high in _opened(event.fields):
            count = high - low + 1 - sum(low <= port <= high for port in self._harmless)
            if count <= 0 or not _is_world(cidr):
                continue
            whole = high - low + 1 >= _PORTS - 1
            rank = 2 if whole else int(any(low <= port <= high for port in self._sensitive))
            shown = "all" if whole else str(low) if low == high else f"{low}-{high}"
            worst = max(worst, (rank, count, shown))
        rank, count, shown = worst
        return state, [Found(count, 1, severity=_SEVERITIES[rank], detail={"ports": shown})] if count else []


def _opened(fields: Mapping[str, Any]) -> Iterator[tuple[Any, int, int]]:
    """(network, first port, last port) of each rule."""
    flat = [fields.get("source_cidr"), fields.get("cidr")]
    own = _ports(
        fields.get("from_port", fields.get("port")), fields.get("to_port", fields.get("port")), fields.get("protocol")
    )
    yield from ((cidr, *own) for cidr in flat if own)
    parameters = fields.get("requestParameters")
    if not isinstance(parameters, dict):
        return
    rules = [parameters, *_items(parameters, "ipPermissions")]
    modified = parameters.get("ModifySecurityGroupRulesRequest")
    for one in _items(modified, "SecurityGroupRule") if isinstance(modified, dict) else ():
        inner = one.get("SecurityGroupRule")
        rules.append(inner if isinstance(inner, dict) else one)
    for rule in rules[:_RULES]:
        names = {name.lower(): value for name, value in rule.items()}
        ports = _ports(names.get("fromport"), names.get("toport"), names.get("ipprotocol"))
        if ports:
            ranges = [*_items(rule, "ipRanges"), *_items(rule, "ipv6Ranges")]
            cidrs = [one.get("cidrIp", one.get("cidrIpv6")) for one in ranges]
            yield from (
                (cidr, *ports)
                for cidr in [*cidrs[:_RULES], *(names.get(n) for n in ("cidrip", "cidripv4", "cidripv6"))]
            )


def _items(value: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list, CloudTrail's ``{items: [...]}``, or one object in place of a list of one."""
    found = value.get(name)
    if isinstance(found, dict):
        found = found.get("items", [found])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _ports(low: Any, high: Any, protocol: Any) -> tuple[int, int] | None:
    """First and last port; all of them where none is named; None for ICMP and for what are no ports."""
    if isinstance(protocol, str) and protocol.lower() in ("icmp", "icmpv6", "1", "58"):
        return None
    if protocol in ("-1", -1, "all") or (low is None and high is None):
        return 0, _PORTS - 1
    first, last = exact(low), exact(high if high is not None else low)
    if first is None or last is None:
        return None
    if first == -1:
        return 0, _PORTS - 1
    return (int(first), int(last)) if 0 <= first <= last < _PORTS else None


def _is_world(cidr: Any) -> bool:
    if not isinstance(cidr, str) or len(cidr) > 64:
        return False
    try:
        network = ip_network(cidr.strip(), strict=False)
    except ValueError:
        return False
    return network.prefixlen <= (4 if network.version == 4 else 16)
