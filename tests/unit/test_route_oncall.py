"""Who is on call: turns by the clock of a zone, layers, overrides, hand-overs; and overrides of control records."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from streams.alerts.policy import parse_policy, with_records
from streams.cli.context import Invocation
from streams.cli.oncall import command
from streams.errors import ConfigError
from streams.route.oncall import Schedule, parse_schedules
from streams.runtime.control import part_record
from tests.unit.alert_steps import START, World, finding

WEEKLY = {"people": ["ada", "grace"], "rotation": "weekly", "starts_at": "2026-03-02T09:00:00+01:00"}
NIGHT = {
    "name": "night", "people": ["joan"], "rotation": "weekly", "starts_at": 0,
    "active": {"hours": "22:00-06:00"},
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "primary": {
        "timezone": "Europe/Amsterdam",
        "layers": [{"name": "week", **WEEKLY}, NIGHT],
        "overrides": [
            {"person": "hedy", "starts_at": "2026-03-04T00:00:00+01:00", "ends_at": "2026-03-04T12:00:00+01:00"}
        ],
    }
}
PRIMARY = parse_schedules(DOCUMENT)["primary"]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


#: (when, who)
TURNS = [
    ("2026-03-02T08:59:00+01:00", ""),  # before anybody's turn
    ("2026-03-02T09:00:00+01:00", "ada"),
    ("2026-03-02T22:00:00+01:00", "joan"),  # the upper layer has somebody
    ("2026-03-03T05:59:00+01:00", "joan"),
    ("2026-03-03T06:00:00+01:00", "ada"),
    ("2026-03-04T00:00:00+01:00", "hedy"),  # over all layers
    ("2026-03-04T12:00:00+01:00", "ada"),
    ("2026-03-09T08:59:00+01:00", "ada"),
    ("2026-03-09T09:00:00+01:00", "grace"),
    ("2026-03-30T08:59:00+02:00", "grace"),  # the clocks have changed: still at nine
    ("2026-03-30T09:00:00+02:00", "ada"),
]


@pytest.mark.parametrize(("when", "who"), TURNS)
def test_who_is_on_call(when: str, who: str) -> None:
    assert PRIMARY.who(at(when)) == who


def test_hand_overs_follow_one_another() -> None:
    moment, seen = at("2026-03-02T10:00:00+01:00"), []
    for _ in range(4):
        found = PRIMARY.hand_over(moment)
        assert found is not None
        seen.append(found)
        moment = found[0]
    assert seen == [
        (at("2026-03-02T22:00:00+01:00"), "joan"), (at("2026-03-03T06:00:00+01:00"), "ada"),
        (at("2026-03-03T22:00:00+01:00"), "joan"), (at("2026-03-04T00:00:00+01:00"), "hedy"),
    ]  # fmt: skip


@pytest.mark.parametrize("lasts", [1, 5, 14])
def test_a_hand_over_is_found_however_short_it_is(lasts: int) -> None:
    begin = at("2026-03-05T12:01:00+01:00")
    override = {"schedule": "primary", "person": "mary", "starts_at": begin, "ends_at": begin + lasts * 60_000}
    schedule = _with(override)
    assert schedule.hand_over(begin - 300_000) == (begin, "mary")
    assert schedule.hand_over(begin) == (begin + lasts * 60_000, "ada")


def _with(*overrides: dict[str, Any]) -> Schedule:
    records = {f"oncall-override/o{n}": one for n, one in enumerate(overrides)}
    return with_records(parse_policy({"oncall": DOCUMENT}), records).oncall["primary"]


def _override(person: str, begin: str, end: str, **more: Any) -> dict[str, Any]:
    return {"schedule": "primary", "person": person, "starts_at": begin, "ends_at": end, **more}


def test_of_two_overrides_the_one_that_begins_later_counts() -> None:
    later = _override("mary", "2026-03-05T10:00:00+01:00", "2026-03-05T11:00:00+01:00")
    earlier = _override("rosa", "2026-03-05T09:00:00+01:00", "2026-03-05T12:00:00+01:00")
    for overrides in ([later, earlier], [earlier, later]):
        schedule = _with(*overrides)
        seen = [schedule.who(at(f"2026-03-05T{hour}:30:00+01:00")) for hour in ("08", "09", "10", "11", "12")]
        assert seen == ["ada", "rosa", "mary", "rosa", "ada"]


def test_an_override_of_another_rotation_or_taken_back_changes_nothing() -> None:
    other = _override("mary", "2026-03-05T10:00:00+01:00", "2026-03-05T11:00:00+01:00", schedule="secondary")
    ended = _override("rosa", "2026-03-05T10:00:00+01:00", "2026-03-05T10:00:00+01:00")
    assert _with(other, ended).who(at("2026-03-05T10:00:00+01:00")) == "ada"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "schedule: is missing"),
        (_override("", "2026-03-05T10:00:00+01:00", "2026-03-05T11:00:00+01:00"), "person"),
        (_override("a", "2026-03-05T10:00:00+01:00", "2026-03-05T09:00:00+01:00"), "ends_at: is before starts_at"),
        (_override("a", "2026-03-05T10:00:00", "2026-03-05T11:00:00+01:00"), "starts_at: takes a time such as"),
    ],
)
def test_an_override_that_cannot_be_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        part_record("oncall-override", "one", document)
    assert said in caught.value.message


def test_an_override_in_force_is_who_is_told() -> None:
    policy = {
        "receivers": [{"name": "pager", "oncall": "primary"}], "oncall": DOCUMENT, "route": {"receivers": ["pager"]},
    }  # fmt: skip
    world = World(policy)
    world.control.records["oncall-override/x"] = {
        "schedule": "primary", "person": "mary", "starts_at": START - 1, "ends_at": START + 60_000,
    }  # fmt: skip
    world.give(finding(0), minute=0)
    world.give(finding(1, key={"n": 1}), minute=1)
    assert [one.to for one in world.notifications] == [("mary",), ("joan",)]


# --- the command


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], obj=Invocation(), standalone_mode=False)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.json"
    file.write_bytes(msgspec.json.encode({"oncall": DOCUMENT}))
    return file


def test_show_says_who_until_when_through_what_and_who_comes_next(policy: Path) -> None:
    result = invoke("show", "--policy", policy, "--at", "2026-03-04T10:00:00+01:00", "--next", "1d")
    assert result.output.splitlines() == [
        "primary  hedy  until 2026-03-04T12:00+01:00",
        "  * override  2026-03-04T00:00+01:00 to 2026-03-04T12:00+01:00  hedy",
        "    night  nobody now  of joan",
        "    week  ada  of ada, grace",
        "  2026-03-04T12:00+01:00  ada",
        "  2026-03-04T22:00+01:00  joan",
        "  2026-03-05T06:00+01:00  ada",
    ]


def test_show_for_programs(policy: Path) -> None:
    result = invoke("show", "--policy", policy, "--at", "2026-03-02T10:00:00+01:00", "--next", "1d", "--json")
    said = msgspec.json.decode(result.output)
    assert (said["schedule"], said["person"], said["until"]) == ("primary", "ada", at("2026-03-02T22:00:00+01:00"))
    assert [one["person"] for one in said["next"]] == ["joan", "ada"]
    assert [layer["person"] for layer in said["layers"]] == ["ada", ""]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["show", "--schedule", "primry"], "did you mean 'primary'?"),
        (["show", "--at", "soon"], "--at: takes a time such as"),
        (["show", "--next", "soon"], "--next: 'soon' is not a duration"),
        (["override", "primary"], "takes NAME PERSON and --until TIME, or --remove ID"),
        (["override", "primary", "ada", "--until", "2020-01-01T00:00:00Z"], "--until: is not after the beginning"),
        (["override", "primary", "--remove", "x"], "--remove takes the id of an override and nothing else"),
    ],
)
def test_what_is_wrong_is_said(policy: Path, args: list[str], said: str) -> None:
    given: list[str | Path] = ["--policy", policy] if args[0] == "show" else []
    result = invoke(args[0], *given, *args[1:])
    error = result.exception
    assert said in str(getattr(error, "message", error))
