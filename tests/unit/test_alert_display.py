"""What ``tocsin alerts show`` says of an alert, and that no event paints on the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.testing import sample_alert
from streams.cli.alert_display import facts, series
from streams.model import Status, Suppression
from tests.unit.alert_steps import MINUTE, START, World, command, finding


def shown(alert: Any) -> dict[str, list[str]]:
    """The lines, by their names."""
    found: dict[str, list[str]] = {}
    for name, text in facts(alert, "alerts/0/3"):
        found.setdefault(name, []).append(text.plain)
    return found


def test_an_untouched_alert_has_no_empty_lines() -> None:
    lines = shown(sample_alert())
    assert {"assignee", "incident", "history", "not told", "disposition", "values"}.isdisjoint(lines)
    assert lines["position"] == ["alerts/0/3"]


def test_what_people_and_time_did_to_it_can_be_read() -> None:
    world = World()
    for n, observed in enumerate((5, 9, 7)):
        world.give(finding(n, n, observed=observed, resolve_after=30 * MINUTE), minute=n)
    world.give(command(0, "assign", assignee="ada"), command(1, "acknowledge", note="mine"), minute=4)
    world.give(command(2, "snooze", until=START + 10 * MINUTE), minute=5)
    assert shown(world.alert())["snoozed until"] == ["2023-11-14T22:23:20.000Z"]
    world.tick(10)
    world.tick(33)
    lines = shown(world.alert())
    assert lines["assignee"] == ["ada"]
    assert lines["values"] == ["▁█▅  5 to 9, last 7"]
    assert lines["history"] == [
        "2023-11-14T22:17:20.000Z active → acknowledged by grace: mine",
        "2023-11-14T22:18:20.000Z acknowledged → snoozed by grace: snooze",
        "2023-11-14T22:23:20.000Z snoozed → active by snooze: wake",
        "2023-11-14T22:46:20.000Z active → resolved by quiet: quiet",
    ]
    assert lines["note by grace"] == ["mine"]


def test_a_condition_that_ended_shows_as_who_closed_it() -> None:
    world = World()
    world.give(finding(0), finding(1, 1, kind="clear"), minute=1)
    assert shown(world.alert())["history"] == ["2023-11-14T22:14:20.000Z active → resolved by condition: clear"]


def test_what_hides_it_and_until_when() -> None:
    hidden = Suppression(stage="silence", by="night", since=START, until=START + MINUTE)
    lines = shown(sample_alert(suppressed=(hidden,), hidden=3))
    assert lines["not told"] == ["silence night since 2023-11-14T22:13:20.000Z until 2023-11-14T22:14:20.000Z"]
    assert lines["hidden"] == ["3 notifications"]


def test_what_it_was_and_where_it_belongs() -> None:
    alert = sample_alert(
        status=Status.DISMISSED,
        disposition="duplicate",
        duplicate_of="0abc",
        incident="0def",
        breached=("acknowledge",),
    )
    lines = shown(alert)
    assert (lines["disposition"], lines["incident"]) == (["duplicate of 0abc"], ["0def"])
    assert lines["missed targets"] == ["acknowledge"]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, ""),
        ({"series": [[1, 5]]}, ""),
        ({"series": [[1, 5], [2, 5]]}, "▁▁  5 to 5, last 5"),
        ({"series": [[1, "0.5"], [2, 8], [3, "x"], [4]]}, "▁█  0.5 to 8, last 8"),
        ({"series": [[1, "1e999"], [2, 8]]}, ""),
        ({"series": "many"}, ""),
        ({"series": [None, {"a": 1}, [1, 2], [2, 3]]}, "▁█  2 to 3, last 3"),
    ],
)
def test_values_over_time_are_a_line_of_bars(values: dict[str, Any], line: str) -> None:
    assert series(sample_alert(values=values)) == line


def test_no_event_paints_on_the_terminal() -> None:
    bad = "\x1b[2J\n\r"
    change = {"at": 1, "by": bad, "from": bad, "to": bad, "why": bad}
    alert = sample_alert(
        title=bad, assignee=bad, tags=(bad,), history=(change,), notes=({"at": 1, "by": bad, "text": bad},),
        suppressed=(Suppression(stage="silence", by=bad, since=1),), members=(bad,), incident=bad, duplicate_of=bad,
        disposition=bad,
    )  # fmt: skip
    assert all(ch.isprintable() for name, lines in shown(alert).items() for text in (name, *lines) for ch in text)
