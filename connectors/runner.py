"""Drives one sink: opens it, calls it as the schedule says, survives whatever it does, reports every attempt.

One asyncio task per sink. The runner knows no Kafka: it is offered items, and tells which offsets may be committed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from connectors.base import Delivered, Item, Origin, Record, Rejected, Result, Retry, Sink, SinkBroken, Work
from connectors.bounded import GRACE_S, TimeLimit, Wedged, bounded
from connectors.offsets import Commit
from connectors.schedule import Pending, Schedule, Settled
from connectors.settings import Policy
from connectors.shared_rate import RedisTokens, SharedBucket
from streams import telemetry
from streams.model import Delivery


class Runner:
    """``make`` builds the sink anew each time it is opened; ``report`` gets what became of each attempt, redacted;
    with None instead of a delivery for a record, of which the ledger is not told.

    ``run`` returns after ``stop``. It raises what ``report`` raised, never anything for what the sink does.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Sink],
        policy: Policy,
        report: Callable[[Settled, Delivery | None], None],
        redact: Callable[[str], str] = str,
        random: Callable[[], float] = random.random,
        tokens: RedisTokens | None = None,
    ) -> None:
        self._name, self._make, self._policy, self._report, self._redact = name, make, policy, report, redact
        self._tokens = tokens
        self._shared = SharedBucket(policy.rate) if tokens is not None and policy.rate is not None else None
        self.schedule = Schedule(policy, random, self._shared)
        self._changed = asyncio.Event()
        self._opening = asyncio.Lock()
        self._sink: Sink | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._accepting = True
        self._stopping = False
        self._crash: BaseException | None = None
        self.error = ""  #: why the last call or opening failed; empty after a success
        self._logged = ""  # the last reason for not opening
        self.wedged = 0  #: calls that ignored their cancellation, and were abandoned
        self.beat = time.monotonic()  #: when the loop last came by: an old one means that the sink blocks its thread

    def offer(self, item: Work) -> None:
        self.schedule.add(item, _now())
        self._changed.set()

    def skip(self, origin: Origin) -> None:
        self.schedule.skip(origin)

    def committable(self) -> dict[tuple[str, int], Commit]:
        """What to commit per partition: nothing once an outcome could not be told, or it would never be."""
        return {} if self._crash is not None else self.schedule.offsets.committable()

    @property
    def rate_is_local(self) -> bool:
        """Whether Redis, in which the rate is shared, is away."""
        return self._shared is not None and self._shared.local

    @property
    def is_open(self) -> bool:
        return self._sink is not None

    async def run(self) -> None:
        """Until ``stop``."""
        with suppress(Exception):  # a first look, so that health tells early; every call tries again
            await self._opened()
        while not self._stopping:
            self._changed.clear()
            self.beat = time.monotonic()
            now = _now()
            for settled in self.schedule.expire(now):
                self._tell(settled, 0)
            while self._accepting and (batch := self.schedule.take(now)):
                self._begin(self._call(batch))
                if self.rate_is_local:
                    telemetry.SINK_RATE_LOCAL.labels(self._name).inc(len(batch))
            if self._accepting and self._shared and (wanted := self._shared.asks(now, self.schedule.eager(now))):
                self._begin(self._draw(self._shared, wanted))
            wakes = self.schedule.wakes(now)
            wait = 1.0 if wakes is None else min(1.0, max(0.0, (wakes - _now()) / 1000))
            alarm = asyncio.get_running_loop().call_later(max(wait, 0.001), self._changed.set)
            await self._changed.wait()
            alarm.cancel()
            if self._crash is not None:
                raise self._crash

    async def stop(self, seconds: float) -> None:
        """Begin nothing new, give calls under way ``seconds`` to end, cancel the rest, close the sink."""
        self._accepting = False
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=seconds)
        self._stopping = True
        self._changed.set()
        for call in set(self._calls):
            call.cancel()
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=GRACE_S)
        await self._close()
        if self._tokens is not None:
            with suppress(Exception):
                await self._tokens.close()

    async def release(self, topic: str, partition: int, seconds: float) -> None:
        """Let the partition's calls end (at most ``seconds``). The caller then takes offsets and forgets it."""
        end = time.monotonic() + seconds
        while self.schedule.calling(topic, partition) and time.monotonic() < end:  # noqa: ASYNC110 - rare and short
            await asyncio.sleep(0.01)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        call = asyncio.create_task(work)
        self._calls.add(call)
        call.add_done_callback(self._ended)

    async def _draw(self, bucket: SharedBucket, wanted: int) -> None:
        """Tokens for ``wanted`` items, from the bucket that all workers share."""
        assert self._tokens is not None
        try:
            drawn = await self._tokens.draw(wanted)
        except Exception as error:  # whatever Redis does, or that it is not installed: the sink goes on
            if not bucket.local:
                said = self._redact(_say(error))
                telemetry.log.warning("the shared rate is away: by this worker's own", sink=self._name, error=said)
            bucket.failed(_now())
        else:
            if bucket.local:
                telemetry.log.info("the shared rate is back", sink=self._name)
            bucket.drawn(_now(), drawn)
        self._changed.set()

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (crash := call.exception()) is not None:
            self._crash = crash
            self._changed.set()

    async def _call(self, batch: list[Pending]) -> None:
        items = [pending.item for pending in batch]
        began = time.monotonic()
        try:
            results = await self._attempt(items)
        except asyncio.CancelledError:  # stopping: what was sent will be sent again, with the same key
            self.schedule.abandon(batch)
            raise
        took = round((time.monotonic() - began) * 1000)
        for settled in self.schedule.settle(batch, results, _now()):
            self._tell(settled, took)
        self._changed.set()

    async def _attempt(self, items: list[Work]) -> Sequence[Result]:
        try:
            sink = await self._opened()
        except Exception as error:  # whatever a sink raises is its own failure
            return [Retry(f"cannot open: {_say(error)}")] * len(items)
        try:
            results = await bounded(sink.deliver(cast(list[Item], items)), self._policy.timeout_ms / 1000)
        except Wedged:
            self.wedged += 1
            self._sink = None  # abandoned as it is: closing it could hang as well
            return self._refused(items, f"does not end its calls; no answer within {self._policy.timeout_ms} ms")
        except TimeLimit:
            return self._refused(items, f"no answer within {self._policy.timeout_ms} ms")
        except SinkBroken as error:
            await self._close()
            return self._refused(items, _say(error))
        except Exception as error:  # whatever a sink raises is its own failure
            return self._refused(items, _say(error))
        if not _well_formed(results, len(items)):
            return self._refused(items, "broke its contract: it must answer one result per item")
        self.error = next((self._redact(result.reason) for result in results if isinstance(result, Retry)), "")
        return results

    def _refused(self, items: list[Work], reason: str) -> list[Result]:
        self.error = self._redact(reason)
        return [Retry(reason)] * len(items)

    async def _opened(self) -> Sink:
        async with self._opening:
            if self._sink is not None:
                return self._sink
            sink: Sink | None = None
            try:
                sink = self._make()
                await bounded(sink.open(), self._policy.timeout_ms / 1000)
            except Exception as error:
                self.error = self._redact(f"cannot open: {_say(error)}")
                if self.error != self._logged:  # once, not with each attempt
                    telemetry.log.warning("a sink is down; it is tried again", sink=self._name, error=self.error)
                self._logged = self.error
                if sink is not None:
                    await self._shut(sink)
                raise
            self._sink, self.error, self._logged = sink, "", ""
            return sink

    async def _close(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            await self._shut(sink)

    async def _shut(self, sink: Sink) -> None:
        with suppress(Exception):
            await bounded(sink.close(), GRACE_S)

    def _tell(self, settled: Settled, took: int) -> None:
        try:
            self._told(settled, took)
        except BaseException as error:
            self._crash = error  # at once: its offset counts as finished already
            raise

    def _told(self, settled: Settled, took: int) -> None:
        item = settled.item
        error = self._redact(settled.error)
        if settled.outcome.value in ("rejected", "failed"):
            self.error = error
        if isinstance(item, Record):  # no news for the ledger, which may be what is being stored
            self._report(replace(settled, error=error), None)
            return
        delivery = Delivery(
            notification_id=item.key,
            alert_id=item.alert.id,
            tenant=item.alert.tenant,
            sink=self._name,
            attempt=settled.attempt,
            outcome=settled.outcome,
            at=time.time_ns() // 1_000_000,
            latency_ms=took,
            reference=self._redact(settled.reference)[:200],
            error=error,
            reason=item.notification.reason.value if item.notification is not None else "",
            caused_at=item.notification.at if item.notification is not None else item.alert.updated_at,
            redriven=item.notification.redriven if item.notification is not None else "",
        )
        self._report(settled, delivery)


def _now() -> int:
    return time.monotonic_ns() // 1_000_000


def _say(error: BaseException) -> str:
    return f"{error}" if isinstance(error, SinkBroken) else f"{type(error).__name__}: {error}"


def _well_formed(results: object, count: int) -> bool:
    return isinstance(results, Sequence) and len(results) == count and all(map(_is_result, results))


def _is_result(result: object) -> bool:
    match result:
        case Delivered(reference=str()) | Rejected(reason=str()) | Retry(reason=str(), after_ms=None):
            return True
        case Retry(reason=str(), after_ms=int(after)):
            return after >= 0
    return False
