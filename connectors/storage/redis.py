"""Redis: the alerts that are open, counters and latencies, cooldown keys, and live updates by pub/sub.

What it holds is derived and may be lost: `tocsin storage rebuild` fills it again from the topic, while the sink runs.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.settings import Block, redis_problem
from connectors.storage.redis_script import STORE
from streams import telemetry
from streams.model import Alert, Status, position

_OPEN = frozenset({Status.ACTIVE, Status.ACKNOWLEDGED, Status.SNOOZED})
_FIELDS = (
    "id", "tenant", "rule", "severity", "type", "title", "source", "status", "count", "event_time", "last_event_time",
    "created_at", "updated_at", "acknowledged_at", "resolved_at", "assignee", "incident", "escalation_level",
)  # fmt: skip
_SHA = hashlib.sha1(STORE.encode(), usedforsecurity=False).hexdigest()  #: as EVALSHA wants it
_LARGEST = 2**53  #: Lua's numbers are doubles


class RedisConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``keep_s``: how long a closed alert stays; ``cooldown_ms``: of the keys that say an alert is young."""

    url: str
    username: str = ""
    password: str = ""
    prefix: str = "tocsin"
    keep_s: int = 86_400
    cooldown_ms: int = 900_000
    ca: str = ""


def read_config(block: Block) -> RedisConfig:
    url = block.text("url")
    if problem := redis_problem(url):
        block.problem("url", problem)
    return RedisConfig(
        url=url,
        username=block.text("username", ""),
        password=block.secret("password", ""),
        prefix=block.text("prefix", "tocsin"),
        keep_s=max(1, block.duration("keep", 86_400_000) // 1000),
        cooldown_ms=block.duration("cooldown", 900_000, 0),
        ca=block.text("ca", ""),
    )


class Keys:
    """The names of a tenant's keys. Its part in braces keeps them on one node of a cluster."""

    def __init__(self, prefix: str, tenant: str) -> None:
        self.base = f"{prefix}:{{{tenant}}}"
        self.active = f"{self.base}:active"
        self.by_severity = f"{self.base}:active:"  #: and the severity
        self.counts = f"{self.base}:counts"
        self.latency = f"{self.base}:latency"
        self.channel = f"{prefix}:alerts:{tenant}"

    def alert(self, id_: str) -> str:
        return f"{self.base}:alert:{id_}"

    def cooldown(self, rule: str, fingerprint: str) -> str:
        return f"{self.base}:cooldown:{rule}:{fingerprint}"


class Redis:
    """One pipeline a batch; each version is one call of a script, so a repeat changes nothing and tells nobody."""

    def __init__(self, config: RedisConfig, context: SinkContext) -> None:
        self._config, self._context = config, context
        self._client: Any = None
        self._marker = f"{config.prefix}:marker:{context.name}"
        self._marked = False

    async def open(self) -> None:
        try:
            from redis import asyncio as api
            from redis.asyncio.retry import Retry as Again
            from redis.backoff import NoBackoff
        except ImportError:
            raise SinkBroken("the sink needs redis", "pip install 'tocsin[redis]'") from None
        config, secrets = self._config, self._context.secrets
        url = secrets.address(config.url)
        more: dict[str, Any] = {"username": config.username} if config.username else {}
        if config.password:
            more["password"] = secrets.resolve(config.password)
        if config.ca:
            more["ssl_ca_certs"] = config.ca
        seconds = self._context.timeout_ms / 1000
        try:
            self._client = api.Redis.from_url(
                url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Again(NoBackoff(), 0), **more
            )
            await self._client.ping()
        except (ValueError, TypeError) as error:  # the latter for an option that it does not know
            raise SinkBroken(f"Redis: {error}", "correct the sink's url") from None
        except Exception as error:
            await self.close()
            if (told := _judge(error)) is None:
                raise
            raise told from None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        if self._client is None:
            raise SinkBroken("Redis is not open")
        refused = {n: Rejected("a number beyond 53 bits") for n, item in enumerate(batch) if not _fits(item.alert)}
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(self._marker, str(time.time_ns()), nx=True)
        pipeline.script_load(STORE)
        for number, item in enumerate(batch):
            if number not in refused:
                pipeline.evalsha(_SHA, 6, *self._arguments(item))
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except Exception as error:
            if (told := _judge(error)) is not None:
                raise told from None
            return [refused.get(n) or Retry(_say(error)) for n in range(len(batch))]
        marked, loaded, *answers = answers
        for answer in (marked, loaded):
            if isinstance(answer, Exception):
                if (told := _judge(answer)) is not None:
                    raise told
                return [refused.get(n) or Retry(_say(answer)) for n in range(len(batch))]
        self._notice(marked)
        stored = iter(answers)
        return [refused.get(n) or _result(next(stored), item) for n, item in enumerate(batch)]

    def _arguments(self, item: Item) -> list[Any]:
        alert, config = item.alert, self._config
        keys = Keys(config.prefix, alert.tenant)
        cooldown = config.cooldown_ms if alert.version == 1 else 0
        pairs: list[Any] = []
        for name in _FIELDS:
            value = getattr(alert, name)
            pairs += (name, "" if value is None else value)
        return [
            keys.alert(alert.id), keys.active, keys.by_severity + str(alert.severity), keys.counts, keys.latency,
            keys.cooldown(alert.rule, alert.fingerprint or alert.id),
            alert.version, alert.id, str(alert.severity), int(alert.status in _OPEN), item.raw, keys.channel,
            config.keep_s, keys.by_severity, cooldown, *pairs,
        ]  # fmt: skip

    def _notice(self, was_new: Any) -> None:
        """Redis has lost what it knew if our marker went while we were here."""
        if was_new is True and self._marked:
            telemetry.log.error(
                "Redis was flushed: alerts that do not change are missing there",
                sink=self._context.name, hint=f"tocsin storage rebuild --sink {self._context.name}",
            )  # fmt: skip
        self._marked = True


def _fits(alert: Alert) -> bool:
    numbers = (alert.version, alert.count, alert.event_time, alert.created_at, alert.acknowledged_at, alert.resolved_at)
    return all(value is None or -_LARGEST <= value <= _LARGEST for value in numbers)


def _result(answer: Any, item: Item) -> Result:
    if not isinstance(answer, Exception):
        return Delivered(position(*item.origin))
    if (told := _judge(answer)) is not None:
        raise told
    return Retry(_say(answer))


#: What somebody has to set right: no waiting helps.
_HAND = ("WRONGPASS", "NOAUTH", "NOPERM", "WRONGTYPE", "invalid username-password", "unknown command")


def _judge(error: Exception) -> SinkBroken | None:
    """The end of the sink, if that is what an error means; else it passes: away, loading, full, a replica."""
    text = str(error)
    if type(error).__name__ in ("AuthenticationError", "NoPermissionError", "AuthorizationError") or any(
        word in text for word in _HAND
    ):
        return SinkBroken(_say(error), "correct the sink's password, or its user's rights and keys in Redis")
    return None


def _say(error: Exception) -> str:
    return f"Redis: {type(error).__name__}: {str(error)[:300]}"
