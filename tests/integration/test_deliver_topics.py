"""A storage that reads further topics: each with offsets of its own, none lost, none twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors import registry
from connectors.base import Delivered, Item, Kind, Record, Rejected, Result
from connectors.registry import Connector
from connectors.settings import Policy
from connectors.testing import Scripted, sample_alert
from tests.integration.delivering import Bench, eventually, up

pytestmark = pytest.mark.timeout(120)


class Keeper(Scripted):
    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        await super().deliver(batch)
        return [Rejected("never") if item.raw == b"bad" else Delivered() for item in batch]


def test_a_storage_reads_what_it_asks_for_and_the_ledger_does_not_grow_by_being_stored(
    kafka: str, topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, keeper = Bench(kafka, topics, tmp_path), Keeper()
    connector = Connector(
        Kind.STORAGE, lambda _: None, lambda *_: keeper, Policy(batch=100, concurrency=1),
        further=lambda _: ("deliveries", "alert-input"), by_partition=True,
    )  # fmt: skip
    monkeypatch.setitem(registry.CONNECTORS, "keeper", connector)

    def given() -> list[str]:
        return [item.key for batch in keeper.calls for item in batch]

    def written() -> list[bytes]:
        return [item.raw for batch in keeper.calls for item in batch if isinstance(item, Record)]

    sink = {"name": "keep", "type": "keeper"}
    with bench.role(sink) as role:
        up(role, "keep")
        bench.store(*(sample_alert(n) for n in range(20)))
        bench.send("alert-input", b"k", b"not json at all")
        bench.send("alert-input", b"k", b"bad")
        bench.flush()
        eventually(lambda: len(given()) >= 42)  # 20 alerts, what the ledger says of them, and two records
        eventually(lambda: bench.committed("keep", "alerts") == 20)
        eventually(lambda: bench.committed("keep", "deliveries") == 20)
        eventually(lambda: bench.committed("keep", "alert-input") == 2)
    assert len(bench.read("deliveries")) == 20
    assert {b"not json at all", b"bad"} <= set(written())
    assert len(given()) == len(set(given())) == 42
    (letter,) = bench.read("dead-letter")
    assert letter["error"].endswith("never")
    with bench.role(sink) as role:  # and goes on where it was
        up(role, "keep")
        bench.store(sample_alert(100))
        eventually(lambda: len(given()) == 44)
    assert len(given()) == len(set(given())) == 44
