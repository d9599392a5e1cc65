"""When a sink may be called: circuit breaker, rate, and how long to wait after a failure. Time is an argument (ms)."""

from __future__ import annotations

import math
from collections.abc import Callable

from connectors.settings import Breaking, Rate, Retrying


def backoff_ms(retry: Retrying, attempt: int, random: Callable[[], float]) -> int:
    """How long to wait after attempt number ``attempt`` failed: full jitter, so that many do not come back at once."""
    longest: int = min(retry.longest_ms, retry.first_ms << min(attempt - 1, 40))
    return math.ceil(longest * random())


class Breaker:
    """Closed; open after a row of failures; then one probe at a time until one succeeds."""

    def __init__(self, breaking: Breaking, random: Callable[[], float]) -> None:
        self._breaking, self._random = breaking, random
        self._failures = 0
        self._trips = 0
        self._until = 0
        self._probing = False
        self.open = False

    def allows(self, now: int) -> bool:
        return not self.open or (now >= self._until and not self._probing)

    @property
    def in_doubt(self) -> bool:
        """The last call failed altogether: what is sent next finds out for all others."""
        return self._failures > 0

    def begun(self) -> None:
        """A call is under way; while open it is the probe."""
        self._probing = self.open

    def succeeded(self) -> None:
        """The receiver answered, be it that it refused an item or asked to wait."""
        self._failures = self._trips = 0
        self.open = self._probing = False

    def failed(self, now: int) -> None:
        self._failures += 1
        if self.open and now < self._until:
            return  # a call from before it opened
        self._probing = False
        if self.open or self._failures >= self._breaking.failures:
            wait = min(self._breaking.longest_ms, self._breaking.cool_off_ms << min(self._trips, 30))
            self.open = True
            self._trips += 1
            self._until = now + math.ceil(wait * (0.75 + self._random() / 4))

    @property
    def wakes(self) -> int | None:
        """When the next call may go; None while a probe is under way."""
        if not self.open:
            return 0
        return None if self._probing else self._until


class Bucket:
    """Tokens for items. Without a rate it never limits."""

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._tokens = float(rate.burst) if rate else 0.0
        self._at: int | None = None

    def available(self, now: int) -> int:
        if self._rate is None:
            return 1_000_000
        passed = max(0, now - self._at) if self._at is not None else 0
        self._tokens = min(float(self._rate.burst), self._tokens + passed * self._rate.per_second / 1000)
        self._at = now
        return int(self._tokens + 1e-9)

    def take(self, count: int) -> None:
        if self._rate is not None:
            self._tokens -= count

    def wakes(self, now: int) -> int:
        """When the next token is there."""
        if self._rate is None or self.available(now) >= 1:
            return now
        return now + max(1, math.ceil((1 - self._tokens) * 1000 / self._rate.per_second))
