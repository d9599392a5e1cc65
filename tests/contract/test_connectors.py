"""One contract for every connector there is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from connectors.base import Delivered, Kind, Origin, Rejected, decode_item
from connectors.context import SinkContext
from connectors.registry import CONNECTORS, parse_sinks
from connectors.testing import notifier_item, sample_alert
from tests.contract.sinks import HOSTILE, NEEDED, item_for, place

every = pytest.mark.parametrize("type_", sorted(CONNECTORS))


@every
def test_delivers_and_answers_one_result_per_item_in_order(type_: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(type_, tmp_path) as p:
            items = [item_for(type_, n) for n in (1, 2, 3)]
            results = await p.sink.deliver(items)
            assert len(results) == 3
            assert all(isinstance(result, Delivered) for result in results)
            assert sorted(p.arrived()) == sorted(item.key for item in items)

    asyncio.run(scenario())


@every
def test_redelivery_with_the_same_key_is_one_delivery_to_who_looks(type_: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(type_, tmp_path) as p:
            for _ in range(3):
                (result,) = await p.sink.deliver([item_for(type_)])
                assert isinstance(result, Delivered)
            assert p.arrived() == [item_for(type_).key]

    asyncio.run(scenario())


@every
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field_is_delivered_as_data(type_: str, text: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(type_, tmp_path) as p:
            item = item_for(
                type_, title=text, description=text, tenant=text, rule=text, source=text, key={text: text},
                values={"observed": text, text: [text]}, tags=(text,), severity_word=text, runbook=text,
                metadata={text: {text: text}},
            )  # fmt: skip
            (result,) = await p.sink.deliver([item])
            assert isinstance(result, Delivered), result
            assert p.arrived() == [item.key]

    asyncio.run(scenario())


@every
def test_values_no_database_or_calendar_holds_end_in_a_result(type_: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(type_, tmp_path) as p:
            good, bad = item_for(type_, 1), item_for(type_, 2, event_time=2**70, created_at=-(2**62), count=10**30)
            results = await p.sink.deliver([bad, good])
            assert isinstance(results[0], (Delivered, Rejected))
            assert isinstance(results[1], Delivered)
            assert good.key in p.arrived()

    asyncio.run(scenario())


@every
def test_a_cancelled_call_ends_soon_and_the_sink_goes_on(type_: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(type_, tmp_path) as p:
            call = asyncio.ensure_future(p.sink.deliver([item_for(type_, 1)]))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait({call}, timeout=2)
            assert call.done()
            (result,) = await p.sink.deliver([item_for(type_, 2)])
            assert isinstance(result, Delivered)

    asyncio.run(scenario())


@every
def test_many_calls_at_once(type_: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(type_, tmp_path) as p:
            items = [item_for(type_, n) for n in range(40)]
            results = await asyncio.gather(*(p.sink.deliver([item]) for item in items))
            assert all(isinstance(result, Delivered) for (result,) in results)
            assert sorted(p.arrived()) == sorted(item.key for item in items)

    asyncio.run(scenario())


@every
def test_closing_twice_or_without_opening_is_fine(type_: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        document = {"name": "x", "type": type_} | NEEDED.get(type_, {})
        (config,) = parse_sinks([document])
        sink = config.make(SinkContext("x", tmp_path))
        await sink.close()

    asyncio.run(scenario())


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
