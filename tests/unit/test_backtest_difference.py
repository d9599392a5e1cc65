"""Which alerts of two rule sets are the same one: by id, else by what they are about and when."""

from __future__ import annotations

import pytest

from streams.model import Alert, Evidence, Severity, Status
from streams.replay.backtest.difference import difference


def alert(name: str, begin: int, end: int, *, actor: str = "ada", tenant: str = "acme", rule: str = "r") -> Alert:
    """Opened at ``begin`` + 1 by events of ``begin`` and that moment; last seen at ``end``."""
    events = tuple(Evidence(position=f"t/0/{at}", event_id=str(at), event_time=at) for at in (begin, begin + 1))
    return Alert(
        id=name, version=1, tenant=tenant, rule=rule, rule_version="v", ruleset="s", severity=Severity.LOW,
        severity_word="low", type="security", title="t", source="audit", status=Status.ACTIVE, key={"actor": actor},
        values={"observed": 2}, count=1, event_time=begin + 1, last_event_time=end, created_at=0, updated_at=0,
        first=events, last=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [  # (new, gone, pairs that changed)
        (alert("a", 10, 20), alert("b", 15, 30), ([], [], [("a", "b")])),  # they have a time in common
        (alert("a", 10, 20), alert("b", 20, 30), ([], [], [("a", "b")])),  # its first event is the other's last
        (alert("a", 10, 20), alert("b", 21, 30), (["b"], ["a"], [])),
        (alert("a", 10, 20), alert("b", 10, 20, actor="bea"), (["b"], ["a"], [])),
        (alert("a", 10, 20), alert("b", 10, 20, tenant="initech"), (["b"], ["a"], [])),
        (alert("a", 10, 20), alert("b", 10, 20, rule="other"), (["b"], ["a"], [])),
        (alert("a", 10, 20), alert("a", 50, 60), ([], [], [("a", "a")])),  # one id is one alert, whenever
        (alert("a", 10, 20), alert("a", 10, 20), ([], [], [])),
    ],
)
def test_alerts_are_one_by_id_or_by_rule_tenant_key_and_a_common_time(
    before: Alert, after: Alert, expected: tuple[list[str], list[str], list[tuple[str, str]]]
) -> None:
    found = difference([before], [after])
    told = [one.id for one in found.new], [one.id for one in found.gone]
    assert (*told, [(one.before.id, one.after.id) for one in found.changed]) == expected
    back = difference([after], [before])
    assert ([one.id for one in back.gone], [one.id for one in back.new]) == told


def test_one_alert_is_the_twin_of_one_alone_and_the_earliest_comes_first() -> None:
    long = alert("long", 0, 100)
    found = difference([long], [alert("late", 50, 60), alert("early", 5, 10)])
    assert [(one.before.id, one.after.id) for one in found.changed] == [("long", "early")]
    assert [one.id for one in found.new] == ["late"]
    (change,) = found.changed
    assert [one.event_id for one in change.gained] == ["5", "6"]
    assert [one.event_id for one in change.lost] == ["0", "1"]
