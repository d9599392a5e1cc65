"""The real Alertmanager, where Debian's package (prometheus-alertmanager) or a binary of that name is installed."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path
from typing import Any, Self

import aiohttp

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
_CONFIG = "route: {receiver: none}\nreceivers: [{name: none}]\n"


class RealAlertmanager:
    """Answers at ``url``; ``restart`` makes it forget every alert, as it does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "am.yml").write_text(_CONFIG)
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        assert BINARY is not None
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                BINARY, f"--config.file={self._folder / 'am.yml'}", f"--storage.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}", "--cluster.listen-address=", stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(200):
            try:
                await self.active()
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
            else:
                return
        raise TimeoutError((self._folder / "log").read_text()[-2000:])

    async def _stop(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def restart(self) -> None:
        await self._stop()
        await self._start()

    async def active(self) -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/api/v2/alerts?active=true") as answer:
            found = await answer.json()
        assert isinstance(found, list)
        return found
