"""Every connector at a real server, with what can go wrong there, for the contract."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yarl import URL

from connectors.base import Item, Kind, Sink, partition_lane
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import CONNECTORS, parse_sinks
from connectors.testing import SECRET, Receiver, answering, notifier_item, storage_item
from tests.contract.sinks import CHAT, chat, hook, mail, secret_of
from tests.contract.stores import STORES, address
from tests.contract.vendors.mail import PASSWORD, Mail
from tests.contract.vendors.server import saying, saying_json
from tests.contract.wire import Fault, Wire


@dataclass(frozen=True)
class Place:
    """Where a connector delivers to. ``make``: the sink anew, unopened, as after a restart; ``sink``: an open one.

    ``arrived``: the keys that are there, each as often as it is visible. ``fault`` breaks the receiver while it is
    entered. ``refuse`` lets it refuse everything for good, ``busy`` ask to wait (7 s, where its protocol has words for
    that); None: it never does. ``secret`` must never be shown.
    """

    make: Callable[[], Sink]
    sink: Sink
    arrived: Callable[[], list[str]]
    fault: Callable[[Fault], Any]
    refuse: Callable[[], None] | None = None
    busy: Callable[[], None] | None = None
    secret: str = ""
    secrets: Secrets | None = None


def item_for(type_: str, number: int = 1, **changes: Any) -> Item:
    """As the feed makes one."""
    connector = CONNECTORS[type_]
    item = (storage_item if connector.kind is Kind.STORAGE else notifier_item)(number, **changes)
    lane = partition_lane(item.origin) if connector.by_partition else ""
    return Item(item.key, item.alert, item.origin, item.raw, item.notification, lane)


@asynccontextmanager
async def place(type_: str, tmp_path: Path, timeout_ms: int = 8000, **more: Any) -> AsyncIterator[Place]:
    """An open one of ``type_``; ``more`` goes into its block. Raises KeyError for a connector that has none here."""
    async with PLACES[type_](type_, tmp_path, timeout_ms, **more) as found:
        await found.sink.open()
        try:
            yield found
        finally:
            await found.sink.close()


def _cut(wire: Wire) -> Callable[[Fault], Any]:
    @contextmanager
    def fault(which: Fault) -> Iterator[None]:
        wire.put(which)
        try:
            yield
        finally:
            wire.put(None)

    return fault


def _maker(document: dict[str, Any], context: SinkContext) -> Callable[[], Sink]:
    (config,) = parse_sinks([document])
    return lambda: config.make(context)


@asynccontextmanager
async def _webhook(type_: str, tmp_path: Path, timeout_ms: int, **more: Any) -> AsyncIterator[Place]:
    async with Receiver() as receiver, Wire(urlsplit(receiver.url).port or 0) as wire:
        secrets = Secrets({"HOOK": SECRET, "URL": str(URL(receiver.url).with_port(wire.port)) + "/T0/hush-token-0123"})
        document = hook("env:URL") | more
        make = _maker(document, SinkContext(type_, tmp_path, secrets, timeout_ms))

        def refuse() -> None:
            receiver.behave = answering(400)

        def busy() -> None:
            receiver.behave = answering(429, Retry_After="7")

        yield Place(make, make(), lambda: list(receiver.accepted), _cut(wire), refuse, busy, "hush-token-0123", secrets)
        assert receiver.broken_rules == []


@asynccontextmanager
async def _vendor(type_: str, tmp_path: Path, timeout_ms: int, **more: Any) -> AsyncIterator[Place]:
    async with CHAT[type_]() as vendor, Wire(urlsplit(vendor.url).port or 0) as wire:
        direct = vendor.url.removeprefix("http://")
        vendor.url, vendor.secret = (
            text.replace(direct, f"127.0.0.1:{wire.port}") for text in (vendor.url, vendor.secret)
        )
        secrets = Secrets({"SECRET": secret_of(vendor)})
        make = _maker(chat(vendor, type_) | more, SinkContext(type_, tmp_path, secrets, timeout_ms))

        def refuse() -> None:
            vendor.behave = saying(400)

        def busy() -> None:
            words = {"ok": False, "error": "ratelimited", "error_code": 429, "retry_after": 7}
            vendor.behave = saying_json(429, words | {"parameters": {"retry_after": 7}}, Retry_After="7")

        secret = "hush-password" if "hush-password" in vendor.secret else vendor.secret
        yield Place(make, make(), vendor.arrived, _cut(wire), refuse, busy, secret, secrets)
        assert vendor.broken_rules == []


@asynccontextmanager
async def _mail(type_: str, tmp_path: Path, timeout_ms: int, **more: Any) -> AsyncIterator[Place]:
    async with Mail(tmp_path / "mail") as server, Wire(server.port) as wire:
        server.port = wire.port
        secrets = Secrets({"SMTP_URL": server.url})
        make = _maker(mail(server, **more), SinkContext(type_, tmp_path, secrets, timeout_ms))

        def refuse() -> None:
            server.refuse["ops@example.com"] = "550 no such user"

        def busy() -> None:
            server.refuse["ops@example.com"] = "450 too many"

        yield Place(make, make(), server.arrived, _cut(wire), refuse, busy, PASSWORD, secrets)
        assert server.broken_rules == []


@asynccontextmanager
async def _console(type_: str, tmp_path: Path, timeout_ms: int, **more: Any) -> AsyncIterator[Place]:
    """A file, which for a fault is exchanged with a pipe that nobody has at its other end, or that nobody reads."""
    path = tmp_path / "console"
    with path.open("w+b", buffering=0) as file:
        document = {"name": "c", "type": "console", "descriptor": file.fileno()} | more

        def arrived() -> list[str]:
            seen = [line.rsplit(" ", 1)[1] for line in path.read_text("utf-8").splitlines() if "alerts show" in line]
            return list(dict.fromkeys(f"n{int(one, 16)}-1" for one in seen))

        @contextmanager
        def fault(which: Fault) -> Iterator[None]:
            kept = os.dup(file.fileno())
            reader, writer = os.pipe()
            if which is Fault.GONE:
                os.close(reader)
            else:
                os.set_blocking(writer, False)
                while _fits(writer):
                    pass
                os.set_blocking(writer, True)
            os.dup2(writer, file.fileno())
            try:
                yield
            finally:
                os.dup2(kept, file.fileno())
                for one in (kept, writer, *(() if which is Fault.GONE else (reader,))):
                    os.close(one)

        make = _maker(document, SinkContext(type_, tmp_path, Secrets({}), timeout_ms))
        yield Place(make, make(), arrived, fault)


def _fits(writer: int) -> bool:
    try:
        return os.write(writer, b"x" * 4096) > 0
    except BlockingIOError:
        return False


@asynccontextmanager
async def _sqlite(type_: str, tmp_path: Path, timeout_ms: int, **more: Any) -> AsyncIterator[Place]:
    """Where it is gone or silent, another process has the database to itself."""
    file = tmp_path / "a.db"

    def arrived() -> list[str]:
        with sqlite3.connect(file) as db:
            return [f"{a}:{v}" for a, v in db.execute("SELECT id, version FROM alert_versions")]

    @contextmanager
    def fault(_: Fault) -> Iterator[None]:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()

    document = {"name": "s", "type": "sqlite", "path": "a.db", "busy": "200ms"} | more
    make = _maker(document, SinkContext(type_, tmp_path, Secrets({}), timeout_ms))
    yield Place(make, make(), arrived, fault)


@asynccontextmanager
async def _server(type_: str, tmp_path: Path, timeout_ms: int, **more: Any) -> AsyncIterator[Place]:
    """PostgreSQL or Redis, each in a schema, or under a prefix, of its own."""
    url = URL(address(type_))
    async with Wire(url.port or 0) as wire:
        through = str(url.with_host("127.0.0.1").with_port(wire.port))
        async with STORES[type_](tmp_path, timeout_ms=timeout_ms, through=through, **more) as store:
            secret = url.password or through
            yield Place(store.make, store.make(), store.arrived, _cut(wire), secret=secret, secrets=store.secrets)


@asynccontextmanager
async def _archive(type_: str, tmp_path: Path, timeout_ms: int, **more: Any) -> AsyncIterator[Place]:
    """Where it is gone, its folder is: there is a file in its place."""
    async with STORES[type_](tmp_path, timeout_ms=timeout_ms, **more) as store:
        folder, aside = tmp_path / "archive", tmp_path / "aside"

        @contextmanager
        def fault(_: Fault) -> Iterator[None]:
            folder.mkdir(exist_ok=True)
            folder.rename(aside)
            folder.write_text("not a folder")
            try:
                yield
            finally:
                folder.unlink()
                aside.rename(folder)

        yield Place(store.make, store.make(), store.arrived, fault)


PLACES: dict[str, Callable[..., AbstractAsyncContextManager[Place]]] = {
    **dict.fromkeys(CHAT, _vendor),
    "webhook": _webhook, "email": _mail, "console": _console,
    "sqlite": _sqlite, "postgres": _server, "redis": _server, "archive": _archive,
}  # fmt: skip
