"""The runner around a sink that does whatever it likes, in real time with short times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
import structlog

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.offsets import Commit
from connectors.runner import Runner
from connectors.settings import Breaking, Policy, Retrying
from connectors.testing import Scripted, notifier_item
from streams import telemetry
from streams.model import Delivery, Outcome

QUICK = Policy(
    retry=Retrying(attempts=3, within_ms=3000, first_ms=5, longest_ms=20),
    breaker=Breaking(failures=1000),
    timeout_ms=100,
)


class Seen:
    """What a runner reported."""

    def __init__(self) -> None:
        self.all: list[Delivery] = []

    def __call__(self, _: Any, delivery: Delivery) -> None:
        self.all.append(delivery)

    def of(self, key: str) -> list[Outcome]:
        return [d.outcome for d in self.all if d.notification_id == key]


def run(
    make: Callable[[], Any], *items: Item, policy: Policy = QUICK, until: Callable[[Runner, Seen], bool] | None = None
) -> tuple[Runner, Seen]:
    async def scenario() -> tuple[Runner, Seen]:
        seen = Seen()
        runner = Runner("s", make, policy, seen, redact=lambda text: text.replace("hunter2", "***"))
        task = asyncio.create_task(runner.run())
        for item in items:
            runner.offer(item)
        end = time.monotonic() + 8
        done = until or (lambda r, _: r.schedule.open == 0)
        while not done(runner, seen):
            assert time.monotonic() < end, [d.outcome for d in seen.all]
            await asyncio.sleep(0.002)
        await runner.stop(1)
        await asyncio.wait_for(task, 2)
        return runner, seen

    return asyncio.run(scenario())


def test_a_delivery_tells_of_each_attempt() -> None:
    answers: Iterator[Result] = iter([Retry("busy hunter2"), Delivered("ref hunter2")])
    sink = Scripted(lambda _: next(answers))
    runner, seen = run(lambda: sink, notifier_item())
    assert [(d.attempt, d.outcome, d.error, d.reference) for d in seen.all] == [
        (1, Outcome.RETRY, "busy ***", ""),
        (2, Outcome.DELIVERED, "", "ref ***"),
    ]
    assert runner.error == ""
    assert sink.opened == sink.closed == 1


async def _hang(_: Item) -> Result:
    await asyncio.sleep(3600)
    return Delivered()


async def _stubborn(_: Item) -> Result:
    end = time.monotonic() + 4  # or the test itself could not end
    while time.monotonic() < end:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass
    return Delivered()


def _raises(error: BaseException) -> Callable[[Item], Result]:
    def script(_: Item) -> Result:
        raise error

    return script


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (_hang, "no answer within 100 ms"),
        (_raises(ValueError("x")), "ValueError: x"),
        (_raises(SinkBroken("bad secret")), "bad secret"),
        (_raises(RecursionError()), "RecursionError"),
        (_raises(asyncio.CancelledError()), "no answer"),
        (_raises(StopIteration()), "StopIteration"),
        (lambda _: Retry("again"), "again"),
    ],
    ids=["hangs", "raises", "breaks", "recursion", "cancels itself", "stop iteration", "retries"],
)
def test_what_a_sink_does_to_one_item_ends_as_failed(
    script: Callable[[Item], Result | Awaitable[Result]], says: str
) -> None:
    runner, seen = run(lambda: Scripted(script), notifier_item())
    assert seen.of("n1-1") == [Outcome.RETRY, Outcome.RETRY, Outcome.FAILED]
    assert says in seen.all[-1].error
    assert says in runner.error


@pytest.mark.parametrize(
    "answer",
    [
        None, [], "ok", [Delivered(), Delivered()], ["ok"], [None], 7, [Delivered(reference=None)],  # type: ignore[arg-type]
        [Retry(reason="x", after_ms=-5)], [Retry(reason="x", after_ms=1.5)], [Retry(reason=None)],  # type: ignore[arg-type]
    ],
    ids=repr,
)  # fmt: skip
def test_an_answer_that_is_none_is_a_failure(answer: Any) -> None:
    class Nonsense(Scripted):
        async def deliver(self, batch: Any) -> Any:
            return answer

    _, seen = run(Nonsense, notifier_item())
    assert seen.of("n1-1")[-1] is Outcome.FAILED
    assert "contract" in seen.all[-1].error


def test_a_sink_that_ignores_cancellation_is_left_behind_and_made_anew() -> None:
    made: list[Scripted] = []

    def make() -> Scripted:
        made.append(Scripted() if made else Scripted(_stubborn))
        return made[-1]

    runner, seen = run(make, notifier_item())
    assert seen.of("n1-1") == [Outcome.RETRY, Outcome.DELIVERED]
    assert runner.wedged == 1
    assert len(made) == 2


def test_a_sink_that_cannot_be_made_or_opened_is_tried_again() -> None:
    tries = 0

    def make() -> Scripted:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        if tries == 2:
            raise SinkBroken("not yet")
        return Scripted()

    _, seen = run(make, notifier_item())
    assert seen.of("n1-1")[-1] is Outcome.DELIVERED


def test_a_broken_sink_is_closed_and_opened_again() -> None:
    made: list[Scripted] = []

    def make() -> Scripted:
        made.append(Scripted() if made else Scripted(_raises(SinkBroken("gone"))))
        return made[-1]

    _, seen = run(make, notifier_item())
    assert seen.of("n1-1") == [Outcome.RETRY, Outcome.DELIVERED]
    assert made[0].closed == 1


def test_others_are_delivered_while_one_hangs() -> None:
    async def script(item: Item) -> Result:
        return await _hang(item) if item.key == "n1-1" else Delivered()

    _, seen = run(lambda: Scripted(script), *(notifier_item(n) for n in range(20)))
    first_failure = next(n for n, d in enumerate(seen.all) if d.notification_id == "n1-1")
    assert first_failure == 19  # everybody else came first


def test_rejected_is_final_at_once() -> None:
    _, seen = run(lambda: Scripted(lambda _: Rejected("no such channel")), notifier_item())
    assert seen.of("n1-1") == [Outcome.REJECTED]


def test_stopping_lets_calls_end_and_keeps_what_it_cut_off() -> None:
    async def script(item: Item) -> Result:
        await asyncio.sleep(3600 if item.key == "n2-1" else 0.1)
        return Delivered()

    slow = msgspec.structs.replace(QUICK, timeout_ms=60_000, retry=Retrying(attempts=1))

    async def scenario() -> None:
        seen = Seen()
        runner = Runner("s", lambda: Scripted(script), slow, seen)
        task = asyncio.create_task(runner.run())
        for n in (1, 2, 3):
            runner.offer(notifier_item(n))
        await asyncio.sleep(0.05)
        await runner.stop(0.3)
        await asyncio.wait_for(task, 2)
        assert sorted(d.notification_id for d in seen.all) == ["n1-1", "n3-1"]
        commit = runner.schedule.offsets.committable()["notifications", 0]
        assert commit.offset == 2
        assert commit.note  # n3 is finished, and is not sent again

    asyncio.run(scenario())


def test_what_cannot_be_reported_ends_the_runner() -> None:
    """An outcome that cannot be written must not let its offset be committed in silence."""

    def report(*_: Any) -> None:
        raise RuntimeError("queue full")

    async def scenario() -> None:
        runner = Runner("s", Scripted, QUICK, report)
        task = asyncio.create_task(runner.run())
        runner.offer(notifier_item())
        with pytest.raises(RuntimeError, match="queue full"):
            await asyncio.wait_for(task, 3)
        await runner.stop(0)

    asyncio.run(scenario())


def test_what_could_not_be_told_is_not_committed() -> None:
    """Between the outcome that the ledger refused and the runner's end a rebalance may ask for offsets."""

    async def scenario() -> None:
        asked: list[Any] = []

        def refuse(settled: Any, _: Any) -> None:
            asyncio.get_running_loop().call_soon(lambda: asked.append(runner.committable()))
            if settled.item.origin.offset == 1:
                raise OSError("the ledger is away")

        runner = Runner("s", Scripted, QUICK, refuse)
        task = asyncio.create_task(runner.run())
        for offset in (0, 1):
            runner.offer(notifier_item(offset))
            await asyncio.sleep(0.02)
        with pytest.raises(OSError, match="away"):
            await asyncio.wait_for(task, 2)
        await runner.stop(0)
        assert asked == [{("notifications", 0): Commit(1)}, {}]
        assert runner.committable() == {}

    asyncio.run(scenario())


def test_why_a_sink_cannot_be_opened_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anything to send: who starts a worker wants to know at once."""

    def broken() -> Any:
        raise SinkBroken("environment variable hunter2 is not set")

    log = structlog.testing.CapturingLogger()  # whatever level another test has set
    monkeypatch.setattr(telemetry, "log", log)
    run(broken, *(notifier_item(n, offset=n) for n in range(3)))
    (one,) = [call for call in log.calls if call.args[0].startswith("a sink is down")]
    assert (one.kwargs["sink"], one.kwargs["error"]) == ("s", "cannot open: environment variable *** is not set")
