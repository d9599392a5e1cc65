"""E-mail under the runner: a relay that puts off, is gone and comes back, and one recipient that is put off for long."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

from connectors.runner import Runner
from connectors.settings import Breaking, Policy, Retrying
from connectors.testing import notifier_item
from streams.model import Delivery, Outcome
from tests.contract.test_connectors_email import ADA, BOB, make
from tests.contract.vendors.mail import Mail

_RETRY = Retrying(attempts=50, within_ms=20_000, first_ms=5, longest_ms=50)
_POLICY = Policy(retry=_RETRY, breaker=Breaking(failures=3, cool_off_ms=30, longest_ms=60), concurrency=4)
_ITEMS = 20


async def drive(server: Mail, tmp_path: Path, seen: list[Delivery], **more: Any) -> bool:
    """Whether the circuit was ever open until everything was settled."""
    runner = Runner("s", lambda: make(server, tmp_path, **more)[0], _POLICY, lambda _, one: seen.append(one))  # type: ignore[arg-type]
    task = asyncio.create_task(runner.run())
    for number in range(1, _ITEMS + 1):
        runner.offer(notifier_item(number))
    end, tripped = time.monotonic() + 30, False
    while runner.schedule.open:
        assert time.monotonic() < end, seen[-1:]
        tripped = tripped or runner.schedule.breaker.open
        await asyncio.sleep(0.002)
    await runner.stop(1)
    await asyncio.wait_for(task, 2)
    return tripped


def test_after_a_relay_that_puts_everything_off_each_mail_arrives_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Mail(tmp_path / "server", data=["451 later"] * 12) as server:
            seen: list[Delivery] = []
            assert await drive(server, tmp_path, seen)
            assert sorted(server.arrived()) == sorted(f"n{number}-1" for number in range(1, _ITEMS + 1))
            assert Counter(one.outcome for one in seen)[Outcome.DELIVERED] == _ITEMS
            assert {one.error for one in seen if one.outcome is Outcome.RETRY} == {"SMTP 451: later"}

    asyncio.run(scenario())


def test_of_two_recipients_each_has_each_mail_once_though_one_was_put_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Mail(tmp_path / "server", refuse={BOB: ["450 greylisted"] * 15}) as server:
            seen: list[Delivery] = []
            await drive(server, tmp_path, seen, to=[ADA, BOB])
            got = Counter(address for envelope in server.envelopes for address in envelope)
            assert got == {ADA: _ITEMS, BOB: _ITEMS}
            pairs = [(key, a) for key, to in zip(server.arrived(), server.envelopes, strict=True) for a in to]
            assert len(set(pairs)) == len(pairs) == 2 * _ITEMS

    asyncio.run(scenario())


def test_a_wrong_password_loses_no_mail_once_it_is_right(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Mail(tmp_path / "server") as server:
            logins = iter([server.url.replace("hush", "loud")] * 4)
            seen: list[Delivery] = []

            def made() -> Any:
                sink, secrets = make(server, tmp_path)
                secrets._environ["SMTP_URL"] = next(logins, server.url)  # type: ignore[index]
                return sink

            runner = Runner("s", made, _POLICY, lambda _, one: seen.append(one))  # type: ignore[arg-type]
            task = asyncio.create_task(runner.run())
            runner.offer(notifier_item(1))
            end = time.monotonic() + 20
            while runner.schedule.open:
                assert time.monotonic() < end
                await asyncio.sleep(0.005)
            await runner.stop(1)
            await asyncio.wait_for(task, 2)
            assert server.arrived() == ["n1-1"]
            assert any("535" in one.error for one in seen)

    asyncio.run(scenario())
