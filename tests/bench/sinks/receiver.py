"""A receiver of webhooks as its own process: checks each Standard Webhooks signature, notes when each id came.

``POST /hang…`` is never answered, every other POST is; ``GET /`` tells what arrived and begins anew. It is lean on
purpose (no framework): what is measured is the sender.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from connectors.testing import SECRET

_KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
_REFUSED = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"


@dataclass
class Seen:
    """``arrived``: path to id to when it came first, in ms since the epoch."""

    arrived: dict[str, dict[str, float]] = field(default_factory=dict)
    refused: int = 0
    repeated: int = 0

    @property
    def count(self) -> int:
        return sum(map(len, self.arrived.values()))


class _Connection(asyncio.Protocol):
    def __init__(self, seen: Seen) -> None:
        self._seen, self._buffer = seen, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", "0"))
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            method, path, _ = first.split(" ")
            self._answer(method, path, headers, body)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        seen = self._seen
        if method == "GET":
            said = json.dumps(vars(seen)).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
            seen.arrived, seen.refused, seen.repeated = {}, 0, 0
        elif not _signed(headers, body):
            seen.refused += 1
            self._transport.write(_REFUSED)
        elif not path.startswith("/hang"):
            known, id_ = seen.arrived.setdefault(path, {}), headers["webhook-id"]
            seen.repeated += id_ in known
            known.setdefault(id_, time.time() * 1000)
            self._transport.write(_TAKEN)


def _signed(headers: dict[str, str], body: bytes) -> bool:
    content = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(_KEY, content, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(wanted, one) for one in headers.get("webhook-signature", "").split(" "))


class Receiver:
    """The process, from outside."""

    def __init__(self, url: str) -> None:
        self.url = url

    def take(self) -> Seen:
        """What arrived since the last time."""
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            return Seen(**json.load(answer))

    def wait(self, count: int, seconds: float) -> Seen:
        """Everything since the last ``take``, once ``count`` have come; AssertionError if they do not."""
        whole, end = Seen(), time.monotonic() + seconds
        while whole.count < count:
            assert time.monotonic() < end, f"{whole.count} of {count} arrived in {seconds} s"
            time.sleep(0.25)
            more = self.take()
            for path, ids in more.arrived.items():
                whole.arrived.setdefault(path, {}).update(ids)
            whole.refused += more.refused
            whole.repeated += more.repeated
        return whole


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Receiver(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


async def _serve() -> None:
    seen = Seen()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(seen), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
