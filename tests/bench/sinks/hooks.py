"""Notifications a second through the webhook sink (topic, runner, signature, ledger, offsets) to a receiver that checks
signatures, beside a plain aiohttp loop that signs and posts the same bodies with as many calls at once.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from connectors.base import Item, Origin
from connectors.notifiers.webhook import signature, signing_key, webhook_body
from connectors.registry import CONNECTORS
from connectors.testing import SECRET, sample_notification
from streams.model import Notification
from tests.bench.sinks.receiver import Receiver, Seen, receiver
from tests.integration.delivering import Bench

PARTITIONS = 4


def hook(name: str, url: str, **more: Any) -> dict[str, Any]:
    """The block of a signed webhook to a local receiver."""
    return {"name": name, "type": "webhook", "url": url, "secret": "env:HOOK", "allow_private": True, **more}


def notes(count: int, *receivers: str) -> list[Notification]:
    """``count`` notifications, each about an alert of its own, to the receivers in turn."""
    return [sample_notification(n, receivers[n % len(receivers)]) for n in range(count)]


def topics(kafka: str, directory: Path) -> Bench:
    """Topics of one round."""
    return Bench(kafka, f"b{uuid.uuid4().hex[:8]}.", directory, PARTITIONS)


def a_second(seen: Seen) -> float:
    """From the first arrival to the last."""
    times = [at for ids in seen.arrived.values() for at in ids.values()]
    return (len(times) - 1) * 1000 / (max(times) - min(times))


def _checked(seen: Seen, count: int) -> Seen:
    assert (seen.count, seen.refused, seen.repeated) == (count, 0, 0), (seen.count, seen.refused, seen.repeated)
    return seen


def _through_the_sink(bench: Bench, to: Receiver, all_notes: list[Notification]) -> tuple[Seen, float]:
    """What arrived, and seconds of CPU of this process."""
    bench.notify(*all_notes)
    used = time.process_time()
    with bench.role(hook("hook", f"{to.url}/hook"), HOOK=SECRET):
        seen = to.wait(len(all_notes), 120)
        used = time.process_time() - used
    return _checked(seen, len(all_notes)), used


async def _plainly(to: Receiver, bodies: list[tuple[str, bytes]], at_once: int) -> None:
    key = signing_key(SECRET)
    left = iter(bodies)

    async def send(session: aiohttp.ClientSession) -> None:
        for id_, body in left:
            stamp = int(time.time())
            headers = {
                "content-type": "application/json", "webhook-id": id_, "webhook-timestamp": str(stamp),
                "webhook-signature": signature(key, id_, stamp, body),
            }  # fmt: skip
            async with session.post(f"{to.url}/plain", data=body, headers=headers) as answer:
                assert answer.status == 204
                await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(send(session) for _ in range(at_once)))


def run(kafka: str, directory: Path, count: int, rounds: int) -> list[dict[str, Any]]:
    """One row for each way: rates of each round, CPU of the best."""
    all_notes = notes(count, "hook")
    items = [Item(note.id, note.alert, Origin("notifications", 0, 0), b"", note) for note in all_notes]
    bodies = [(item.key, msgspec.json.encode(webhook_body(item))) for item in items]
    rates: dict[str, list[float]] = {"webhook sink": [], "plain aiohttp loop": []}
    cpu: dict[str, list[float]] = {name: [] for name in rates}
    with receiver() as to:
        _through_the_sink(topics(kafka, directory), to, all_notes[: count // 4])  # the broker's Java is slow at first
        for _ in range(rounds):
            seen, used = _through_the_sink(topics(kafka, directory), to, all_notes)
            rates["webhook sink"].append(a_second(seen))
            cpu["webhook sink"].append(used / count * 1e6)
            used = time.process_time()
            asyncio.run(_plainly(to, bodies, CONNECTORS["webhook"].policy.concurrency))
            cpu["plain aiohttp loop"].append((time.process_time() - used) / count * 1e6)
            rates["plain aiohttp loop"].append(a_second(_checked(to.take(), count)))
    return [
        {"what": name, "unit": "notifications/s", "rates": sorted(map(round, found)), "cpu_us": round(min(cpu[name]))}
        for name, found in rates.items()
    ]
