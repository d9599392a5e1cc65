"""Chat and paging under the runner: an outage, a storm of 429."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from connectors.runner import Runner
from connectors.settings import Breaking, Policy, Retrying
from connectors.testing import notifier_item
from streams.model import Delivery, Outcome
from tests.contract.test_connectors_chat import ALL, every, make
from tests.contract.vendors.server import Vendor

_RETRY = Retrying(attempts=50, within_ms=20_000, first_ms=5, longest_ms=50)
_POLICY = Policy(retry=_RETRY, breaker=Breaking(failures=3, cool_off_ms=30, longest_ms=60), concurrency=4)
_ITEMS = 60


def failing(times: int, status: int, document: Any = None, **headers: str) -> Callable[[web.Request, int], Any]:
    """The first ``times`` requests are answered so, then the vendor is back."""

    async def behave(_: web.Request, nth: int) -> web.StreamResponse | None:
        if nth > times:
            return None
        text = json.dumps(document or {})
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return behave


def drive(which: str, tmp_path: Path, behave: Any) -> tuple[Vendor, list[Delivery], bool]:
    """What the vendor saw, what the runner reported, and whether the circuit was ever open."""

    async def scenario() -> tuple[Vendor, list[Delivery], bool]:
        async with ALL[which][1](behave=behave) as vendor:
            seen: list[Delivery] = []
            runner = Runner("s", lambda: make(vendor, which, tmp_path)[0], _POLICY, lambda _, one: seen.append(one))
            task = asyncio.create_task(runner.run())
            for number in range(1, _ITEMS + 1):
                runner.offer(notifier_item(number))
            end, tripped = time.monotonic() + 20, False
            while runner.schedule.open:
                assert time.monotonic() < end, seen[-1:]
                tripped = tripped or runner.schedule.breaker.open
                await asyncio.sleep(0.002)
            await runner.stop(1)
            await asyncio.wait_for(task, 2)
            return vendor, seen, tripped

    return asyncio.run(scenario())


def assert_each_once(vendor: Vendor, seen: list[Delivery]) -> None:
    wanted = sorted(f"n{number}-1" for number in range(1, _ITEMS + 1))
    assert sorted(vendor.arrived()) == wanted
    assert sorted(d.notification_id for d in seen if d.outcome is Outcome.DELIVERED) == wanted
    assert not [d for d in seen if d.outcome in (Outcome.REJECTED, Outcome.FAILED)]
    assert vendor.broken_rules == []


@every
def test_after_an_outage_each_arrives_once_and_the_circuit_was_open(which: str, tmp_path: Path) -> None:
    vendor, seen, tripped = drive(which, tmp_path, failing(12, 503))
    assert tripped
    assert any(d.outcome is Outcome.RETRY for d in seen)
    assert_each_once(vendor, seen)


@every
def test_after_a_storm_of_429_each_arrives_once_and_the_circuit_stayed_closed(which: str, tmp_path: Path) -> None:
    document = {
        "ok": False,
        "error": "ratelimited",
        "error_code": 429,
        "retry_after": 0.02,
        "parameters": {"retry_after": 0.02},
    }
    vendor, seen, tripped = drive(which, tmp_path, failing(12, 429, document, Retry_After="0"))
    assert not tripped
    assert any(d.outcome is Outcome.RETRY for d in seen)
    assert_each_once(vendor, seen)
