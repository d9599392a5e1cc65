"""PostgreSQL that is restarted, full, locked, newer, somebody else's; and what each role may see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from connectors.base import Delivered, Item, Origin, Record, Rejected, Result, Retry, SinkBroken, as_record
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkErrors, parse_sinks
from connectors.storage.postgres_rows import indexed, storable
from connectors.testing import storage_item
from streams.local import postgres as server
from streams.model import Delivery, Outcome
from tests.contract.stores import Store, address, make, postgres, query


def storing(tmp_path: Path, steps: Callable[[Store], Awaitable[None]], **more: Any) -> None:
    async def scenario() -> None:
        async with postgres(tmp_path, **more) as store:
            await steps(store)

    asyncio.run(scenario())


async def delivered(store: Store, *items: Item | Record) -> None:
    results: Sequence[Result] = await store.sink.deliver(items)  # type: ignore[arg-type]
    assert [result for result in results if not isinstance(result, Delivered)] == []


def test_the_newest_version_stands_whatever_the_order_and_all_are_kept(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        for versions in ([2], [3, 1], [2, 2], [1, 3, 2]):
            await delivered(store, *(storage_item(1, version=v, title=f"v{v}", status="resolved") for v in versions))
        assert store.query("SELECT version, title FROM alerts") == [(3, "v3")]
        assert store.query("SELECT version FROM alert_versions ORDER BY 1") == [(1,), (2,), (3,)]

    storing(tmp_path, steps)


def test_the_fields_that_listings_need_are_columns(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        held = [{"stage": "silence", "by": "s1", "since": 1}]
        item = storage_item(1, assignee="ada", incident="i1", disposition="benign", suppressed=held, deal_id="d")
        await delivered(store, item)
        columns = "assignee, incident, disposition, suppressed, deal_id, position, notification_failed"
        row = ("ada", "i1", "benign", True, "d", "alerts/0/1", False)
        assert store.query(f"SELECT {columns} FROM alerts") == [row]

    storing(tmp_path, steps)


def test_nul_unicode_and_a_megabyte_come_back_as_they_were(tmp_path: Path) -> None:
    texts = ["nul\0byte", "␀0", "␀", "🔥\u202e", "x" * 1_000_000, "'; DROP TABLE alerts; --", "\\", '"']

    async def steps(store: Store) -> None:
        items = [storage_item(n, title=text, tenant=text, metadata={"a": text}) for n, text in enumerate(texts)]
        await delivered(store, *items)
        found = store.query("SELECT title, tenant, document::text FROM alerts ORDER BY id")
        assert [title for title, _, _ in found] == [storable(text) for text in texts]
        assert [tenant for _, tenant, _ in found] == [indexed(text) for text in texts]
        assert [document.encode() for _, _, document in found] == [item.raw for item in items]

    storing(tmp_path, steps)


def test_different_texts_stay_different_in_columns() -> None:
    texts = ["a\0", "a␀", "a␀0", "a␀␀", "a\0\0", "a␀\0", "x" * 500, "x" * 501, "x" * 400]
    assert len({indexed(text) for text in texts}) == len(texts)
    assert all("\0" not in indexed(text) for text in texts)


def test_the_ledger_and_operations_are_stored_once_and_what_is_none_is_refused(tmp_path: Path) -> None:
    delivery = Delivery(
        notification_id="n\0", alert_id="a", tenant="acme", sink="s", attempt=1, outcome=Outcome.RETRY, at=5,
        latency_ms=7, error="e",
    )  # fmt: skip
    operation = {
        "command_id": "c", "alert_id": "a", "tenant": "acme", "action": "resolve", "outcome": "applied", "by": "ada",
        "at": 5, "asked_at": 4, "hash": "of a later version of us",
    }  # fmt: skip

    async def steps(store: Store) -> None:
        records = [
            as_record(msgspec.json.encode(delivery), Origin("deliveries", 0, 0), 0, None),
            as_record(json.dumps(operation).encode(), Origin("operations", 1, 3), 0, None),
        ]
        for _ in range(2):
            await delivered(store, *records, storage_item(1))
        bad = as_record(b"{}", Origin("operations", 0, 4), 0, None)
        results = await store.sink.deliver([bad, storage_item(2)])  # type: ignore[list-item]
        assert isinstance(results[0], Rejected)
        assert isinstance(results[1], Delivered)
        assert store.query("SELECT notification_id, error, position FROM deliveries") == [
            ("n␀0", "e", "deliveries/0/0")
        ]
        assert store.query("SELECT by, document->>'hash' FROM operations") == [("ada", operation["hash"])]

    storing(tmp_path, steps)


TRIGGER = """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.title = 'bad' THEN RAISE EXCEPTION 'as told' USING ERRCODE = '{}'; END IF; RETURN NEW; END $$;
CREATE TRIGGER fail BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION fail()"""


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("53100", Retry),  # disk full
        ("40P01", Retry),  # deadlock
        ("53300", Retry),  # too many connections
        ("57014", Retry),  # a statement's time limit
        ("58030", Retry),  # I/O error
        ("23514", Rejected),  # a constraint somebody added
        ("22001", Rejected),  # a column somebody made shorter
        ("54000", Rejected),  # an index somebody added
    ],
)
def test_what_passes_is_waited_for_and_what_one_value_causes_is_refused_alone(
    code: str, what: type[Result], tmp_path: Path
) -> None:
    async def steps(store: Store) -> None:
        for statement in TRIGGER.format(code).split(";\nC"):
            store.query(statement if statement.startswith("CREATE F") else f"C{statement}")
        items = [storage_item(n, title="bad" if n == 5 else "good") for n in range(9)]
        results = await store.sink.deliver(items)
        assert isinstance(results[5], what), results[5]
        others = {type(result) for result in (*results[:5], *results[6:])}
        assert others == {Delivered if what is Rejected else Retry}
        assert len(store.arrived()) == (8 if what is Rejected else 0)
        store.query("DROP TRIGGER fail ON alerts")
        await delivered(store, *items)
        assert len(store.arrived()) == 9

    storing(tmp_path, steps)


def test_what_needs_a_hand_breaks_the_sink_and_it_comes_back_by_itself_afterwards(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        store.query("ALTER TABLE alerts RENAME TO elsewhere")
        with pytest.raises(SinkBroken, match="42P01"):
            await store.sink.deliver([storage_item(1)])
        store.query("ALTER TABLE elsewhere RENAME TO alerts")
        await delivered(store, storage_item(1))

    storing(tmp_path, steps)


def test_a_server_restarted_in_the_middle_of_a_batch_loses_and_doubles_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    url = server.start(folder)
    try:

        async def steps(store: Store) -> None:
            items = [storage_item(n, version=v) for n in range(200) for v in (1, 2)]
            for grace in (10.0, 0.1):  # a shutdown, then a kill
                blocker = await asyncpg.connect(url, server_settings={"search_path": store.schema})
                await blocker.execute("BEGIN; LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
                call = asyncio.ensure_future(store.sink.deliver(items))
                while not await blocker.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - rare and short
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(server.stop, folder, grace)
                assert all(isinstance(result, Retry) for result in await call)
                assert all(isinstance(result, Retry) for result in await store.sink.deliver(items))  # still away
                assert await asyncio.to_thread(server.start, folder) == url
                assert store.arrived() == []
            await delivered(store, *items)
            assert sorted(store.arrived()) == sorted(item.key for item in items)
            assert store.query("SELECT count(*), min(version) FROM alerts") == [(200, 2)]

        storing(tmp_path, steps, url=url)
    finally:
        server.stop(folder, 0)


def test_each_role_reads_one_tenant_and_the_owner_all(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        await delivered(store, *(storage_item(n, tenant=f"t{n % 3}") for n in range(9)))
        role = f"bound_{store.schema}"
        store.query(f"CREATE ROLE {role} LOGIN PASSWORD 'four words of it' IN ROLE tocsin_reader")
        store.query("INSERT INTO tenant_roles VALUES ($1, 't2')", role)
        try:
            assert store.query("SELECT count(DISTINCT tenant) FROM alerts") == [(3,)]
            connection = await asyncpg.connect(store.url, server_settings={"search_path": store.schema})
            await connection.execute("SET ROLE tocsin_reader")
            seen = "SELECT DISTINCT tenant FROM {}"
            for table in ("alerts", "alert_versions"):
                assert await connection.fetch(seen.format(table)) == []
                await connection.execute("SET app.tenant = 't1'")
                assert [row[0] for row in await connection.fetch(seen.format(table))] == ["t1"]
                await connection.execute("RESET app.tenant")
            for statement in ("DELETE FROM alerts", "UPDATE alerts SET tenant = 'x'", "SELECT * FROM tenant_roles"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
            await connection.close()
            own = store.url.replace(f"{server.USER}:{server.PASSWORD}", f"{role}:four%20words%20of%20it")
            connection = await asyncpg.connect(own, server_settings={"search_path": store.schema})
            await connection.execute("SET app.tenant = 't1'")  # bound is bound
            assert [row[0] for row in await connection.fetch(seen.format("alerts"))] == ["t2"]
            await connection.close()
        finally:
            store.query(f"DROP ROLE {role}")

    storing(tmp_path, steps)


def test_many_who_make_the_schema_at_once_make_it_once(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        store.query(f"DROP SCHEMA {store.schema} CASCADE")
        document = {"name": "pg", "type": "postgres", "url": "env:PG", "schema": store.schema}
        sinks = [make(document, SinkContext("pg", tmp_path, Secrets({"PG": store.url}))) for _ in range(8)]
        await asyncio.gather(*(sink.open() for sink in sinks))
        await asyncio.gather(*(sink.close() for sink in sinks))
        assert store.query("SELECT number FROM migrations ORDER BY 1") == [(1,), (2,), (3,)]

    storing(tmp_path, steps)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("INSERT INTO migrations VALUES (99, 'later', 'x')", "this Tocsin knows"),
        ("UPDATE migrations SET digest = 'x' WHERE number = 2", "another migration 2"),
    ],
)
def test_a_schema_that_is_not_the_one_we_know_is_refused(change: str, why: str, tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        store.query(change)
        await store.sink.close()
        with pytest.raises(SinkBroken, match=why):
            await store.sink.open()

    storing(tmp_path, steps)


def test_a_wrong_password_breaks_the_sink_and_is_not_repeated(tmp_path: Path) -> None:
    secrets = Secrets({"PG": address("postgres"), "WRONG": "wrong-password-7"})
    document = {"name": "pg", "type": "postgres", "url": "env:PG", "password": "env:WRONG"}
    sink = make(document, SinkContext("pg", tmp_path, secrets))
    with pytest.raises(SinkBroken, match="password authentication failed") as caught:
        asyncio.run(sink.open())
    assert "wrong-password-7" not in secrets.redact(str(caught.value))
    assert server.PASSWORD not in secrets.redact(f"postgresql://{server.USER}:{server.PASSWORD}@h {server.PASSWORD}")


def test_a_server_that_speaks_no_tls_is_not_spoken_to_in_the_clear(tmp_path: Path) -> None:
    document = {"name": "pg", "type": "postgres", "url": "env:PG", "tls": "verify"}
    sink = make(document, SinkContext("pg", tmp_path, Secrets({"PG": address("postgres")})))
    with pytest.raises(Exception, match="SSL"):
        asyncio.run(sink.open())


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"url": "postgresql://u:secret@h/db"}, r"url: has a password"),
        ({"url": "mysql://h/db"}, r"url: must be postgresql"),
        ({"url": "env:PG", "password": "secret"}, r"password: must be a reference"),
        ({"url": "env:PG", "schema": 'x"; DROP'}, r"schema: must be lower-case"),
        ({"url": "env:PG", "tls": "maybe"}, r"tls: must be one of"),
    ],
)
def test_a_wrong_block_is_told_and_no_secret_with_it(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(SinkErrors, match=problem) as caught:
        parse_sinks([{"name": "pg", "type": "postgres", **more}])
    assert "u:secret" not in str(caught.value)


def test_asking_for_no_tenant_is_the_same_as_the_empty_one(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        await delivered(store, storage_item(1, tenant=""))
        statement = "SELECT current_setting('app.tenant', true), count(*) FROM alerts"
        connection = await asyncpg.connect(store.url, server_settings={"search_path": store.schema, "app.tenant": ""})
        await connection.execute("SET ROLE tocsin_reader")
        assert tuple(await connection.fetchrow(statement)) == ("", 0)
        await connection.close()
        assert await query(store.url, f"SELECT count(*) FROM {store.schema}.alerts") == [(1,)]

    storing(tmp_path, steps)
