"""The archive: each range once, whatever is killed when; damage is seen; what is old goes, and evidence stays."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Delivered, Item, Origin, Record, Result, Retry, SinkBroken, as_record
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkErrors, parse_sinks
from connectors.storage.archive import open_store
from connectors.storage.archive_care import holdings, prune, remove_orphans, verify
from connectors.storage.archive_ranges import Claimed, Ranges, Recreated
from connectors.storage.archive_reader import first_offset, stretch, with_key
from connectors.storage.archive_retention import DAY, DEFAULT
from connectors.storage.archive_rows import Place, Row, decode, encode, row_of
from connectors.storage.archive_store import Bucket, Folder, Store
from connectors.testing import storage_item
from streams.model import Evidence, Status
from tests.contract.stores import archived

START = 1_704_067_200_000  # 2024-01-01
VALUES = [
    b'{"tenant":"a","n":1}', b'{ "tenant": "b",\n "n": 2 }', b"not json", b"\xff\xfe\x00", b"", b"null", b' {"a":1} ',
    b'{"big":' + b"1" * 400 + b"}", '{"t":"🔥\\u0000"}'.encode(), b"x" * 1_000_000, b'{"a":1}{"b":2}', b"\r\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A local server that speaks S3, with a bucket ``b``."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


_buckets = iter(range(1000))


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Folder(tmp_path)
    return bucket(request.getfixturevalue("s3"))


def bucket(endpoint: str) -> Bucket:
    import urllib.request

    name = f"bucket-{next(_buckets)}"
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT")).close()
    keys = {"access_key_id": "k", "secret_access_key": "s", "region": "us-east-1", "endpoint": endpoint}
    return Bucket(name, "some/prefix", keys, 5)


def placed(offsets: Sequence[int], topic: str = "audit.events", at: int = START) -> list[tuple[Place, Row]]:
    tenants = ("a", "b/../c", "")
    return [
        row_of(
            as_record(json.dumps({"tenant": tenants[n % 3], "n": n}).encode(), Origin(topic, 0, n), at, b"k"), DEFAULT
        )
        for n in offsets
    ]  # fmt: skip


def offsets_in(store: Store, topic: str = "audit.events") -> list[int]:
    return [row.offset for row in archived(store, topic, 0)]


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
@pytest.mark.parametrize(
    ("begin", "end", "pieces"),
    [
        (0, 3, [(0, 3, [0, 1, 2])]),
        (1, 5, [(1, 4, [1, 2, 3]), (4, 5, [4])]),
        (5, 99, [(5, 8, [5, 6, 7])]),
        (8, 99, []),
        (3, 3, []),
    ],
)
def test_a_stretch_is_read_back_range_by_range(
    store: Store, format_: str, begin: int, end: int, pieces: list[tuple[int, int, list[int]]]
) -> None:
    ranges = Ranges(store, "audit.events", 0, format_)
    ranges.write(placed(range(4)))
    ranges.write(placed(range(4, 8)))
    assert first_offset(store, "audit.events", 0) == 0
    assert first_offset(store, "audit.events", 1) is None
    read = stretch(store, "audit.events", 0, begin, end)
    assert [(piece.begin, piece.end, [row.offset for row in piece.rows]) for piece in read] == pieces


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_the_records_of_a_key_are_found_in_order_with_what_they_held(tmp_path: Path, format_: str) -> None:
    store, sent = Folder(tmp_path), [storage_item(n) for n in (0, 1, 0, 2, 0)]
    ranges = Ranges(store, "alerts", 0, format_)
    items = [replace(item, origin=Origin("alerts", 0, offset)) for offset, item in enumerate(sent)]
    ranges.write([row_of(item, DEFAULT) for item in items])
    found = list(with_key(store, "alerts", 0, items[0].alert.id.encode()))
    assert [(row.offset, row.value) for row in found] == [(n, items[n].raw) for n in (0, 2, 4)]
    assert list(with_key(store, "alerts", 0, b"nobody")) == []


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_what_is_written_comes_back_byte_for_byte(format_: str) -> None:
    rows = [
        Row("t", 3, n, START + n, (None, b"\xff", b"", "ü".encode())[n % 4], "a\0", v) for n, v in enumerate(VALUES)
    ]
    data = encode(rows, format_)
    assert decode(f"x.{'parquet' if format_ == 'parquet' else 'jsonl.gz'}", data) == rows
    assert encode(rows, format_) == data


def test_ranges_join_and_what_is_offered_again_is_left_alone(store: Store) -> None:
    ranges = Ranges(store, "audit.events", 0, "jsonl")
    assert ranges.next is None
    ranges.write(placed([5, 6, 9]))  # markers of transactions have offsets, too
    ranges.write(placed([10, 12]))
    assert ranges.write(placed([5, 6, 9, 10])) is None
    again = Ranges(store, "audit.events", 0, "jsonl")
    assert again.next == 13
    again.write(placed([9, 10, 12, 14]))
    assert offsets_in(store) == [5, 6, 9, 10, 12, 14]
    health = verify(store)
    assert (health.problems, health.orphans, health.rows) == ([], [], 6)


class Killed(Exception):
    """Stands for SIGKILL between two writes."""


class Mortal:
    """A store that dies at the nth write."""

    def __init__(self, store: Store, nth: int) -> None:
        self.store, self.left = store, nth

    def _write(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def create(self, name: str, data: bytes) -> bool:
        self._write()
        return self.store.create(name, data)

    def replace(self, name: str, data: bytes) -> None:
        self._write()
        self.store.replace(name, data)

    def delete(self, name: str) -> None:
        self._write()
        self.store.delete(name)

    def read(self, name: str) -> bytes | None:
        return self.store.read(name)

    def names(self, under: str) -> Iterator[str]:
        return self.store.names(under)


def test_a_kill_between_any_two_writes_leaves_each_range_once(store: Store) -> None:
    """Begun again with another cut, as after a restart, there is nothing twice and nothing left over."""
    for nth in range(30):
        name = f"t{nth}"
        rows = placed(range(40), name)
        try:
            mortal = Ranges(Mortal(store, nth), name, 0, "jsonl")
            for start in range(0, 30, 10):
                mortal.write(rows[start : start + 10])
        except Killed:
            pass
        again = Ranges(store, name, 0, "jsonl")
        again.write(rows[(again.next or 0) // 2 : 37])
        assert offsets_in(store, name) == list(range(37)), nth
    health = verify(store)
    assert (health.problems, health.orphans) == ([], [])


def test_of_two_writers_one_wins_and_the_other_leaves_nothing(store: Store) -> None:
    first, second = (Ranges(store, "audit.events", 0, "jsonl") for _ in range(2))
    first.write(placed(range(10)))
    with pytest.raises(Claimed):
        second.write(placed(range(7)))
    Ranges(store, "audit.events", 0, "jsonl").write(placed(range(20)))
    assert offsets_in(store) == list(range(20))
    assert verify(store).orphans == []


class Slow:
    """A store whose writer is stopped before its manifest, while ``meanwhile`` happens."""

    def __init__(self, store: Store, meanwhile: Callable[[], object]) -> None:
        self.store, self.meanwhile = store, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def create(self, name: str, data: bytes) -> bool:
        self.meanwhile()
        return self.store.create(name, data)


@pytest.mark.parametrize("end", [3, 4, 6, 9])
def test_who_looks_at_what_a_slow_writer_has_begun_takes_nothing_from_it(store: Store, end: int) -> None:
    """Its partition went to another worker: that one looks first, and writes what it has, once the slow one is done,
    or before it is (then it is the slow one that has lost).
    """
    Ranges(store, "audit.events", 0, "jsonl").write(placed(range(3)))
    next_: list[Ranges] = []

    def looked() -> None:
        next_.append(Ranges(store, "audit.events", 0, "jsonl"))
        next_[0].write(placed(range(3, end)))

    slow = Ranges(Slow(store, looked), "audit.events", 0, "jsonl")
    if end == 3:
        slow.write(placed(range(3, 6)))
    else:
        with pytest.raises(Claimed):
            slow.write(placed(range(3, 6)))
    Ranges(store, "audit.events", 0, "jsonl").write(placed(range(3, 12)))
    assert offsets_in(store) == list(range(12))
    assert (verify(store).problems, verify(store).orphans) == ([], [])


def test_what_an_earlier_range_holds_is_not_taken_for_a_rivals(store: Store) -> None:
    """A late loser notes as begun what has been archived since, and two ranges stand behind it."""
    first, loser = Ranges(store, "audit.events", 0, "jsonl"), Ranges(store, "audit.events", 0, "jsonl")
    first.write(placed(range(3)))
    loser._begun = frozenset(store.names("data"))
    first.write(placed(range(3, 6)))
    with pytest.raises(Claimed):
        loser.write(placed(range(2)))
    Ranges(store, "audit.events", 0, "jsonl").write(placed(range(6, 9)))
    assert offsets_in(store) == list(range(9))
    assert verify(store).problems == []


def test_a_topic_that_was_made_anew_is_not_taken_for_the_old_one(store: Store) -> None:
    Ranges(store, "audit.events", 0, "jsonl").write(placed(range(10)))
    rows = [(place, row._replace(value=b'{"other": 1}')) for place, row in placed(range(3))]
    with pytest.raises(Recreated):
        Ranges(store, "audit.events", 0, "jsonl").write(rows)


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest", "gap"])
def test_damage_is_seen(damage: str, tmp_path: Path) -> None:
    store = Folder(tmp_path)
    ranges = Ranges(store, "audit.events", 0, "parquet")
    for start in range(0, 90, 30):
        ranges.write(placed(range(start, start + 30)))
    assert verify(store).problems == []
    files, claims = sorted(store.names("data")), sorted(store.names("ranges"))
    path = tmp_path / files[4]
    match damage:
        case "flip":
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        case "cut":
            path.write_bytes(path.read_bytes()[:-9])
        case "remove":
            path.unlink()
        case "manifest":
            (tmp_path / claims[0]).write_text("{")
        case "gap":
            (tmp_path / claims[1]).unlink()
    assert verify(store).problems != []


def test_what_is_old_goes_by_its_class_and_evidence_stays_as_long_as_its_alert(store: Store) -> None:
    """Source events are kept 30 days here, alerts of security a year: evidence outlives what stood around it."""
    retention = DEFAULT.__class__(DEFAULT.days, {**DEFAULT.classes, "topic:audit.events": "application"})
    for start in (0, 50):
        rows = [(place._replace(class_="application"), row) for place, row in placed(range(start, start + 50))]
        Ranges(store, "audit.events", 0, "jsonl").write(rows)
    seen = [Evidence(position=f"audit.events/0/{n}", event_id="e", event_time=START) for n in (3, 77)]
    item = storage_item(1, first=(seen[0],), last=(seen[1],), status=Status.RESOLVED)
    Ranges(store, "alerts", 0, "parquet").write([row_of(item, retention)])
    assert prune(store, retention, START + 30 * DAY).files == 0
    would = prune(store, retention, START + 32 * DAY, dry_run=True)
    assert len(offsets_in(store)) == 100
    done = prune(store, retention, START + 32 * DAY)
    assert (done.files, done.evidence, done.bytes) == (would.files, would.evidence, would.bytes) == (6, 2, done.bytes)
    assert offsets_in(store) == [3, 77]
    assert (verify(store).problems, verify(store).orphans) == ([], [])
    assert prune(store, retention, START + 33 * DAY).files == 0
    again = Ranges(store, "audit.events", 0, "jsonl")  # it still knows where it is
    assert again.write(placed(range(90, 100))) is None
    assert again.next == 100
    prune(store, retention, START + 367 * DAY)
    assert prune(store, retention, START + 368 * DAY).files == 0
    assert offsets_in(store) == []
    assert offsets_in(store, "alerts") == []
    assert list(store.names("data")) == []


def test_an_open_alert_and_its_evidence_outlive_their_classes(store: Store) -> None:
    """Nobody has touched it for two years: its last version stays, and what that one speaks of. Then it is resolved."""
    Ranges(store, "audit.events", 0, "jsonl").write(placed(range(10)))

    def version(number: int, offset: int, status: Status, event: int, at: int = START) -> tuple[Place, Row]:
        seen = (Evidence(position=f"audit.events/0/{event}", event_id="e", event_time=START),)
        return row_of(
            storage_item(1, offset, version=number, status=status, first=seen, last=seen, updated_at=at), DEFAULT
        )

    alerts = Ranges(store, "alerts", 0, "jsonl")
    alerts.write([version(1, 0, Status.ACTIVE, 3), version(2, 1, Status.ACKNOWLEDGED, 4)])
    alerts.write([version(2, 2, Status.ACKNOWLEDGED, 4)])  # told twice
    prune(store, DEFAULT, START + 730 * DAY)
    assert (offsets_in(store, "alerts"), offsets_in(store)) == ([1], [4])
    alerts.write([version(3, 3, Status.RESOLVED, 4, START + 731 * DAY)])
    prune(store, DEFAULT, START + 732 * DAY)
    assert (offsets_in(store, "alerts"), offsets_in(store)) == ([3], [4])
    prune(store, DEFAULT, START + 1200 * DAY)
    assert (offsets_in(store, "alerts"), offsets_in(store)) == ([], [])


def test_orphans_are_removed_only_when_asked(store: Store) -> None:
    Ranges(store, "audit.events", 0, "jsonl").write(placed(range(3)))
    store.replace("data/audit.events/class=x/day=2024-01-01/tenant=a/left.jsonl.gz", b"x")
    health = verify(store)
    assert len(health.orphans) == 1
    assert remove_orphans(store, health.orphans, lambda _: True) == 1
    assert verify(store).orphans == []
    assert [(one.topic, one.rows) for one in holdings(store)] == [("audit.events", 3)]


async def deliver(block: dict[str, Any], tmp_path: Path, *batches: Sequence[Item | Record]) -> list[Result]:
    (config,) = parse_sinks([{"name": "a", "type": "archive", **block}])
    sink = config.make(SinkContext("a", tmp_path, Secrets({"K": "k", "S": "s"}), 2000))
    await sink.open()
    try:
        return [result for batch in batches for result in await sink.deliver(batch)]  # type: ignore[arg-type]
    finally:
        await sink.close()


def test_the_sink_in_a_bucket(s3: str, tmp_path: Path) -> None:
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{s3}/mine", method="PUT")).close()
    block = {"path": "s3://mine/in/here", "endpoint": s3, "access_key": "env:K", "secret_key": "env:S"}
    results = asyncio.run(deliver(block, tmp_path, [storage_item(n) for n in range(5)], [storage_item(5)]))
    assert all(isinstance(result, Delivered) for result in results)
    (config,) = parse_sinks([{"name": "a", "type": "archive", **block}])
    found = open_store(config.options, SinkContext("a", tmp_path, Secrets({"K": "k", "S": "s"}), 2000))
    assert offsets_in(found, "alerts") == list(range(6))
    with pytest.raises(SinkBroken, match="bucket"):
        asyncio.run(deliver(block | {"path": "s3://nobodys"}, tmp_path, [storage_item(1)]))


def test_a_bucket_that_does_not_answer_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        (config,) = parse_sinks([{"name": "a", "type": "archive", "path": "here"}])
        sink = config.make(SinkContext("a", tmp_path))
        await sink.open()
        sink._store = Bucket("b", "", {"endpoint": "http://127.0.0.1:9", "skip_signature": True}, 1)  # type: ignore[attr-defined]
        (result,) = await sink.deliver([storage_item(1)])
        assert isinstance(result, Retry)
        await sink.close()

    asyncio.run(scenario())


def test_a_full_disk_is_waited_for_and_nothing_half_written_is_read(tmp_path: Path) -> None:
    code = """
import asyncio, resource, sys
from dataclasses import replace
from pathlib import Path
from tests.contract.test_connectors_archive import deliver
from connectors.testing import storage_item
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
import os
big = [storage_item(n, description=os.urandom(4000).hex()) for n in range(3)]
print([type(r).__name__ for r in asyncio.run(deliver({"format": "jsonl"}, Path(sys.argv[1]), big))])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60,
                          check=True, env=os.environ | {"PYTHONPATH": "."})  # fmt: skip
    assert done.stdout.strip() == "['Retry', 'Retry', 'Retry']"
    assert list(Folder(tmp_path / "archive").names("data")) == []
    results = asyncio.run(deliver({"format": "jsonl"}, tmp_path, [storage_item(n) for n in range(3)]))
    assert all(isinstance(result, Delivered) for result in results)


def test_sigkill_while_writing_and_begun_again_until_it_is_all_there(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from tests.contract.test_connectors_archive import deliver
from connectors.testing import storage_item
items = [storage_item(n, tenant=f"t{n % 7}") for n in range(1400)]
print("go", flush=True)
asyncio.run(deliver({}, Path(sys.argv[1]), *(items[s:s + 40] for s in range(0, 1400, 40))))
"""
    ends = []
    for wait in (0.05, 0.2, 0.35, 0.5, 60):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE,
                                   env=os.environ | {"PYTHONPATH": "."})  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        ends.append(process.wait(10))
        process.stdout.close()
    store = Folder(tmp_path / "archive")
    assert ends[-1] == 0
    assert -signal.SIGKILL in ends
    assert offsets_in(store, "alerts") == list(range(1400))
    health = verify(store)
    assert (health.problems, health.orphans) == ([], [])


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"path": "gs://b"}, r"path: must be"),
        ({"access_key": "env:K"}, r"secret_key: is missing"),
        ({"secret_key": "in the clear"}, r"secret_key: must be a reference"),
        ({"classes": {"type:security": "eternal"}}, r"no class 'eternal'"),
        ({"classes": {"security": "audit"}}, r"must begin with"),
        ({"retention": {"audit": "soon"}}, r"retention.audit: must be a duration"),
        ({"topics": "audit.events"}, r"topics: must be a list"),
    ],
)
def test_a_wrong_block_is_told(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(SinkErrors, match=problem):
        parse_sinks([{"name": "a", "type": "archive", **more}])


def tocsin(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    (directory / "tocsin.yaml").write_text("data_dir: .\nsinks: [{name: cold, type: archive, format: jsonl}]\n")
    command = [sys.executable, "-m", "streams.cli", "--config", "tocsin.yaml", "archive", *args]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=directory, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip


def test_the_commands(tmp_path: Path) -> None:
    empty = tocsin(tmp_path, "list")
    assert (empty.returncode, empty.stderr) == (0, "nothing is archived\n")
    closed = [storage_item(n, status=Status.RESOLVED) for n in range(5)]
    asyncio.run(deliver({"format": "jsonl"}, tmp_path, closed))
    (one,) = json.loads(tocsin(tmp_path, "list", "--json").stdout)
    assert (one["topic"], one["class"], one["rows"], one["first_day"]) == ("alerts", "security", 5, "2024-01-01")
    assert tocsin(tmp_path, "verify").stdout == "1 files with 5 rows are whole, 0 problems\n"
    assert "1 files" in tocsin(tmp_path, "prune", "--dry-run").stdout
    assert json.loads(tocsin(tmp_path, "prune", "--json").stdout)["rows"] == {"security": 5}
    assert tocsin(tmp_path, "verify").stdout == "0 files with 0 rows are whole, 0 problems\n"
    wrong = tocsin(tmp_path, "verify", "--sink", "hot")
    assert wrong.returncode == 2
    assert "there are: cold" in wrong.stderr
    (next((tmp_path / "archive" / "ranges").rglob("0000*.json"))).write_text("{")
    damaged = tocsin(tmp_path, "verify", "--json")
    assert damaged.returncode == 1
    assert len(json.loads(damaged.stdout)["problems"]) == 1
    assert "damaged" in tocsin(tmp_path, "prune").stderr
