"""A wire between a connector and its server: it lets all through, is cut, keeps silent, or makes noise."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Self


class Fault(StrEnum):
    """What is wrong with a receiver."""

    GONE = "gone"  #: it is not there, and every connection to it ends
    SILENT = "silent"  #: it takes everything and says nothing
    NOISE = "noise"  #: it says something else than its protocol has, without an end


class Wire:
    """``async with Wire(port) as wire``: ``wire.port`` leads to ``port``; ``wire.put(fault)``, and None to mend it."""

    def __init__(self, port: int) -> None:
        self._to, self.port = port, 0
        self._fault: Fault | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._served: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.put(None)
        if self._served:
            await asyncio.wait(self._served, timeout=2)

    def put(self, fault: Fault | None) -> None:
        """What was connected is cut off in any case."""
        self._fault = fault
        for writer in self._open:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = asyncio.create_task(self._connected(reader, writer))
        self._served.add(served)
        served.add_done_callback(self._served.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.GONE:
            writer.transport.abort()
            return
        self._open.add(writer)
        with suppress(OSError):
            if self._fault is Fault.SILENT:
                while await reader.read(65536):
                    pass
            elif self._fault is Fault.NOISE:
                while True:
                    writer.write(b"220 x" * 10_000)
                    await writer.drain()
            else:
                there, back = await asyncio.open_connection("127.0.0.1", self._to)
                self._open.add(back)
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._open.discard(writer)
        writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()
            return
        sink.transport.abort()
