"""The server of the role ``api``: its own thread and event loop, so that detection never waits for a caller."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from streams import telemetry
from streams.api.alerts import Alerts
from streams.api.answers import Problem, answer
from streams.api.auth import Keys
from streams.api.events import Events
from streams.api.inbound import Inbound
from streams.api.request import Calls
from streams.api.stored import stored
from streams.config import Config, event_sources
from streams.config.references import resolved
from streams.errors import ConfigError, TocsinError
from streams.runtime.asking import Asking, TooLarge
from streams.runtime.names import Names

_LARGEST = 1024 * 1024
_LONGEST_S = 20.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Takes its port at once. Raises ConfigError where it cannot be had, or a secret leads nowhere."""

    def __init__(self, config: Config, options: dict[str, Any], names: Names) -> None:
        self._config, self._asking = config.api, Asking(options, names)
        calls, storage = Calls(Keys(config.api.keys), config.api.per_second), stored(config)
        plain = {name for name, one in config.sources.items() if one.codec == "json" and one.topic != "alerts"}
        sources = {source.name: source for source in event_sources(config) if source.name in plain}
        slack = str(resolved("api.slack", config.api.slack))
        pagerduty = {
            tenant: tuple(str(resolved(f"api.pagerduty.{tenant}", one)) for one in references)
            for tenant, references in config.api.pagerduty.items()
        }
        parts = (
            Alerts(storage, self._asking, calls),
            Events(sources, self._asking, calls),
            Inbound(slack, pagerduty, storage, self._asking, calls),
        )
        self._app = web.Application(client_max_size=_LARGEST, middlewares=[_guarded])
        self._app.add_routes([web.get("/health", self._health), *(route for part in parts for route in part.routes())])
        family = socket.AF_INET6 if ":" in config.api.host else socket.AF_INET
        try:
            self._socket = socket.create_server((config.api.host, config.api.port), family=family)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"cannot serve the API on {config.api.host}:{config.api.port}: {error}", "choose another api.port"
            ) from None
        self.port: int = self._socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    def start(self) -> None:
        self._asking.start()
        self._thread.start()
        telemetry.log.info("the API is up", host=self._config.host, api_port=self.port)

    def stop(self) -> None:
        """Take no more, let what is under way end (5 s). A second call does nothing."""
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has just closed by itself
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(7)
        self._asking.stop()

    def health(self) -> tuple[bool, Any]:
        """Ready: it serves, and hears what becomes of commands."""
        return self._thread.is_alive() and self._asking.hears, {"port": self.port, "error": self._asking.error}

    def _run(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        runner = web.AppRunner(self._app, access_log=None, keepalive_timeout=30, shutdown_timeout=5)
        try:
            loop.run_until_complete(runner.setup())
            loop.run_until_complete(web.SockSite(runner, self._socket).start())
            loop.run_forever()
        finally:
            loop.run_until_complete(runner.cleanup())
            loop.close()

    async def _health(self, _: web.Request) -> web.Response:
        """Open to all, and tells nothing but whether it works."""
        ready = self._asking.hears
        return answer({"status": "ok" if ready else "unavailable"}, 200 if ready else 503)


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever happens is JSON, ends in time, and tells a stranger nothing of our insides."""
    try:
        async with asyncio.timeout(_LONGEST_S):
            return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPRequestEntityTooLarge:
        return Problem(413, "too_large", f"a body has at most {_LARGEST} bytes").response()
    except web.HTTPMethodNotAllowed as error:
        return Problem(405, "method_not_allowed", "another method", Allow=", ".join(error.allowed_methods)).response()
    except web.HTTPException as error:
        return Problem(error.status, "not_found" if error.status == 404 else "bad_request", error.reason).response()
    except TimeoutError:
        return Problem(504, "timeout", f"not done within {_LONGEST_S:g} s").response()
    except TooLarge:
        return Problem(413, "too_large", "Kafka takes no record of that size").response()
    except TocsinError as error:
        telemetry.log.error("the API cannot answer", path=request.path, error=error.message)
        return Problem(503, "unavailable", "what is needed for this does not answer at present").response()
    except Exception as error:
        telemetry.log.error("the API failed", path=request.path, error=type(error).__name__, exc_info=error)
        return Problem(500, "internal", "something is wrong here; it is in the log").response()
