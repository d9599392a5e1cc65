"""Silences and maintenance windows as control records: a bad one is refused whole, and what was in force goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.alerts.policy import parse_policy, with_records
from streams.errors import ConfigError
from streams.model.partitioner import murmur2
from streams.runtime.control import ControlLog, ControlRecord, part_record

SILENCE = {"matchers": ["rule=a"], "starts_at": 10, "ends_at": 20, "author": "ada", "comment": "known"}
WINDOW = {"matchers": ["rule=a"], "starts_at": 10, "duration": "2h", "rrule": "FREQ=WEEKLY;BYDAY=SU"}


def written(*records: tuple[str, str, dict[str, Any]]) -> ControlLog:
    log = ControlLog()
    for offset, (kind, identity, document) in enumerate(records):
        value = msgspec.json.encode(ControlRecord(kind=kind, id=identity, document=document))
        log.apply(offset, f"{kind}/{identity}".encode(), value)
    return log


def test_good_ones_are_in_force() -> None:
    log = written(("silence", "one", SILENCE), ("maintenance", "sunday", WINDOW))
    policy = with_records(parse_policy({}), log.current.records)
    assert ([one.id for one in policy.silences], [one.id for one in policy.maintenance]) == (["one"], ["sunday"])
    assert log.refused == []


#: (kind, id, changes to a good document, what the refusal says)
WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("silence", "one", {"matchers": []}, "matchers: names none"),
    ("silence", "one", {"matchers": ["severity"]}, "matchers: takes a matcher such as"),
    ("silence", "one", {"matchers": ['rule=~"["']}, "no valid pattern"),
    ("silence", "one", {"ends_at": 9}, "ends_at: is before starts_at"),
    ("silence", "one", {"ends_at": "tomorrow"}, "ends_at: takes a time such as"),
    ("silence", "one", {"autor": "x"}, "autor: is not known here"),
    ("silence", "One two", {}, "is no id of a silence"),
    ("silence", "", {}, "is no id of a silence"),
    ("maintenance", "one", {"rrule": "FREQ=SOMETIMES"}, "rrule: "),
    ("maintenance", "one", {"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule: "),
    ("maintenance", "one", {"timezone": "Europe/Nowhere"}, "timezone: takes a time zone"),
    ("maintenance", "one", {"duration": "-1h"}, "duration: "),
    ("maintenance", "one", {"duration": "2h", "ends_at": 90}, "either ends_at or duration"),
]


@pytest.mark.parametrize(("kind", "identity", "changes", "said"), WRONG)
def test_a_bad_one_is_refused_whole(kind: str, identity: str, changes: dict[str, Any], said: str) -> None:
    good = SILENCE if kind == "silence" else WINDOW
    with pytest.raises(ConfigError) as caught:
        part_record(kind, identity, good | changes)
    assert said in caught.value.message
    log = written((kind, "one", good), (kind, identity, good | changes))
    assert log.current.position == 2
    assert log.current.records == {f"{kind}/one": good}
    ((position, error),) = log.refused
    assert position == 2
    assert said in error


def test_times_may_be_written_for_people() -> None:
    text = {"starts_at": "2026-01-05T09:00:00+01:00", "ends_at": "2026-01-05T09:00:00Z"}
    policy = parse_policy({"silences": {"one": SILENCE | text}})
    assert (policy.silences[0].begins, policy.silences[0].ends) == (1_767_600_000_000, 1_767_603_600_000)


def test_what_was_in_force_at_a_position_can_be_asked_for() -> None:
    log = written(("silence", "one", SILENCE), ("silence", "one", SILENCE | {"ends_at": 12}))
    assert [log.at(n).records.get("silence/one", {}).get("ends_at") for n in (0, 1, 2)] == [None, 20, 12]


@pytest.mark.parametrize(
    ("key", "hashed"), [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)]
)
def test_keys_are_hashed_as_kafka_does(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed & 0xFFFFFFFF  # values of Kafka's own tests
