"""A rate that all workers of a sink share: tokens from one bucket in Redis, or a worker's own while Redis is away.

``SharedBucket`` is what the schedule asks (no clock, no Redis, no asyncio); ``RedisTokens`` draws from the bucket.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, NamedTuple

from connectors.limits import Bucket
from connectors.redact import Secrets
from connectors.settings import Rate

_AGAIN_MS = 5_000  #: how long after a failure Redis is asked again
_KEPT_MS = 1_000  #: tokens that were drawn and found no use in this time are let go
_TIMEOUT_S = 1.0

#: KEYS: the bucket. ARGV: tokens a second, burst, tokens wanted. By Redis' own clock, which is the same for all.
#: Answers how many are granted, and if none in how many ms one will be there. A bucket that is full again is forgotten.
DRAW = """
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local old = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(old[1]) or burst, tonumber(old[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 1000)
local granted = math.min(wanted, math.floor(tokens + 1e-9))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) * 1000 / rate) + 1000)
return {granted, granted > 0 and 0 or math.ceil((1 - tokens) * 1000 / rate)}
"""
_SHA = hashlib.sha1(DRAW.encode(), usedforsecurity=False).hexdigest()


class Drawn(NamedTuple):
    """``wait_ms``: until one will be there, where none were granted."""

    tokens: int
    wait_ms: int


class SharedBucket(Bucket):
    """A ``Bucket`` of tokens that were drawn from the shared one; its own while that cannot be reached (``local``)."""

    def __init__(self, rate: Rate) -> None:
        super().__init__(rate)
        self._burst = rate.burst
        self._drawn = 0
        self._kept_until = self._ask_at = 0
        self._asking = False
        self.local = False

    def available(self, now: int) -> int:
        if self.local:
            return super().available(now)
        return self._drawn if now < self._kept_until else 0

    def take(self, count: int) -> None:
        if self.local:
            super().take(count)
        else:
            self._drawn -= count

    def wakes(self, now: int) -> int:
        if self.local:
            return super().wakes(now)
        if self.available(now):
            return now
        return now + _KEPT_MS if self._asking else max(now, self._ask_at)  # the answer itself wakes the runner

    def asks(self, now: int, items: int) -> int:
        """How many tokens to draw now for ``items`` that could go; then ``drawn`` or ``failed`` must follow."""
        if self.local:
            items = max(1, items)  # whether Redis is back, also while our own bucket lets everything go
        if self._asking or now < self._ask_at or not items or (not self.local and self.available(now)):
            return 0
        self._asking = True
        return min(items, self._burst)

    def drawn(self, now: int, drawn: Drawn) -> None:
        self._asking = self.local = False
        self._drawn, self._kept_until, self._ask_at = drawn.tokens, now + _KEPT_MS, now + drawn.wait_ms

    def failed(self, now: int) -> None:
        """Redis is away: go by our own bucket, and ask again later."""
        self._asking, self.local = False, True
        self._ask_at = now + _AGAIN_MS


class RedisTokens:
    """The bucket ``key`` in Redis. ``draw`` raises whatever goes wrong; the next call connects anew."""

    def __init__(self, rate: Rate, key: str, secrets: Secrets) -> None:
        self._rate, self._key, self._secrets = rate, f"tocsin:rate:{rate.key or key}", secrets
        self._client: Any = None

    async def draw(self, count: int) -> Drawn:
        rate = self._rate
        async with asyncio.timeout(_TIMEOUT_S):
            client = self._client or self._connect()
            pipeline = client.pipeline(transaction=False).script_load(DRAW)
            pipeline.evalsha(_SHA, 1, self._key, repr(rate.per_second), rate.burst, count)
            _, (tokens, wait_ms) = await pipeline.execute()
        return Drawn(int(tokens), int(wait_ms))

    def _connect(self) -> Any:
        from redis import asyncio as api
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._client = api.Redis.from_url(
            self._secrets.address(self._rate.shared),
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
