"""What is new, gone, later, earlier or for somebody else; and when it is night for whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.replay.moments import parse_moment
from streams.replay.telling.difference import AT_ONCE, difference
from streams.replay.telling.heard import Member, Told
from streams.replay.telling.nights import Night, rung

MINUTE = 60_000


def told(at: int, receiver: str = "chat", alert: str = "a", reason: str = "new", to: tuple[str, ...] = (), **more: object) -> Told:  # fmt: skip
    about = more.get("about", (Member(alert, reason),))
    assert isinstance(about, tuple)
    zone = str(more.get("zone", ""))
    return Told(
        f"{receiver}-{at}", at, receiver, reason, alert, "acme", "r", "high", "t", to, "", "", about, True, zone
    )


#: (what, today's times, the candidate's times, new, gone, later, earlier, same)
CASES = [
    ("the same", [0, 5 * MINUTE], [0, 5 * MINUTE], [], [], [], [], 2),
    ("a worker's slowness is no change", [0], [AT_ONCE], [], [], [], [], 1),
    ("later", [0], [AT_ONCE + 1], [], [], [AT_ONCE + 1], [], 0),
    ("earlier", [MINUTE], [0], [], [], [], [0], 0),
    ("a repetition less", [0, MINUTE, 2 * MINUTE], [0, 2 * MINUTE], [], [MINUTE], [], [], 2),
    ("one more at the beginning leaves the others as they are", [MINUTE], [0, MINUTE], [0], [], [], [], 1),
    ("half as often", [0, 60, 120, 180], [0, 120], [], [60, 180], [], [], 2),
    ("all of them gone", [0, MINUTE], [], [], [0, MINUTE], [], [], 0),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "new", "gone", "later", "earlier", "same"), [c[1:] for c in CASES],
                         ids=[c[0] for c in CASES])  # fmt: skip
def test_those_of_one_time_are_one_and_the_rest_pairs_in_order(
    before: list[int],
    after: list[int],
    new: list[int],
    gone: list[int],
    later: list[int],
    earlier: list[int],
    same: int,
) -> None:
    scale = 1000 if max([*before, *after]) < 1000 else 1
    old, fresh = ([told(at * scale) for at in times] for times in (before, after))
    found = difference(old, fresh)
    times = ([one.at // scale for one in found.new], [one.at // scale for one in found.gone],
             [pair[1].at // scale for pair in found.later], [pair[1].at // scale for pair in found.earlier])  # fmt: skip
    assert (*times, found.same) == (new, gone, later, earlier, same)


def test_another_receiver_reason_or_alert_is_another_hearing() -> None:
    for other in (told(0, receiver="mail"), told(0, reason="escalated"), told(0, alert="b")):
        found = difference([told(0)], [other])
        assert (len(found.new), len(found.gone), found.same) == (1, 1, 0)


def test_told_in_a_group_or_alone_is_told() -> None:
    both = told(0, about=(Member("a", "new"), Member("b", "new")))
    assert difference([both], [told(0), told(0, alert="b")]).same == 2


def test_the_same_call_for_somebody_else_is_reassigned() -> None:
    found = difference([told(0, to=("ada",))], [told(0, to=("grace",))])
    assert [(one.told.to, other.told.to) for one, other in found.reassigned] == [(("ada",), ("grace",))]
    assert (found.same, found.new, found.gone) == (0, [], [])


#: (time, zone, the evening's date, or None by day)
NIGHTS = [
    ("2024-01-09T21:59:59Z", "", None),
    ("2024-01-09T22:00:00Z", "", "2024-01-09"),
    ("2024-01-10T06:59:59Z", "", "2024-01-09"),
    ("2024-01-10T07:00:00Z", "", None),
    ("2024-01-01T00:30:00Z", "", "2023-12-31"),
    ("2024-01-09T21:30:00Z", "Europe/Berlin", "2024-01-09"),
    ("2024-01-09T21:30:00Z", "America/New_York", None),
    ("2024-03-31T04:59:59Z", "Europe/Berlin", "2024-03-30"),  # 06:59 on the day on which 02:00 was 03:00
    ("2024-03-31T05:00:00Z", "Europe/Berlin", None),
    ("2024-07-01T18:30:00Z", "Asia/Kolkata", "2024-07-01"),  # midnight there
]


@pytest.mark.parametrize(("at", "zone", "evening"), NIGHTS)
def test_night_is_where_the_person_lives(at: str, zone: str, evening: str | None) -> None:
    assert Night().of(parse_moment(at), zone) == evening
    if not zone:
        assert Night(zone="UTC").of(parse_moment(at)) == evening


def test_a_night_that_does_not_pass_midnight() -> None:
    siesta = Night(13 * 60, 15 * 60)
    assert [siesta.of(parse_moment(f"2024-01-09T{at}:00Z")) for at in ("12:59", "13:00", "14:59", "15:00")] == [
        None, "2024-01-09", "2024-01-09", None,
    ]  # fmt: skip


def test_what_rings_for_two_rings_for_each_and_what_is_silent_for_nobody() -> None:
    night = parse_moment("2024-01-09T23:00:00Z")
    some = [
        told(night, to=("ada", "grace")),
        told(night + 1, receiver="phone"),
        told(night + 12 * 60 * MINUTE, to=("ada",)),
    ]
    found = rung([*some], Night())
    assert {name: (one.rang, one.at_night) for name, one in found.items()} == {
        "ada": (2, 1), "grace": (1, 1), "phone": (1, 1)
    }  # fmt: skip
    assert rung([replace(told(night), loud=False)], Night()) == {}
