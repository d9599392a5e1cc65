"""PostgreSQL by TLS: a server whose certificate comes from an authority of our own."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from connectors.base import Delivered, SinkBroken
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.storage.postgres import PostgresConfig
from connectors.storage.postgres_tls import tls_of
from connectors.testing import storage_item
from tests.contract.authority import Authority
from tests.contract.stores import address, make

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)  #: what a client that wants TLS begins with


class Front:
    """TLS in front of a real PostgreSQL (the one from pip is built without), as a proxy ends it.

    ``seen``: of each connection the version of TLS, or "clear"; where it failed "refused".
    """

    def __init__(self, folder: Path, certificate: tuple[Path, Path]) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*certificate)
        self.seen: list[str] = []
        self.folder, self.url = folder, ""

    async def __aenter__(self) -> Self:
        self._behind = urlsplit(address("postgres"))
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._behind._replace(
            netloc=self._behind.netloc.replace(f":{self._behind.port}", f":{port}")
        ).geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(8)
        if first == SSL_REQUEST:
            writer.write(b"S")
            try:
                await writer.start_tls(self._context)
            except (OSError, ssl.SSLError):
                self.seen.append("refused")
                return
            self.seen.append(writer.get_extra_info("ssl_object").version())
            first = b""
        else:
            self.seen.append("clear")
        there = await asyncio.open_connection(self._behind.hostname, self._behind.port)
        there[1].write(first)
        await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def stored(front: Front, known: Path, query: str = "", **more: Any) -> list[str]:
    """Open the sink, deliver, and say what the server saw of it. ``known``: what env:CA holds."""
    pem = known.read_text()

    async def scenario() -> None:
        async with front:
            secrets = Secrets({"PG": front.url + query, "CA": pem})
            block = {"name": "pg", "type": "postgres", "url": "env:PG", "schema": "tls", **more}
            sink = make(block, SinkContext("pg", front.folder, secrets))
            try:
                await sink.open()
                (result,) = await sink.deliver([storage_item(1)])
                assert isinstance(result, Delivered)
            finally:
                await sink.close()

    asyncio.run(scenario())
    return front.seen


@pytest.mark.parametrize("how", ["path", "file", "env", "url"])
def test_a_server_that_our_authority_vouches_for_is_spoken_to_by_tls(
    how: str, authority: Authority, tmp_path: Path
) -> None:
    front, ca = Front(tmp_path, authority.issue(tmp_path, "server")), authority.file
    by = {"path": f"{ca}", "file": f"file:{ca}", "env": "env:CA"}
    query = f"?sslmode=verify-full&sslrootcert={ca}" if how == "url" else ""
    assert stored(front, ca, query, **({"ca": by[how]} if how in by else {})) == ["TLSv1.3"]


@pytest.mark.parametrize("more", [{"tls": "verify"}, {"ca": "OTHER"}, {"ca": "OTHER", "tls": "verify-ca"}], ids=str)
def test_a_server_that_nobody_we_trust_vouches_for_gets_neither_password_nor_alert(
    more: dict[str, str], authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").file
    front = Front(tmp_path, authority.issue(tmp_path, "server"))
    with pytest.raises(SinkBroken, match="certificate verify failed"):
        stored(front, other, **{name: value.replace("OTHER", str(other)) for name, value in more.items()})
    assert set(front.seen) <= {"refused"}


def test_a_certificate_for_another_host_does_only_if_one_says_so(authority: Authority, tmp_path: Path) -> None:
    elsewhere, ca = authority.issue(tmp_path, "elsewhere", "192.0.2.1"), authority.file
    with pytest.raises(SinkBroken, match="IP address mismatch"):
        stored(Front(tmp_path, elsewhere), ca, ca=str(ca))
    assert stored(Front(tmp_path, elsewhere), ca, ca=str(ca), tls="verify-ca") == ["TLSv1.3"]


@pytest.mark.parametrize(
    ("more", "seen"), [({"tls": "unverified"}, ["TLSv1.3"]), ({"tls": "off"}, ["clear"]), ({}, ["clear"])], ids=str
)
def test_unverified_is_hidden_from_listeners_and_a_server_on_this_machine_is_spoken_to_in_the_clear(
    more: dict[str, str], seen: list[str], authority: Authority, tmp_path: Path
) -> None:
    assert stored(Front(tmp_path, authority.issue(tmp_path, "server")), authority.file, **more) == seen


@pytest.mark.parametrize(
    ("ca", "why"),
    [("/nowhere/ca.pem", "No such file"), ("env:NOT_SET", "NOT_SET is not set"), ("env:BAD", "certificates")],
)
def test_an_authority_that_cannot_be_read_is_told(ca: str, why: str) -> None:
    config, secrets = PostgresConfig(url="env:PG", ca=ca), Secrets({"BAD": "no certificate at all"})
    with pytest.raises(SinkBroken, match=why):
        tls_of(config, "postgresql://db.example.com/x", secrets)


@pytest.mark.parametrize(
    ("url", "tls", "mode"),
    [
        ("postgresql://db.example.com/x", "", "verify"),
        ("postgresql://127.0.0.1/x", "", "off"),
        ("postgresql://127.0.0.1/x?sslmode=verify-full", "", "verify"),
        ("postgresql://db.example.com/x?sslmode=disable", "", "off"),
        ("postgresql://db.example.com/x?sslmode=require", "", "unverified"),
        ("postgresql://db.example.com/x?sslmode=verify-ca", "", "verify-ca"),
        ("postgresql://db.example.com/x?sslmode=disable", "verify", "verify"),  # the block comes first
    ],
)
def test_what_the_block_leaves_out_the_url_says(url: str, tls: str, mode: str) -> None:
    found = tls_of(PostgresConfig(url="env:PG", tls=tls), url, Secrets({}))
    assert _mode(found) == mode


def _mode(found: ssl.SSLContext | bool) -> str:
    if isinstance(found, bool):
        return "off"
    if found.verify_mode is ssl.CERT_NONE:
        return "unverified"
    return "verify" if found.check_hostname else "verify-ca"


def test_a_mode_that_lets_the_server_choose_is_refused() -> None:
    with pytest.raises(SinkBroken, match="sslmode=prefer") as caught:
        tls_of(PostgresConfig(url="env:PG"), "postgresql://db.example.com/x?sslmode=prefer", Secrets({}))
    assert "verify-full" in str(caught.value.hint)
