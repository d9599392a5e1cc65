"""How many alerts of a rule and tenant were told of late: what limits and storm caps go by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

TABLE: Final = "rate"
_HOUR = 3_600_000
_encode = msgspec.json.Encoder().encode


class Rates:
    """Times at which alerts were told (ms, ascending), by tenant and rule. At most ``most`` of each are kept."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, str], list[int]] = {}
        self.dirty: dict[tuple[str, str], None] = {}

    def load(self, tenant: str, rule: str, value: bytes) -> None:
        self.told[tenant, rule] = msgspec.json.decode(value, type=list[int])

    def unload(self, tenant: str, rule: str) -> None:
        self.told.pop((tenant, rule), None)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        dirty, self.dirty = self.dirty, {}
        for tenant, rule in dirty:
            times = self.told.get((tenant, rule))
            yield _encode([TABLE, tenant, rule]), None if not times else _encode(times)

    def within(self, tenant: str, rule: str, ms: int, now: int) -> int:
        """How many were told in the last ``ms``, now included."""
        times = self.told.get((tenant, rule), ())
        return sum(1 for at in reversed(times) if at > now - ms)

    def last(self, tenant: str, rule: str) -> int | None:
        """When one was told last."""
        times = self.told.get((tenant, rule))
        return times[-1] if times else None

    def tell(self, tenant: str, rule: str, now: int, keep: int) -> None:
        """One more is told. Times older than ``keep`` ms, and than an hour, are forgotten."""
        oldest = now - max(keep, _HOUR)
        times = [at for at in self.told.get((tenant, rule), ()) if at > oldest]
        self.told[tenant, rule] = [*times, now]
        self.dirty[tenant, rule] = None
