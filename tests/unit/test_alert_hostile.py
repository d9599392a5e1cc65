"""Records nobody should send: each a dead letter with its reason, and the good ones beside them are not touched."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.alerts.intake import MAX_RECORD, read
from streams.errors import StateMismatch
from streams.model import Action
from streams.state.alerts.alerting import AlertState
from tests.unit.alert_steps import START, World, command, finding

EXAMPLES = Path(__file__).parents[2] / "schemas"


def changed(good: Any, /, **fields: Any) -> bytes:
    return json.dumps({**json.loads(msgspec.json.encode(good)), **fields}).encode()


def without(good: Any, name: str) -> bytes:
    document = json.loads(msgspec.json.encode(good))
    del document[name]
    return json.dumps(document).encode()


GOOD, ASKED = finding(0), command(0, "acknowledge")
BAD: list[tuple[bytes | None, str]] = [
    (None, "tombstone"),
    (b"", "malformed"),
    (b"{", "malformed"),
    (b"\x00", "malformed"),
    (msgspec.json.encode(GOOD)[:-1], "malformed"),
    (msgspec.json.encode(GOOD) + b"x", "malformed"),
    (msgspec.json.encode(GOOD).replace(b"title 0", b"title \xff"), "malformed"),
    (msgspec.json.encode(GOOD).replace(b"title 0", b"\\ud800"), "malformed"),
    (b"[" * 100_000, "malformed"),
    (changed(GOOD, metadata={"deep": "DEEP"}).replace(b'"DEEP"', b"[" * 20_000 + b"]" * 20_000), "malformed"),
    (changed(GOOD, metadata={"deep": "DEEP"}).replace(b'"DEEP"', b"[" * 300 + b"]" * 300), "malformed"),
    (b"null", "invalid"), (b"5", "invalid"), (b'"text"', "invalid"), (b"[]", "invalid"), (b"{}", "invalid"),
    (changed(GOOD, record="other"), "invalid"), (changed(GOOD, record=None), "invalid"),
    (without(GOOD, "record"), "invalid"), (without(GOOD, "key"), "invalid"), (without(GOOD, "event_time"), "invalid"),
    (without(GOOD, "tenant"), "invalid"), (without(ASKED, "alert_id"), "invalid"),
    (changed(GOOD, kind="explode"), "invalid"), (changed(GOOD, severity="CRITICAL"), "invalid"),
    (changed(GOOD, fold="forever"), "invalid"), (changed(GOOD, cooldown=-1), "invalid"),
    (changed(GOOD, cooldown="15m"), "invalid"), (changed(GOOD, cooldown=True), "invalid"),
    (changed(GOOD, event_time=-1), "invalid"), (changed(GOOD, event_time=10**15), "invalid"),
    (changed(GOOD, event_time=10**40), "invalid"), (changed(GOOD, event_time=1.5), "invalid"),
    (changed(GOOD, event_time=True), "invalid"), (changed(GOOD, event_time="2026-01-01T00:00:00Z"), "invalid"),
    (changed(GOOD, event_time=None), "invalid"), (changed(GOOD, within=-1), "invalid"),
    (changed(GOOD, observed="N").replace(b'"N"', b"NaN"), "malformed"),
    (changed(GOOD, observed="N").replace(b'"N"', b"1e999"), "invalid"),
    (changed(GOOD, observed="N").replace(b'"N"', b"9" * 5_000), "invalid"),
    (changed(GOOD, tenant=""), "invalid"), (changed(GOOD, tenant="t" * 201), "invalid"),
    (changed(GOOD, tenant=7), "invalid"), (changed(GOOD, id=""), "invalid"), (changed(GOOD, alert_id=""), "invalid"),
    (changed(GOOD, alert_id="a" * 201), "invalid"), (changed(GOOD, rule=""), "invalid"),
    (changed(GOOD, key=[]), "invalid"), (changed(GOOD, key={"a": []}), "invalid"),
    (changed(GOOD, key={"a": {"b": 1}}), "invalid"), (changed(GOOD, key=None), "invalid"),
    (changed(GOOD, tags=[1]), "invalid"), (changed(GOOD, evidence=[{}]), "invalid"),
    (changed(GOOD, evidence=[{"position": "p", "event_id": "e", "event_time": 2**70}]), "invalid"),
    (changed(GOOD, evidence=[{"position": "p", "event_id": "e", "event_time": 1, "event": "text"}]), "invalid"),
    (changed(GOOD, title="x" * MAX_RECORD), "invalid"),
    (changed(GOOD, metadata={"n": "GROWS"}).replace(b'"GROWS"', b"[" + b"1e9," * 50_000 + b"1]"), "invalid"),
    (changed(ASKED, action="explode"), "invalid"), (changed(ASKED, action=None), "invalid"),
    (changed(ASKED, at="now"), "invalid"), (changed(ASKED, at=-1), "invalid"), (changed(ASKED, at=2**80), "invalid"),
    (changed(ASKED, by=""), "invalid"), (changed(ASKED, id=""), "invalid"), (changed(ASKED, id="i" * 201), "invalid"),
    (changed(ASKED, note=5), "invalid"), (changed(ASKED, metadata=[]), "invalid"),
    (changed(ASKED, receiver="r" * 201), "invalid"), (changed(ASKED, tenant=None), "invalid"),
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(BAD)))
def test_a_bad_record_is_a_dead_letter_and_its_neighbours_are_processed(place: int) -> None:
    raw, reason = BAD[place]
    world = World()
    world.give(finding(0), raw, finding(1, 1))
    assert (world.alert().version, world.alert().count) == (1, 2)
    [letter] = world.dead
    assert (letter.reason, letter.origin, letter.stage) == (reason, "alert-input/3/1", "alert")
    assert letter.error
    assert letter.size == len(raw or b"")
    if raw is not None and not letter.truncated:
        assert base64.b64decode(letter.value or "") == raw
    assert world.state.counts["dead", "alert-input", reason] == 1
    assert world.state.position.next == world.state.position.committed == 3
    assert not world.operations


def test_a_batch_of_nothing_but_bad_records_moves_on() -> None:
    world = World()
    world.give(*(raw for raw, _ in BAD))
    assert len(world.dead) == len(BAD)
    assert world.state.position.next == len(BAD)
    assert not world.commit()


#: Odd, but nothing is wrong with them.
ODD: list[dict[str, Any]] = [
    {"tenant": "acmé 🜁\u0000"}, {"key": {}}, {"key": {"": None}}, {"key": {"n": 10**30}}, {"key": {"k": "x" * 10_000}},
    {"observed": {"a": [1, None]}}, {"observed": 10**200, "threshold": 1.5}, {"observed": "9" * 500, "threshold": 1},
    {"title": ""}, {"title": "\u202e{count}\n" * 1_000}, {"evidence": []}, {"cooldown": 10**40},
    {"event_time": 0}, {"metadata": {"$": {"deep": [[[[]]]]}}}, {"within": 0}, {"unknown": 1},
]  # fmt: skip


@pytest.mark.parametrize("fields", ODD)
def test_odd_records_are_taken_and_survive_a_restart(fields: dict[str, Any]) -> None:
    world = World()
    raw = changed(finding(0), **fields)
    world.give(raw)
    assert not world.dead
    world.restart()
    tenant = fields.get("tenant", "acme")
    world.give(changed(finding(1), **{**fields, "alert_id": "alert-1"}))
    world.give(command(1, "comment", tenant=tenant, note="seen"), command(2, "resolve", tenant=tenant))
    assert world.decided() == ["applied", "applied"]
    assert (world.alert().count, world.alert().status) == (2, "resolved")
    assert [note["text"] for note in world.alert().notes] == ["seen"]


@pytest.mark.parametrize("action", list(Action))
def test_a_command_with_everything_in_it_harms_nobody(action: Action) -> None:
    world = World()
    told = {
        "receiver": "\u0000",
        "notification_id": "é",
        "note": "\u202e'; DROP TABLE alerts; --",
        "metadata": {"a": 1},
    }
    world.give(finding(0), command(1, action, **told))
    assert len(world.operations) == 1
    assert not world.dead


@pytest.mark.parametrize("subject", ["finding", "command"])
def test_the_schemas_examples_are_read(subject: str) -> None:
    examples = sorted((EXAMPLES / subject / "examples" / "valid").iterdir())
    assert examples
    for example in examples:
        assert read(example.read_bytes())


@pytest.mark.parametrize(
    "key", [b"", b"x", b"[]", b'["alert"]', b'["other","a"]', b'["alert",1]', b'["alert","a","b"]']
)
def test_a_strange_key_in_the_changelog_is_refused(key: bytes) -> None:
    with pytest.raises(StateMismatch):
        AlertState(0).load(key, b"{}")


def test_a_later_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(StateMismatch, match="format 3") as caught:
        AlertState(0).load(b'["alert","a"]', b'{"v":3,"alert":"whatever it looks like then"}')
    assert "newer" in caught.value.hint


def test_times_are_kept_to_the_millisecond() -> None:
    world = World()
    world.give(changed(finding(0), event_time=START + 1))
    assert world.alert().event_time == START + 1
