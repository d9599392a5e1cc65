"""Alerts of which something is held back: once what hid them is gone, each is looked at again, a few a tick."""

from __future__ import annotations

from heapq import nsmallest
from typing import Any, Final

LOOSE: Final = "loose"  #: in the position: by tenant, the last one that was looked at


class Held:
    """By tenant. Whose turn it is stands in the position (``stage``), so that a restart goes on where it was."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, None]] = {}

    def put(self, tenant: str, identity: str, *, held: bool) -> None:
        """Take an alert as it stands."""
        if held:
            self._of.setdefault(tenant, {})[identity] = None
        elif identity in (of := self._of.get(tenant, {})):
            del of[identity]

    def free(self, tenant: str, stage: dict[str, Any]) -> None:
        """All that is held back of a tenant is looked at again with the next ticks, after a restart too."""
        if self._of.get(tenant):
            stage[LOOSE] = {**stage.get(LOOSE, {}), tenant: ""}

    def free_all(self, stage: dict[str, Any]) -> None:
        for tenant in self._of:
            self.free(tenant, stage)

    def take(self, limit: int, stage: dict[str, Any]) -> list[str]:
        """The next of those to look at, at most ``limit``, by tenant and id: an order that no restart changes."""
        found: list[str] = []
        loose: dict[str, str] = dict(stage.pop(LOOSE, {}))
        for tenant, last in sorted(loose.items()):
            some = nsmallest(limit - len(found), (one for one in self._of.get(tenant, ()) if one > last))
            found += some
            if len(found) < limit:
                del loose[tenant]
            elif some:
                loose[tenant] = some[-1]
        if loose:
            stage[LOOSE] = loose
        return found
