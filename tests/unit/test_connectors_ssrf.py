"""A URL in the configuration is no way into our own network."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from connectors.base import Delivered, Result, Retry
from connectors.context import SinkContext
from connectors.registry import parse_sinks
from connectors.ssrf import is_public
from connectors.testing import Receiver, notifier_item

INSIDE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b:1::a00:1", "not an address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_inside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "2002:808:808::1", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


class Names(AbstractResolver):
    """Answers as it is told, one list of addresses after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0) for one in found
        ]

    async def close(self) -> None:
        pass


def send(url: str, tmp_path: Path, resolver: AbstractResolver | None = None, **more: Any) -> Result:
    (config,) = parse_sinks([{"name": "w", "type": "webhook", "url": url} | more])

    async def scenario() -> Result:
        sink = config.make(SinkContext("w", tmp_path, timeout_ms=1500, resolver=resolver))
        await sink.open()
        (result,) = await sink.deliver([notifier_item()])
        await sink.close()
        return result

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "localhost", "0", "127.1", "2130706433", "0x7f.1"],
)
def test_a_webhook_does_not_reach_inside(host: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Receiver() as receiver:
            port = receiver.url.split(":")[2].split("/")[0]
            (config,) = parse_sinks([{"name": "w", "type": "webhook", "url": f"http://{host}:{port}/hook"}])
            sink = config.make(SinkContext("w", tmp_path, timeout_ms=1500))
            await sink.open()
            (result,) = await sink.deliver([notifier_item()])
            await sink.close()
            assert isinstance(result, Retry), result
            assert receiver.requests == []

    asyncio.run(scenario())


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"]])
def test_a_name_that_leads_inside_is_refused_whole(answer: list[str], tmp_path: Path) -> None:
    result = send("http://innocent.example/", tmp_path, Names(answer))
    assert isinstance(result, Retry)
    assert "not a public address" in result.reason
    assert "allow_private" in result.reason


def test_a_name_may_lead_inside_where_that_is_meant(tmp_path: Path) -> None:
    async def scenario() -> Result:
        async with Receiver() as receiver:
            port = receiver.url.split(":")[2].split("/")[0]
            url = f"http://inside.example:{port}/hook"
            (config,) = parse_sinks([{"name": "w", "type": "webhook", "url": url, "allow_private": True}])
            sink = config.make(SinkContext("w", tmp_path, timeout_ms=1500, resolver=Names(["127.0.0.1"])))
            await sink.open()
            (result,) = await sink.deliver([notifier_item()])
            await sink.close()
            assert receiver.broken_rules == ["webhook-signature does not match"]  # unsigned, but it arrived
            return result

    assert not isinstance(asyncio.run(scenario()), (Delivered, Retry))


def test_an_address_that_slips_past_the_resolver_is_refused_by_the_socket(tmp_path: Path) -> None:
    """The resolver is checked, the address it hands on is checked again where the socket is opened."""
    from connectors import ssrf

    async def scenario() -> None:
        connector = ssrf.guarded_connector(False)
        factory = connector._socket_factory
        assert factory is not None
        with pytest.raises(ssrf.Forbidden):
            factory((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))
        await connector.close()

    asyncio.run(scenario())
