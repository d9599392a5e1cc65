"""PostgreSQL and Redis are real too; `tocsin local` starts, shows and stops them; several processes share one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
import redis as redis_client

from streams.local import postgres, process, redis
from streams.local.guard import remove_data
from streams.local.servers import VARIABLES, find, provide, stop

ROOT = Path(__file__).parents[2]


def tocsin(directory: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key not in VARIABLES.values()}
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *args], env={**env, "PYTHONPATH": str(ROOT), **environ}, cwd=directory,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


async def test_postgresql_answers(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        assert "PostgreSQL 18" in await connection.fetchval("select version()")
    finally:
        await connection.close()


async def test_postgresql_refuses_a_wrong_password(tmp_path: Path) -> None:
    url = postgres.start(tmp_path)
    try:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url.replace(postgres.PASSWORD, "wrong"))
    finally:
        postgres.stop(tmp_path, grace=0)


async def test_postgresql_keeps_its_data_even_when_killed(tmp_path: Path) -> None:
    url = postgres.start(tmp_path)
    connection = await asyncpg.connect(url)
    await connection.execute("create table kept as select 42 as answer")
    await connection.close()
    postmaster = process.running(tmp_path, "postgres")
    assert postmaster is not None
    os.kill(postmaster, 9)
    while process.running(tmp_path, "postgres"):
        pass
    try:
        assert postgres.start(tmp_path) == url
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select answer from kept") == 42
        await connection.close()
    finally:
        postgres.stop(tmp_path)
        remove_data(tmp_path)
    assert process.running(tmp_path, "postgres") is None


def test_redis_answers(redis_url: str) -> None:
    with redis_client.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_redis_in_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    folder = tmp_path / 'a "b" ü'
    url = redis.start(folder)
    try:
        with redis_client.Redis.from_url(url) as client:
            assert client.config_get("dir")["dir"] == str(folder)
    finally:
        redis.stop(folder, grace=0)


def test_many_who_ask_at_once_get_the_same_server(tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib; from streams.local.servers import provide\n"
        "print(provide('redis', pathlib.Path(sys.argv[1]), environ={}).address)"
    )

    def ask(_: int) -> str:
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
                              timeout=60, check=True)  # fmt: skip
        return done.stdout.strip()

    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(ask, range(4)))) == 1
        assert find("redis", tmp_path) is not None
    finally:
        assert stop("redis", tmp_path, grace=0)
    assert find("redis", tmp_path) is None
    assert not stop("redis", tmp_path)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_its_parent(tmp_path: Path, signum: signal.Signals) -> None:
    code = (
        "import sys, os, time, pathlib; from streams.local.servers import provide\n"
        "provide('redis', pathlib.Path(sys.argv[1]), parent=os.getpid(), environ={})\n"
        "print('up', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)  # fmt: skip
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    assert process.running(tmp_path / "redis", "redis")
    parent.send_signal(signum)
    parent.wait(10)
    parent.stdout.close()
    until = time.monotonic() + 15
    while process.running(tmp_path / "redis", "redis"):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("kind", VARIABLES)
def test_an_address_in_the_environment_is_taken_as_it_is(kind: str, tmp_path: Path) -> None:
    server = provide(kind, tmp_path, environ={VARIABLES[kind]: "somewhere:1"})
    assert (server.address, server.origin) == ("somewhere:1", "environment")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_file_is_a_server_that_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    for text in ("", "{", "[]", '{"kind": "redis"}', '{"kind": "redis", "address": "x", "origin": "pip", "more": 1}'):
        (tmp_path / "redis" / "server.json").write_text(text)
        assert find("redis", tmp_path) is None


def test_local_up_status_and_down(tmp_path: Path) -> None:
    up = tocsin(tmp_path, "local", "up", "--only", "redis,postgres")
    assert (up.returncode, up.stderr) == (0, "")
    try:
        addresses = dict(line.split("=", 1) for line in up.stdout.splitlines())
        assert list(addresses) == ["REDIS_URL", "POSTGRES_URL"]
        assert tocsin(tmp_path, "local", "up", "--only", "redis,postgres").stdout == up.stdout  # nothing new
        with redis_client.Redis.from_url(addresses["REDIS_URL"]) as client:
            assert client.ping()
        status = json.loads(tocsin(tmp_path, "local", "status", "--json").stdout)
        assert status["kafka"] is None
        assert status["redis"]["address"] == addresses["REDIS_URL"]
        assert "redis     redis://" in tocsin(tmp_path, "local", "status").stdout
    finally:
        down = tocsin(tmp_path, "local", "down", "--clean")
    assert "redis: stopped, data removed" in down.stdout
    assert json.loads(tocsin(tmp_path, "local", "status", "--json").stdout) == dict.fromkeys(VARIABLES)
    assert [path.name for path in (tmp_path / ".tocsin" / "local").iterdir() if path.is_dir()] == []


def test_commands_find_the_local_kafka_by_themselves(tmp_path: Path) -> None:
    up = tocsin(tmp_path, "local", "up", "--only", "kafka")
    try:
        assert up.stdout.startswith("KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:")
        done = tocsin(tmp_path, "topics", "create", "--partitions", "1")
        assert (done.returncode, done.stderr) == (0, "")
        assert "created" in done.stdout
    finally:
        assert "kafka: stopped" in tocsin(tmp_path, "local", "down").stdout
