"""Recorded events written to a topic again on a real Kafka: where they stood, marked, at their pace, never onto ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.cli import main
from streams.replay.republish.outgoing import MARKER
from streams.replay.topics import Topic, parse_range
from tests.integration.test_replay_topics import ROOT, Here, environ, wait_for

T0 = 1_704_067_200_000


@pytest.fixture(scope="module")
def here(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Here:
    here = Here(kafka, f"republish-{os.getpid()}.", tmp_path_factory.mktemp("republish"))
    here.tocsin("topics", "create", "--partitions", "3")
    wanted = [
        NewTopic(f"{here.prefix}{name}", n, 1)
        for name, n in (("kept", 3), ("shifted", 3), ("five", 5), ("slow", 3), ("past", 3), ("today", 3))
    ]
    client = AdminClient(here.options)
    for future in client.create_topics(wanted).values():
        future.result(20)
    producer = Producer(here.options)
    for n in range(30):
        event = {
            "event_id": f"e{n}",
            "event_time": T0 + 1000 * n,
            "tenant": "acme",
            "type": "system.error",
            "host": f"h{n}",
        }
        if n % 10 == 9:
            del event["event_time"]
        producer.produce(f"{here.prefix}metric.events", json.dumps(event), key=f"k{n % 4}", partition=n % 3,
                         headers=[("trace", b"t%d" % n)], timestamp=T0 + 1000 * n)  # fmt: skip
    producer.flush(10)
    return here


def written(here: Here, name: str) -> dict[int, list[Message]]:
    topic = Topic(here.options, parse_range(here.prefix + name))
    try:
        return {n: [message for some in topic.messages(n) for message in some] for n in topic.ranges}
    finally:
        topic.close()


METRIC = ("replay", "--source", "metric=topic:metric.events")


def test_records_stand_where_they_stood_with_key_headers_and_a_mark(here: Here) -> None:
    began = time.time_ns() // 1_000_000 - 5
    done = here.tocsin(*METRIC, "--to-topic", f"{here.prefix}kept", "--speed", "max")
    assert f"30 records written to {here.prefix}kept" in done.stderr
    before, after = written(here, "metric.events"), written(here, "kept")
    for partition in before:
        for old, new in zip(before[partition], after[partition], strict=True):
            assert (new.value(), new.key()) == (old.value(), old.key())
            mark = (MARKER, f"metric.events/{partition}/{old.offset()}".encode())
            assert new.headers() == [*(old.headers() or []), mark]
            own_time = b"event_time" in (old.value() or b"")
            assert (new.timestamp()[1] >= began) if own_time else (new.timestamp() == old.timestamp())


def test_shifted_events_end_now_and_their_distances_stay(here: Here) -> None:
    done = here.tocsin(*METRIC, "--to-topic", f"{here.prefix}shifted", "--speed", "max", "--times", "shift")
    assert "event times shifted by" in done.stderr
    assert "Exception" not in done.stderr
    now = time.time_ns() // 1_000_000
    times = {}
    for messages in written(here, "shifted").values():
        for message in messages:
            event = json.loads(message.value() or b"")
            times[event["event_id"]] = event.get("event_time", message.timestamp()[1])
    first = times["e0"]
    assert times == {f"e{n}": first + 1000 * n for n in range(30)}
    assert now - 120_000 < times["e29"] <= now


def test_history_written_today_is_shifted_by_its_events_times(here: Here) -> None:
    producer = Producer(here.options)
    for n in range(9):
        producer.produce(f"{here.prefix}past", json.dumps({"event_time": T0 + 1000 * n, "host": "h"}), partition=n % 3)
    producer.flush(10)
    here.tocsin("replay", "--source", f"metric=topic:{here.prefix}past", "--to-topic", f"{here.prefix}today",
                "--speed", "max", "--times", "shift")  # fmt: skip
    now = time.time_ns() // 1_000_000
    events = [json.loads(message.value() or b"") for some in written(here, "today").values() for message in some]
    times = [event["event_time"] for event in events]
    assert len(times) == 9
    assert now - 150_000 < max(times) <= now


def test_a_file_goes_by_its_keys_and_all_of_a_key_onto_one_partition(here: Here, tmp_path: Path) -> None:
    rows = [{"sale_id": str(n), "seller": "s", "buyer": f"b{n % 5}", "nft_id": "1", "price_eth": 1.0, "ts": T0 // 1000 + n}
            for n in range(20)]  # fmt: skip
    (tmp_path / "sales.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = ("replay", "--source", f"trade={tmp_path / 'sales.jsonl'}", "--mapping", "nft")
    here.tocsin(*file, "--to-topic", f"{here.prefix}five", "--speed", "max", "--times", "shift")
    found: dict[Any, set[int]] = {}
    for partition, messages in written(here, "five").items():
        for message in messages:
            found.setdefault(message.key(), set()).add(partition)
            (mark,) = [value for name, value in message.headers() or [] if name == MARKER]
            assert mark.startswith(b"file:")
    assert len(found) == 5
    assert all(len(partitions) == 1 for partitions in found.values())


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--to-topic", "{}alerts", "--yes"), 2, "written by Tocsin itself"),
        (("--to-topic", "control", "--yes"), 2, "written by Tocsin itself"),
        (("--to-topic", "__consumer_offsets"), 2, "written by Kafka itself"),
        (("--to-topic", "metric.events", "--yes"), 2, "is what is read"),
        (("--to-topic", "audit.events"), 2, "--yes"),
        (("--to-topic", "{}nowhere"), 1, "create it with 3 partitions"),
        (("--to-topic", "{}five"), 2, "--by-key"),
        (("--to-topic", "{}kept", "--speed", "fast"), 2, "is no speed"),
        (("--to-topic", "{}kept", "--rules", "x"), 2, "takes no --rules"),
        (("--speed", "3"), 2, "belong to --to-topic"),
    ],
)
def test_what_would_do_harm_is_refused(
    here: Here, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--config", str(here.config), *METRIC, *(text.format(here.prefix) for text in arguments)])
    assert ended.value.code == status
    assert said in capsys.readouterr().err


def test_a_stretch_without_events_is_no_success(here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--config", str(here.config), *METRIC[:2], "metric=topic:metric.events@10..20",
              "--to-topic", f"{here.prefix}kept"])  # fmt: skip
    assert ended.value.code == 2
    assert "no events" in capsys.readouterr().err


def test_it_keeps_its_pace_and_says_on_ctrl_c_what_is_left(here: Here) -> None:
    command = [sys.executable, "-m", "streams.cli", "--config", str(here.config), *METRIC,
               "--to-topic", f"{here.prefix}slow", "--speed", "2x"]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, env=environ(), stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: sum(map(len, written(here, "slow").values())) >= 5, 60, "the first records")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    count = sum(map(len, written(here, "slow").values()))
    assert 5 <= count < 30  # of fifteen seconds' worth
    assert f"{count} records written" in told
    left = told.rpartition("what is left: ")[2].split()
    here.tocsin("replay", *left, "--to-topic", f"{here.prefix}slow", "--speed", "max")
    ids = [
        json.loads(message.value() or b"")["event_id"] for some in written(here, "slow").values() for message in some
    ]
    assert sorted(ids) == sorted(f"e{n}" for n in range(30))
