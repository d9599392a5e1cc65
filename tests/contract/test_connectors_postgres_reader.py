"""Reading the PostgreSQL storage: pages, filters, and only the tenant's own, by the database too."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkConfig, parse_sinks
from connectors.storage import postgres_reader
from connectors.storage.postgres_reader import read_alerts
from connectors.testing import sample_alert, storage_item
from streams.model import Alert, Severity
from tests.contract.stores import address


@pytest.fixture
def sink() -> SinkConfig:
    schema = f"r{uuid.uuid4().hex[:12]}"
    block = {"name": "pg", "type": "postgres", "url": "env:PG", "schema": schema}
    (config,) = parse_sinks([block])
    return config


def context_of(folder: Path) -> SinkContext:
    return SinkContext("pg", folder, Secrets({"PG": address("postgres")}))


async def stored(config: SinkConfig, folder: Path, *alerts: Alert) -> SinkContext:
    context = context_of(folder)
    sink = config.make(context)
    await sink.open()
    fields = [{name: getattr(alert, name) for name in alert.__struct_fields__} for alert in alerts]
    await sink.deliver([storage_item(1, offset=n, **one) for n, one in enumerate(fields)])
    await sink.close()
    return context


def alert(number: int, **changes: Any) -> Alert:
    return sample_alert(number, **({"created_at": 1_704_067_200_000 + number} | changes))


@pytest.mark.parametrize(
    ("wanted", "limit", "offset", "numbers"),
    [
        ({}, 10, 0, [4, 3, 2, 1]),  # the newest first
        ({}, 2, 1, [3, 2]),
        ({"tenant": "acme"}, 10, 0, [3, 2, 1]),
        ({"tenant": "globex"}, 10, 0, [4]),
        ({"tenant": "acme", "severity": "low"}, 10, 0, [2]),
        ({"tenant": "acme", "id": f"{4:032x}"}, 1, 0, []),  # another tenant's
        ({"tenant": "acme' OR '1'='1"}, 10, 0, []),
    ],
)
async def test_what_is_read(
    sink: SinkConfig, tmp_path: Path, wanted: dict[str, str], limit: int, offset: int, numbers: list[int]
) -> None:
    alerts = [alert(1), alert(2, severity=Severity.LOW), alert(3), alert(4, tenant="globex")]
    context = await stored(sink, tmp_path, *alerts)
    found = await read_alerts(sink.options, context, wanted, limit, offset)
    assert found == [alerts[number - 1] for number in numbers]


@pytest.mark.parametrize("strange", ["a\0b", "long" * 200, "␀", "%", "\U0001f525"])
async def test_a_value_that_no_column_holds_as_it_is_is_found_all_the_same(
    sink: SinkConfig, tmp_path: Path, strange: str
) -> None:
    own = alert(1, tenant=strange, source=strange)
    context = await stored(sink, tmp_path, own, alert(2))
    assert await read_alerts(sink.options, context, {"tenant": strange, "source": strange}, 10) == [own]
    assert await read_alerts(sink.options, context, {"tenant": "acme", "type": strange}, 10) == []


async def test_the_database_itself_keeps_other_tenants_out(
    sink: SinkConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await stored(sink, tmp_path, alert(1), alert(2, tenant="globex"))
    connect: Callable[..., Any] = asyncpg.connection.Connection.fetch

    async def forgetful(self: Any, query: str, *arguments: Any) -> Any:
        return await connect(self, query.replace("WHERE tenant = $1", "WHERE $1::text IS NOT NULL"), *arguments)

    monkeypatch.setattr(asyncpg.connection.Connection, "fetch", forgetful)
    found = await read_alerts(sink.options, context, {"tenant": "acme"}, 10)
    assert [one.tenant for one in found] == ["acme"]


async def test_an_unknown_filter_is_a_mistake_of_the_caller(sink: SinkConfig, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="title"):
        await read_alerts(sink.options, context_of(tmp_path), {"title": "x"}, 1)
    assert "tenant" in postgres_reader.FILTERS


async def test_many_may_read_at_once(sink: SinkConfig, tmp_path: Path) -> None:
    context = await stored(sink, tmp_path, alert(1))
    found = await asyncio.gather(*(read_alerts(sink.options, context, {"tenant": "acme"}, 5) for _ in range(10)))
    assert all(len(alerts) == 1 for alerts in found)
