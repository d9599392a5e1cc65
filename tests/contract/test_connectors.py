"""One contract for every connector there is, each at a real server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Delivered, Item, Kind, Origin, Rejected, Result, Retry, Sink, SinkBroken, decode_item
from connectors.bounded import TimeLimit, bounded
from connectors.context import SinkContext
from connectors.registry import CONNECTORS, parse_sinks
from connectors.runner import Runner
from connectors.schedule import Settled
from connectors.settings import Breaking, Policy, Retrying
from connectors.testing import notifier_item, sample_alert
from streams.model import Outcome
from tests.contract.places import PLACES, Place, item_for, place
from tests.contract.properties import EXEMPT, proves
from tests.contract.sinks import HUGE, INJECTED, NEEDED, UNICODE, UNPRINTABLE
from tests.contract.wire import Fault


def test_every_connector_has_its_place_in_the_contract() -> None:
    assert set(PLACES) == set(CONNECTORS)
    assert {type_ for why in EXEMPT.values() for type_ in why} <= set(CONNECTORS)


Steps = Callable[[Place], Awaitable[object]]
_LONG_MS, _SHORT_MS = 10_000, 700  # of a call: where it must arrive, and where it must fail

_AT_ONCE = max(8, *(connector.policy.concurrency for connector in CONNECTORS.values()))


def at(type_: str, tmp_path: Path, steps: Steps, timeout_ms: int = _LONG_MS) -> None:
    """With ``sink`` open."""

    async def scenario() -> None:
        async with place(type_, tmp_path, timeout_ms) as found:
            await steps(found)

    asyncio.run(scenario())


def before(type_: str, tmp_path: Path, steps: Steps, timeout_ms: int = _LONG_MS) -> None:
    """With ``sink`` not yet open; ``steps`` open and close what they make."""

    async def scenario() -> None:
        async with PLACES[type_](type_, tmp_path, timeout_ms) as found:
            await steps(found)

    asyncio.run(scenario())


async def one(sink: Sink, item: Item) -> Result:
    (result,) = await bounded(sink.deliver([item]), 10)
    return result


async def eventually(sink: Sink, item: Item) -> None:
    """Its receiver is back: it arrives, perhaps after a connection that had broken."""
    end = time.monotonic() + 8
    while True:
        try:
            if isinstance(result := await one(sink, item), Delivered):
                return
        except (OSError, TimeLimit) as error:
            result = Retry(str(error))
        assert not isinstance(result, Rejected), result
        assert time.monotonic() < end, result
        await asyncio.sleep(0.02)


@proves("order")
def test_it_delivers_and_answers_one_result_per_item_in_order(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        items = [item_for(type_, n) for n in (1, 2, 3)]
        results = await p.sink.deliver(items)
        assert [type(result) for result in results] == [Delivered] * 3
        assert sorted(p.arrived()) == sorted(item.key for item in items)

    at(type_, tmp_path, steps)


@proves("redelivery")
def test_the_same_key_again_is_one_delivery_to_who_looks_also_after_a_restart(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        for _ in range(2):
            sink = p.make()
            await sink.open()
            for _ in range(2):
                assert isinstance(await one(sink, item_for(type_)), Delivered)
            await sink.close()
        assert p.arrived() == [item_for(type_).key]

    before(type_, tmp_path, steps)


@proves("many at once")
def test_many_calls_at_once(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        items = [item_for(type_, n) for n in range(40)]
        free = asyncio.Semaphore(_AT_ONCE)

        async def deliver(item: Item) -> Result:
            async with free:
                return await one(p.sink, item)

        results = await asyncio.gather(*map(deliver, items))
        assert all(isinstance(result, Delivered) for result in results), results
        assert sorted(p.arrived()) == sorted(item.key for item in items)

    at(type_, tmp_path, steps)


def everywhere(type_: str, number: int, text: str) -> Item:
    """``text`` in every field that an event or a rule fills."""
    return item_for(
        type_, number, title=text, description=text, tenant=text, rule=text, source=text, key={text: text},
        values={"observed": text, text: [text]}, tags=(text,), severity_word=text, runbook=text,
        metadata={text: {text: text}}, deal_id=text, violation_type=text, assignee=text,
    )  # fmt: skip


def delivered_as_data(type_: str, tmp_path: Path, texts: list[str]) -> None:
    """All of them arrive, and the receiver finds no rule broken, nothing live in its markup, no header of theirs."""

    async def steps(p: Place) -> None:
        items = [everywhere(type_, number, text) for number, text in enumerate(texts, 1)]
        for item, text in zip(items, texts, strict=True):
            result = await one(p.sink, item)
            assert isinstance(result, Delivered), (text[:80], result)
        assert sorted(p.arrived()) == sorted(item.key for item in items)

    at(type_, tmp_path, steps)


@proves("huge")
def test_huge_text_is_delivered_in_what_the_receiver_takes(type_: str, tmp_path: Path) -> None:
    delivered_as_data(type_, tmp_path, HUGE)


@proves("unicode")
def test_unicode_is_delivered_as_data(type_: str, tmp_path: Path) -> None:
    delivered_as_data(type_, tmp_path, UNICODE)


@proves("controls")
def test_control_and_invisible_characters_are_delivered_as_data(type_: str, tmp_path: Path) -> None:
    delivered_as_data(type_, tmp_path, UNPRINTABLE)


@proves("injection")
def test_injected_html_markdown_headers_and_sql_are_delivered_as_data(type_: str, tmp_path: Path) -> None:
    delivered_as_data(type_, tmp_path, INJECTED)


@proves("calendar")
def test_values_no_database_or_calendar_holds_end_in_a_result(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        good, bad = item_for(type_, 1), item_for(type_, 2, event_time=2**70, created_at=-(2**62), count=10**30)
        results = await p.sink.deliver([bad, good])
        assert isinstance(results[0], (Delivered, Rejected))
        assert isinstance(results[1], Delivered)
        assert good.key in p.arrived()

    at(type_, tmp_path, steps)


@proves("refusal")
def test_what_the_receiver_refuses_for_good_is_rejected(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        assert p.refuse is not None
        p.refuse()
        result = await one(p.sink, item_for(type_))
        assert isinstance(result, Rejected), result
        assert p.arrived() == []

    at(type_, tmp_path, steps)


@proves("overload")
def test_a_receiver_that_asks_to_wait_is_left_alone_as_long_as_it_says(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        assert p.busy is not None
        p.busy()
        result = await one(p.sink, item_for(type_))
        assert isinstance(result, Retry), result
        if type_ != "email":  # SMTP does not say how long
            assert (result.after_ms, result.everyone) == (7000, True)

    at(type_, tmp_path, steps)


async def fails(p: Place, item: Item, limit_ms: int = _LONG_MS) -> str:
    """The reason of a failure that may pass, which is no item's fault and no broken sink's."""
    try:
        (result,) = await bounded(p.sink.deliver([item]), limit_ms / 1000)
    except SinkBroken:
        raise
    except Exception as error:  # the runner tries again after any
        return str(error)
    assert isinstance(result, Retry), result
    return result.reason


@proves("outage")
def test_a_receiver_that_is_gone_is_tried_again_and_the_same_sink_goes_on(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        await eventually(p.sink, item_for(type_, 1))
        with p.fault(Fault.GONE):
            await fails(p, item_for(type_, 2))
        await eventually(p.sink, item_for(type_, 2))
        assert sorted(p.arrived()) == sorted(item_for(type_, n).key for n in (1, 2))

    at(type_, tmp_path, steps)


@proves("silence")
def test_a_receiver_that_says_nothing_costs_no_more_than_the_time_limit(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        with p.fault(Fault.SILENT):
            began = time.monotonic()
            await fails(p, item_for(type_), _SHORT_MS + 300)
            assert time.monotonic() - began < _SHORT_MS / 1000 + 1.5
        await eventually(p.sink, item_for(type_))
        assert set(p.arrived()) == {item_for(type_).key}

    at(type_, tmp_path, steps, _SHORT_MS)


@proves("noise")
def test_an_endless_answer_that_is_not_the_protocols_ends_soon(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        with p.fault(Fault.NOISE):
            await fails(p, item_for(type_))
        await eventually(p.sink, item_for(type_))
        assert set(p.arrived()) == {item_for(type_).key}

    at(type_, tmp_path, steps)


@proves("cancellation")
def test_a_call_that_is_cut_off_ends_soon_and_the_next_one_arrives(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        for wait in (0, 0.05):  # before it is on the wire, and there
            with p.fault(Fault.SILENT):
                call = asyncio.ensure_future(p.sink.deliver([item_for(type_, 1)]))
                await asyncio.sleep(wait)
                call.cancel()
                await asyncio.wait({call}, timeout=2)
                assert call.done()
                if not call.cancelled():
                    call.exception()
        await eventually(p.sink, item_for(type_, 2))
        assert item_for(type_, 2).key in p.arrived()

    at(type_, tmp_path, steps, _SHORT_MS)


def impatient(type_: str) -> Policy:
    """The connector's own policy, with the times of a test."""
    return msgspec.structs.replace(
        CONNECTORS[type_].policy,
        retry=Retrying(attempts=1000, within_ms=30_000, first_ms=5, longest_ms=50),
        breaker=Breaking(failures=3, cool_off_ms=30, longest_ms=60), rate=None, linger_ms=0, timeout_ms=_LONG_MS,
    )  # fmt: skip


@proves("breaker")
def test_the_circuit_opens_over_an_outage_and_then_each_item_arrives_once(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        told: list[Settled] = []
        runner = Runner("s", p.make, impatient(type_), lambda settled, _: told.append(settled))
        items = [item_for(type_, number) for number in range(1, 21)]
        with p.fault(Fault.GONE):
            running = asyncio.create_task(runner.run())
            for item in items:
                runner.offer(item)
            await until(lambda: runner.schedule.breaker.open)
        await until(lambda: not runner.schedule.open)
        await runner.stop(1)
        await asyncio.wait_for(running, 3)
        assert sorted(s.item.key for s in told if s.outcome is Outcome.DELIVERED) == sorted(i.key for i in items)
        assert not [s for s in told if s.outcome in (Outcome.REJECTED, Outcome.FAILED)]
        assert sorted(p.arrived()) == sorted(item.key for item in items)

    before(type_, tmp_path, steps)


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


@proves("secrets")
def test_secrets_stand_in_no_preview_no_error_and_no_quote_of_them(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        assert p.secret
        assert p.secrets is not None
        if CONNECTORS[type_].kind is Kind.NOTIFIER:
            assert p.secret not in json.dumps(preview(p.make(), item_for(type_)))
        with p.fault(Fault.GONE):
            told = await fails(p, item_for(type_))
        assert p.secret not in p.secrets.redact(f"{told} {p.secret}")

    at(type_, tmp_path, steps)


@proves("preview")
def test_a_preview_needs_neither_network_nor_secrets(type_: str, tmp_path: Path) -> None:
    (config,) = parse_sinks([{"name": "x", "type": type_} | NEEDED.get(type_, {})])
    shown = preview(config.make(SinkContext("x", tmp_path)), item_for(type_, title="Zug um Zug"))
    assert "Zug um Zug" in json.dumps(shown, ensure_ascii=False)
    assert list(tmp_path.iterdir()) == []


def preview(sink: Any, item: Item) -> Any:
    return sink.preview(item)


@proves("closing")
def test_closing_without_opening_is_fine(type_: str, tmp_path: Path) -> None:
    async def steps(p: Place) -> None:
        await p.make().close()

    before(type_, tmp_path, steps)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"receiver": 1}', b'{"receiver": "ops"}', b"[" * 100_000,
        b'{"receiver":"ops","id":7}', b'{"receiver":"ops","alert":' + b'{"a":' * 50_000,
        b'{"receiver": "ops", "id": "x", "alert": null}',
    ],
    ids=lambda raw: f"{raw[:24]!r}",
)  # fmt: skip
@pytest.mark.parametrize("kind", list(Kind))
def test_a_poison_record_raises_what_the_feed_expects(kind: Kind, raw: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        decode_item(kind, "ops", raw, Origin("notifications", 0, 0))


def test_a_notification_for_another_receiver_is_none_of_ours() -> None:
    raw = notifier_item(1).raw
    assert decode_item(Kind.NOTIFIER, "someone", raw, Origin("notifications", 0, 0)) is None
    item = decode_item(Kind.NOTIFIER, "ops", raw, Origin("notifications", 0, 0))
    assert item is not None
    assert item.alert == sample_alert()
    assert msgspec.json.encode(item.notification) == raw
