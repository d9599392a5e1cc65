"""Where a connector may connect to. A URL in the configuration must not become a way into our own network.

Checked three times, all on addresses and none on names: a literal in the URL, every address a name resolves to, and
the address a socket is about to connect to. The last one is what counts; the others give the better message.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

#: Not for the public net, though some versions of Python call parts of them global.
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class Forbidden(OSError):
    """The address is inside: loopback, private, link-local (cloud metadata), or otherwise not on the public net."""

    def __init__(self, host: str, address: str) -> None:
        where = host if host == address else f"{host} ({address})"
        super().__init__(f"{where} is not a public address; set allow_private: true on the sink if that is meant")


def is_public(text: str) -> bool:
    """Whether an address is on the public net, also when wrapped in IPv6 (mapped, 6to4, Teredo, NAT64)."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(map(_is_global, (address, *_inside(address))))


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    special = any(address in net for net in _SPECIAL)
    return address.is_global and not address.is_multicast and not special


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in net for net in _NAT64) or int(address) >> 32 == 0:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


class GuardedResolver(AbstractResolver):
    """Refuses a name of which any address is inside."""

    def __init__(self, allow_private: bool = False, resolver: AbstractResolver | None = None) -> None:
        self._allow_private = allow_private
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not self._allow_private:
            for result in found:
                if not is_public(result["host"]):
                    raise Forbidden(host, result["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def guarded_connector(allow_private: bool, resolver: AbstractResolver | None = None) -> aiohttp.TCPConnector:
    """A connector that opens no socket to an inside address, however the address was come by."""

    def open_socket(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not allow_private and not is_public(str(address[0])):
            raise Forbidden(str(address[0]), str(address[0]))
        return socket.socket(family=family, type=kind, proto=protocol)

    return aiohttp.TCPConnector(
        resolver=GuardedResolver(allow_private, resolver),
        ttl_dns_cache=30,
        limit=100,
        socket_factory=open_socket,
    )
