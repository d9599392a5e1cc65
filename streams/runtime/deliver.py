"""DELIVER: every sink by itself, so that a dead, slow or raving one never stops another.

A sink has its own thread, event loop, consumer group and producer (``streams.runtime.sink_feed``). Whatever ends it,
it is started again with back-off, and shown in ``health``.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkConfig, parse_sinks
from streams import telemetry
from streams.codec.outputs import PLAIN, Wire
from streams.runtime.names import Names
from streams.runtime.sink_feed import SinkFeed

_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 30.0
_STUCK_AFTER_S = 15.0


class DeliverRole:
    """The sinks of one worker. ``sinks``: parsed, or as they stand in the configuration (raises SinkErrors)."""

    def __init__(
        self,
        sinks: Sequence[SinkConfig | Mapping[str, Any]],
        options: Mapping[str, Any],
        names: Names,
        worker: str,
        *,
        data_dir: Path = Path(".tocsin"),
        environ: Mapping[str, str] = os.environ,
        wire: Wire = PLAIN,
    ) -> None:
        raw = [sink for sink in sinks if not isinstance(sink, SinkConfig)]
        configs = [*(sink for sink in sinks if isinstance(sink, SinkConfig)), *parse_sinks(raw)]
        self._sinks = [_Supervised(config, options, names, worker, data_dir, environ, wire) for config in configs]

    def start(self) -> None:
        for sink in self._sinks:
            sink.thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """Take no more, let calls under way end, commit. False where a sink did not end in time (it is left behind)."""
        for sink in self._sinks:
            sink.stop(timeout)
        end = time.monotonic() + timeout + 5
        for sink in self._sinks:
            if sink.thread.ident is not None:
                sink.thread.join(max(0.1, end - time.monotonic()))
        return not any(sink.thread.is_alive() for sink in self._sinks)

    def health(self) -> dict[str, dict[str, Any]]:
        """Per sink: ``state`` (starting, up, down, stuck, restarting, stopped), the last error, and counts."""
        return {sink.config.name: sink.health() for sink in self._sinks}


class _Supervised:
    """One sink's thread, and what is known of it from outside."""

    def __init__(
        self,
        config: SinkConfig,
        options: Mapping[str, Any],
        names: Names,
        worker: str,
        data_dir: Path,
        environ: Mapping[str, str],
        wire: Wire,
    ) -> None:
        self.config, self._wire = config, wire
        self._options, self._names, self._worker = options, names, worker
        self._secrets = Secrets(environ)
        self._context = SinkContext(config.name, data_dir, self._secrets, config.policy.timeout_ms)
        self._stopping = threading.Event()
        self._grace = 10.0
        self._feed: SinkFeed | None = None
        self._restarts = 0
        self._error = ""
        self._counts: dict[str, int] = {}
        self.thread = threading.Thread(target=self._run, name=f"deliver-{config.name}", daemon=True)

    def stop(self, timeout: float) -> None:
        self._grace = timeout
        self._stopping.set()
        if (feed := self._feed) is not None:
            feed.stop(timeout)

    def health(self) -> dict[str, Any]:
        feed, runner = self._feed, self._feed.runner if self._feed else None
        state = "starting"
        if self.thread.ident is not None and not self.thread.is_alive():
            state = "stopped"
        elif feed is None:
            state = "restarting" if self._restarts else state
        elif runner is not None and time.monotonic() - runner.beat > _STUCK_AFTER_S:
            state = "stuck"
        elif runner is not None and feed.joined:
            state = "down" if runner.schedule.breaker.open or not runner.is_open else "up"
        return {
            "state": state,
            "error": (runner.error if runner else "") or (feed.error if feed else "") or self._error,
            "restarts": self._restarts,
            "open": runner.schedule.open if runner else 0,
            "circuit": "open" if runner and runner.schedule.breaker.open else "closed",
            **({"rate": "this worker's own: Redis is away"} if runner and runner.rate_is_local else {}),
            **self._counts,
        }

    def _run(self) -> None:
        wait = _BACKOFF_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._once()
            except BaseException as error:
                self._failed(error)
            self._feed = None
            if self._stopping.is_set():
                break
            wait = _BACKOFF_S if time.monotonic() - began > 60 else min(_LONGEST_BACKOFF_S, wait * 2)
            self._restarts += 1
            self._stopping.wait(wait)
        telemetry.SINK_UP.labels(self.config.name).set(0)

    def _once(self) -> None:
        feed = SinkFeed(self.config, self._context, self._options, self._names, self._worker, self._count, self._wire)
        self._feed = feed
        if self._stopping.is_set():  # asked to stop between the loop's look and here
            return
        # Not asyncio.run: it waits for every task and every thread, and a sink may have left some that never end.
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(feed.run())
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                with suppress(BaseException):
                    loop.run_until_complete(asyncio.wait(left, timeout=1))
            if not asyncio.all_tasks(loop):
                loop.close()

    def _failed(self, error: BaseException) -> None:
        self._error = self._secrets.redact(f"{type(error).__name__}: {error}")
        telemetry.SINK_UP.labels(self.config.name).set(0)
        telemetry.log.error("sink failed; it is started again", sink=self.config.name, error=self._error)

    def _count(self, what: str) -> None:
        self._counts[what] = self._counts.get(what, 0) + 1
