"""What the runtime makes of answers that come too late, and of control records that nobody can use."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any, cast

import msgspec
import pytest

from streams.errors import ClusterError, ConfigError, StateMismatch
from streams.rules.rule import RuleSet
from streams.runtime.agents import Agent
from streams.runtime.control import EMPTY, RULESET, ControlLog, ControlReader, ruleset_record
from streams.runtime.names import Names
from streams.runtime.restore import Failed
from streams.runtime.source import Source
from streams.runtime.stage import Part
from streams.runtime.stages import alert_stage, detect_stage
from streams.runtime.web import Web
from streams.state.detect.rekeyed import RekeyedState


def source() -> Source:
    """A source that was never started: it knows its partitions, and no Kafka."""
    return Source(alert_stage(), {}, Names(), "0", cast(Agent, None), lambda: EMPTY, {"alert-input": 2})


def part(number: int) -> Part:
    entry = alert_stage().inputs[0]
    return Part(entry, "alert-input", number, entry.make(number))


def test_a_restore_that_fails_after_the_partition_was_revoked_ends_nobody() -> None:
    reading = source()
    old, new = part(0), part(0)
    reading.parts[new.name] = new  # it went, and came back: the first restore read what the owner between them wrote
    reading._restored.put(Failed((old, part(1)), StateMismatch("__position says 200, the group 100")))
    reading._take_restored()
    assert reading.parts == {new.name: new}
    assert not new.live


def test_a_restore_that_fails_for_a_partition_still_owned_ends_the_worker() -> None:
    reading = source()
    mine = part(0)
    reading.parts[mine.name] = mine
    reading._restored.put(Failed((part(1), mine), StateMismatch("__position says 200, the group 100")))
    with pytest.raises(StateMismatch):
        reading._take_restored()


def rules(value: Any) -> bytes:
    return msgspec.json.encode({"kind": "ruleset", "id": "default", "document": {"rules": value}})


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\xff", b"[" * 200_000, b"null", rules(None), rules("abc"), rules([[]]), rules({"a": 1}),
        b'{"kind":"ruleset","id":"default","document":' + b'{"rules":[' * 3_000 + b"]}" * 3_000 + b"}",
        rules([{"id": "a", "where": msgspec.Raw(b'{"not":' * 900 + b"{}" + b"}" * 900)}]),
    ],
)  # fmt: skip
def test_a_control_record_that_cannot_be_used_is_refused_and_what_was_in_force_goes_on(value: bytes) -> None:
    log = ControlLog()
    after = log.apply(7, RULESET.encode(), value)
    assert (after.position, after.ruleset) == (8, EMPTY.ruleset)
    assert [position for position, _ in log.refused] == [8]


def test_nobody_steps_by_a_control_state_that_can_never_change_again() -> None:
    reader = ControlReader({}, Names())
    assert reader.in_force() is EMPTY
    reader.failed = RuntimeError("gone")
    with pytest.raises(ClusterError, match="no longer reading control"):
        reader.in_force()
    reader._stopping.set()
    assert reader.in_force() is EMPTY


def test_an_end_known_from_before_a_pause_lets_no_idle_clock_run() -> None:
    """What came meanwhile is not fetched yet: an idle tick now would make it late."""
    told: list[bool] = []

    class Answers:
        def ask(self, part: Part, batch: Any, now: int, control: Any, at_end: bool) -> Future[list[Any]]:
            told.append(at_end)
            answer: Future[list[Any]] = Future()
            answer.set_result([])
            return answer

    class Quiet:
        def touch(self, part: Part) -> None: ...
        def add(self, outputs: Any, urgent: Any, *, stirred: bool) -> None: ...

    reading = source()
    reading._agent, reading._transaction = cast(Agent, Answers()), cast(Any, Quiet())
    mine = part(0)
    mine.live = mine.at_end = True
    reading.beat = time.monotonic()
    reading._call(mine, None)
    reading.beat -= 5  # stopped in the middle of a turn
    reading._call(mine, None)
    reading.beat = time.monotonic()
    reading._doubtful = reading.beat + 1  # the turns after it
    reading._call(mine, None)
    assert told == [True, False, False]


def test_a_port_that_is_taken_is_said_before_anything_begins() -> None:
    first = Web("127.0.0.1", 0, dict)
    assert first.port > 0
    with pytest.raises(ConfigError, match=f"on 127.0.0.1:{first.port}: .*in use"):
        Web("127.0.0.1", first.port, dict)
    first._socket.close()


def test_what_is_kept_per_rule_is_bounded_behind_the_hop_too() -> None:
    (behind,) = (entry for entry in detect_stage([], {"rekeyed": 1}, max_keys=7).inputs if entry.topic == "rekeyed")
    state = behind.make(0)
    assert isinstance(state, RekeyedState)
    assert state.book._max_keys == 7


def test_an_empty_rule_set_applied_on_purpose_is_in_force_like_any_other() -> None:
    log = ControlLog()
    assert RULESET not in log.current.records
    empty = ruleset_record(RuleSet(rules=()))
    now = log.apply(0, b"ruleset/default", msgspec.json.encode(empty))
    assert now.records[RULESET] == {"version": RuleSet(rules=()).version}
    assert not log.refused
