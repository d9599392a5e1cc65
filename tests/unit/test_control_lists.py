"""Indicator lists as control records: in force once whole, bound to the rules, the same for whoever reads the log."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.model import Source
from streams.rules.indicators import NamedList, named_list
from streams.runtime import listrecords
from streams.runtime.control import RULESET, ControlLog, ControlRecord, list_records, list_removal
from streams.runtime.stages import program

SOURCE = Source("audit", "audit.events")


def rule(where: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "audit.bad", "title": "t", "source": "audit", "where": where, "detect": {"match": {}}, "severity": "low",
        "type": "security", "tests": [{"name": "t", "events": [{}], "expect": [{"severity": "low"}]}], **changes,
    }  # fmt: skip


class Log:
    """A control topic that was read to its end."""

    def __init__(self) -> None:
        self.control = ControlLog()
        self._offset = 0

    def write(self, *records: ControlRecord) -> None:
        for record in records:
            self.control.apply(self._offset, f"{record.kind}/{record.id}".encode(), msgspec.json.encode(record))
            self._offset += 1

    def rules(self, *documents: dict[str, Any]) -> None:
        kind, _, name = RULESET.partition("/")
        self.write(ControlRecord(kind=kind, id=name, document={"rules": list(documents)}))

    def bad(self, *entries: str) -> NamedList:
        content = named_list("bad-ips", entries)
        self.write(*list_records(content))
        return content

    def raw(self, document: dict[str, Any], name: str = "bad-ips") -> None:
        self.write(ControlRecord(kind="list", id=name, document=document))

    def matches(self, event: dict[str, Any], position: int | None = None) -> bool:
        control = self.control.current if position is None else self.control.at(position)
        matching = program(control.ruleset, SOURCE)
        return matching.match(matching.decode(msgspec.json.encode(event))) is not None


@pytest.fixture
def log() -> Log:
    made = Log()
    made.rules(rule({"source_ip": {"in_list": "bad-ips"}}))
    return made


def test_a_list_nobody_has_applied_matches_nothing_until_it_is(log: Log) -> None:
    assert not log.matches({"source_ip": "192.0.2.1"})
    content = log.bad("192.0.2.0/24")
    assert log.matches({"source_ip": "192.0.2.1"})
    assert log.control.current.ruleset.lists == {"bad-ips": content.version}
    assert log.control.current.records["list/bad-ips"] == {"version": content.version, "entries": 1}


def test_a_list_that_came_before_the_rules_is_bound_to_them() -> None:
    log = Log()
    log.bad("192.0.2.1")
    log.rules(rule({"source_ip": {"in_list": "bad-ips"}}))
    assert log.matches({"source_ip": "192.0.2.1"})


def test_a_new_content_makes_a_new_program_and_keeps_every_version(log: Log) -> None:
    log.bad("192.0.2.1")
    before = log.control.current.ruleset
    log.bad("192.0.2.2")
    after = log.control.current.ruleset
    assert not log.matches({"source_ip": "192.0.2.1"})
    assert log.matches({"source_ip": "192.0.2.2"})
    assert [made.ref for made in before.rules] == [made.ref for made in after.rules]
    assert before.version == after.version
    assert before.identity != after.identity


def test_what_was_in_force_at_a_position_is_there_with_its_lists(log: Log) -> None:
    log.bad("192.0.2.1")  # at position 2
    log.bad("192.0.2.2")  # at 3
    log.write(list_removal("bad-ips"))
    event = {"source_ip": "192.0.2.1"}
    assert [log.matches(event, position) for position in range(1, 5)] == [False, True, False, False]
    assert "list/bad-ips" not in log.control.current.records
    assert not log.control.refused


def test_a_rule_set_that_uses_no_list_is_the_same_object_when_one_changes() -> None:
    log = Log()
    log.rules(rule({"action": "login"}))
    before = log.control.current.ruleset
    log.bad("192.0.2.1")
    assert log.control.current.ruleset is before


def test_the_same_content_again_binds_nothing_anew(log: Log) -> None:
    log.bad("192.0.2.1", "192.0.2.2")
    before = log.control.current.ruleset
    log.bad("192.0.2.2", "192.0.2.1")
    assert log.control.current.ruleset is before


def test_a_list_in_parts_is_in_force_with_the_last_of_them(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listrecords, "MAX_PART", 50)
    content = named_list("bad-ips", [f"192.0.2.{number}" for number in range(20)])
    *first, last = list_records(content)
    assert len(first) > 2
    log.write(*first)
    assert not log.matches({"source_ip": "192.0.2.0"})
    log.write(*first, last)
    assert log.matches({"source_ip": "192.0.2.0"})
    assert log.matches({"source_ip": "192.0.2.19"})


def test_parts_of_two_writers_do_not_mix(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listrecords, "MAX_PART", 60)
    one, two = (
        list_records(named_list("bad-ips", [f"{net}.{n}" for n in range(8)])) for net in ("192.0.2", "198.51.100")
    )
    for pair in zip(one, two, strict=False):
        log.write(*pair)
    log.write(*one[len(two) :], *two[len(one) :])
    assert log.matches({"source_ip": "192.0.2.1"}) != log.matches({"source_ip": "198.51.100.1"})
    assert not log.control.refused


def test_every_part_fits_into_a_record() -> None:
    entries = [f"{number:07}-" + 'ä"\\' * 500 for number in range(1_000)]
    content = named_list("long", entries)
    records = list_records(content)
    assert len(records) > 3
    assert max(len(msgspec.json.encode(record)) for record in records) < 1_000_000
    assert [entry for record in records for entry in record.document["entries"]] == list(content.entries)


@pytest.mark.parametrize(
    "document",
    [
        {}, {"removed": False}, {"removed": True, "entries": []}, {"version": "x", "part": 1, "parts": 1, "entries": ["a"]},
        {"version": "x", "part": 2, "parts": 1, "entries": []}, {"version": "x", "part": 0, "parts": 1, "entries": []},
        {"version": "x", "part": 1, "parts": 10**9, "entries": []}, {"version": "x", "part": 1, "parts": 1, "entries": [5]},
        {"version": "x", "part": 1, "parts": 1, "entries": "abc"}, {"version": 7, "part": 1, "parts": 1, "entries": []},
        {"version": "x", "part": True, "parts": 1, "entries": []}, {"version": "x", "part": 1, "parts": 1, "entries": ["10.0.0.0/33"]},
        {"version": "x", "part": 1, "parts": 1, "entries": ["a\nb"]}, {"version": "x", "part": 1, "parts": 1, "entries": [""]},
    ],
    ids=range(14),
)  # fmt: skip
def test_a_record_that_is_no_list_is_refused_and_the_old_one_goes_on(log: Log, document: dict[str, Any]) -> None:
    log.bad("192.0.2.1")
    before = log.control.current
    log.raw(document)
    assert len(log.control.refused) == 1
    assert log.matches({"source_ip": "192.0.2.1"})
    assert log.control.current.ruleset is before.ruleset
    assert log.control.current.records == before.records


@pytest.mark.parametrize("name", ["Bad", "a.b", "a/b", "", "-a", "a" * 101])
def test_a_name_that_no_rule_could_write_is_refused(log: Log, name: str) -> None:
    log.raw({"removed": True}, name)
    assert len(log.control.refused) == 1


def test_a_tombstone_removes_the_list(log: Log) -> None:
    log.bad("192.0.2.1")
    log.control.apply(9, b"list/bad-ips", None)
    assert not log.matches({"source_ip": "192.0.2.1"})
    assert log.control.current.ruleset.lists == {}


def test_writers_that_die_half_way_leave_little_behind(log: Log) -> None:
    for number in range(50):
        log.raw({"version": f"v{number}", "part": 1, "parts": 2, "entries": ["a"]})
    assert sum(map(len, log.control._lists._pending.values())) <= 4
    log.bad("192.0.2.1")
    assert log.matches({"source_ip": "192.0.2.1"})
