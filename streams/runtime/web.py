"""``/livez``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import telemetry
from streams.errors import ConfigError

#: Name of a part -> (is it ready, what a person wants to know of it).
Health = Callable[[], dict[str, tuple[bool, Any]]]


class Web(Service):  # type: ignore[misc]  # mode is untyped
    """Serves the process's health on its own port; ``port`` 0 takes a free one, found in ``port`` afterwards."""

    def __init__(self, host: str, port: int, health: Health, **options: Any) -> None:
        """Takes the port at once, before anything else has begun. Raises ConfigError where it cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"cannot serve /livez, /readyz and /metrics on {host}:{port}: {why}",
                "choose another http.port or --port (0: a free one), or run with --no-http",
            ) from None
        self._host, self.port, self._health = host, self._socket.getsockname()[1], health
        super().__init__(**options)

    async def on_start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        telemetry.log.info("serving /livez /readyz /metrics", host=self._host, port=self.port)

    async def on_stop(self) -> None:
        await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        health = self._health()
        ready = all(ok for ok, _ in health.values())
        body = {"ready": ready, **{name: {"ready": ok, "detail": detail} for name, (ok, detail) in health.items()}}
        return web.Response(
            status=200 if ready else 503, body=msgspec.json.encode(body) + b"\n", content_type="application/json"
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(telemetry.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})
