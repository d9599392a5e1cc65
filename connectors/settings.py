"""Reading a sink's block: every problem of every sink in one report, each with its path and what to write instead."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from connectors.redact import is_reference

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST = 366 * _UNITS["d"]


class Retrying(msgspec.Struct, frozen=True, kw_only=True):
    """How long to go on. None: for ever (storage: the log waits). Delays: 0 to first * 2^n, full jitter."""

    attempts: int | None = 50  #: more than fit into ``within_ms``: with fewer a minute's outage cost a lone page
    within_ms: int | None = 900_000  #: from the first attempt, or from when the item came while the circuit is open
    first_ms: int = 500
    longest_ms: int = 60_000


class Breaking(msgspec.Struct, frozen=True, kw_only=True):
    """After ``failures`` failed attempts in a row nothing is sent for ``cool_off_ms``; then one probe, then double."""

    failures: int = 5
    cool_off_ms: int = 5_000
    longest_ms: int = 60_000


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket over items. ``shared``: the Redis (an address or a reference) in which all workers share it, under
    ``key`` (empty: the sink's consumer group).
    """

    per_second: float
    burst: int
    shared: str = ""
    key: str = ""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the runner needs to know of a sink. Durations in ms."""

    retry: Retrying = Retrying()
    breaker: Breaking = Breaking()
    rate: Rate | None = None
    concurrency: int = 8  #: calls of ``deliver`` at once
    batch: int = 1  #: items in one call
    linger_ms: int = 0  #: a batch that is not full waits so long for more
    timeout_ms: int = 10_000  #: of one call
    in_flight: int = 1_000  #: items taken from Kafka and not finished; beyond, fetching pauses
    longest_hold_ms: int = 300_000  #: the most a receiver's Retry-After may stop the whole sink


class Block:
    """One mapping of the configuration, read field by field. ``problems`` collects (path, message)."""

    def __init__(self, path: str, content: Any, problems: list[tuple[str, str]]) -> None:
        self.path, self.problems = path, problems
        self._known: list[str] = []
        self._content: Mapping[Any, Any] = {}
        if isinstance(content, Mapping):
            self._content = content
        else:
            self.problem("", f"must be a mapping, not {_kind(content)}")

    def problem(self, name: str, message: str) -> None:
        self.problems.append((f"{self.path}.{name}" if name else self.path, message))

    def _take(self, name: str, default: Any) -> tuple[Any, bool]:
        """(value, whether it was given)"""
        self._known.append(name)
        value = self._content.get(name)
        if value is not None:
            return value, True
        if default is ...:
            self.problem(name, "is missing")
        elif name in self._content:
            self.problem(name, "is empty; leave it out to get the default")
        return default, False

    def text(self, name: str, default: Any = ...) -> str:
        value, given = self._take(name, default)
        if given and (not isinstance(value, str) or not value.strip()):
            self.problem(name, f"must be text, not {_kind(value)}")
            return ""
        return "" if value is ... else value

    def choice(self, name: str, words: Sequence[str], default: Any = ...) -> str:
        value, given = self._take(name, default)
        if given and (not isinstance(value, str) or value not in words):
            self.problem(name, f"must be one of {', '.join(words)}, not {value!r:.60}{_meant(value, words)}")
            return words[0]
        return words[0] if value is ... else value

    def flag(self, name: str, default: bool) -> bool:
        value, given = self._take(name, default)
        if given and not isinstance(value, bool):
            self.problem(name, f"must be true or false, not {value!r:.60}")
            return default
        return bool(value)

    def number(self, name: str, default: Any, low: float, high: float) -> float:
        value, given = self._take(name, default)
        if given and (isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high):
            self.problem(name, f"must be a number from {low:g} to {high:g}, not {value!r:.60}")
            return low
        return low if value is ... else float(value)

    def integer(self, name: str, default: Any, low: int, high: int) -> int:
        value, given = self._take(name, default)
        if given and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            self.problem(name, f"must be a whole number from {low} to {high}, not {value!r:.60}")
            return low
        return low if value is ... else int(value)

    def duration(self, name: str, default: Any, low: int = 1, high: int = _LONGEST) -> int:
        """Milliseconds; written ``500ms``, ``30s``, ``5m``, ``1h``, ``7d``."""
        value, given = self._take(name, default)
        if not given:
            return low if value is ... else int(value)
        ms = duration_ms(value)
        if ms is None or not low <= ms <= high:
            self.problem(
                name, f"must be a duration such as 500ms, 30s or 5m ({low} ms to {high} ms), not {value!r:.60}"
            )
            return low
        return ms

    def secret(self, name: str, default: Any = ...) -> str:
        """A reference, unresolved. The value itself in the file is a problem, and is not repeated."""
        value, given = self._take(name, default)
        if given and (not isinstance(value, str) or not is_reference(value)):
            self.problem(name, "must be a reference, env:NAME or file:PATH: secrets do not stand in the configuration")
            return ""
        return "" if value is ... else value

    def secrets(self, name: str) -> tuple[str, ...]:
        """One reference, or a list of them (the newest first)."""
        value, given = self._take(name, ())
        if not given:
            return ()
        found = value if isinstance(value, list) else [value]
        if not found or not all(isinstance(one, str) and is_reference(one) for one in found):
            self.problem(name, "must be a reference, env:NAME or file:PATH, or a list of them")
            return ()
        return tuple(found)

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where it is left out."""
        value, given = self._take(name, ())
        if given and not (isinstance(value, list) and all(isinstance(one, str) and one for one in value)):
            self.problem(name, "must be a list of texts")
            return ()
        return tuple(value)

    def own_keys(self) -> tuple[str, ...]:
        """The keys that are there, for a block whose keys are the user's own words."""
        return tuple(key for key in self._content if isinstance(key, str))

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of text to text."""
        value, given = self._take(name, {})
        if given and not (
            isinstance(value, Mapping) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
        ):
            self.problem(name, "must be a mapping of text to text")
            return {}
        return dict(value)

    def anything(self, name: str, default: Any) -> Any:
        """The value as it stands; who asks checks it."""
        return self._take(name, default)[0]

    def block(self, name: str) -> Block | None:
        """A nested mapping; None where it is left out."""
        value, given = self._take(name, None)
        return Block(f"{self.path}.{name}", value, self.problems) if given else None

    def finish(self) -> None:
        """Report the keys nobody asked for."""
        for key in self._content:
            if key not in self._known:
                self.problem(str(key)[:60] or "''", f"is not known here{_meant(key, self._known)}")


def duration_ms(value: Any) -> int | None:
    """``5m`` as 300000; None where it is no duration."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)", value, re.ASCII) if isinstance(value, str) else None
    return math.floor(float(match[1]) * _UNITS[match[2]] + 0.5) if match else None


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _meant(word: Any, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(word)[:60], known, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else f" (known: {', '.join(known)})" if len(known) <= 20 else ""


def _read_rate(part: Block) -> Rate:
    shared, key = part.text("shared", ""), part.text("key", "")
    problem = redis_problem(shared)
    if problem:
        part.problem("shared", problem)
    if key and not shared:
        part.problem("key", "names a bucket in Redis: say with `shared: env:REDIS_URL` in which")
    if len(key) > 200 or not key.isprintable():
        part.problem("key", "must be at most 200 printable characters")
    rate = Rate(
        per_second=part.number("per_second", ..., 0.001, 1e6),
        burst=part.integer("burst", 1, 1, 1_000_000),
        shared=shared,
        key=key,
    )
    part.finish()
    return rate


def redis_problem(url: str) -> str:
    """What is wrong with an address of Redis in the configuration; empty where nothing is."""
    if not url or is_reference(url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is no address"
    if parts.scheme not in ("redis", "rediss"):
        return "must be redis://host:port/0, rediss:// for TLS, or a reference, env:NAME or file:PATH"
    if parts.password:
        return "has a password in it: write the whole url as a reference, env:NAME or file:PATH"
    return ""


def read_policy(block: Block, default: Policy) -> Policy:
    """The runner's part of a sink's block."""
    retry, breaker, rate = default.retry, default.breaker, default.rate
    if (part := block.block("retry")) is not None:
        forever = part.flag("forever", retry.attempts is None)
        retry = Retrying(
            attempts=part.integer("attempts", Retrying().attempts, 1, 1000) if not forever else None,
            within_ms=part.duration("within", 900_000) if not forever else None,
            first_ms=part.duration("first", retry.first_ms),
            longest_ms=part.duration("longest", retry.longest_ms),
        )
        part.finish()
    if (part := block.block("breaker")) is not None:
        breaker = Breaking(
            failures=part.integer("failures", breaker.failures, 1, 10_000),
            cool_off_ms=part.duration("cool_off", breaker.cool_off_ms),
            longest_ms=part.duration("longest", breaker.longest_ms),
        )
        part.finish()
    if (part := block.block("rate")) is not None:
        rate = _read_rate(part)
    return Policy(
        retry=retry,
        breaker=breaker,
        rate=rate,
        concurrency=block.integer("concurrency", default.concurrency, 1, 1000),
        batch=block.integer("batch", default.batch, 1, 10_000) if default.batch > 1 else 1,
        linger_ms=block.duration("every", default.linger_ms, 1, 3_600_000) if default.linger_ms else 0,
        timeout_ms=block.duration("timeout", default.timeout_ms, 1, 3_600_000),
        in_flight=block.integer("in_flight", default.in_flight, 1, 100_000),
        longest_hold_ms=default.longest_hold_ms,
    )
