"""Labels of an alert at rest are those of the whole alert."""

from __future__ import annotations

import msgspec
import pytest

from streams.alerts.glimpse import glimpses
from streams.alerts.subject import Subject
from streams.model import Alert
from tests.unit.alert_steps import World, command, finding


def at_rest() -> tuple[bytes, Alert]:
    world = World()
    world.give(finding(0, metadata={"site": "ams", "n": 3, "deep": {"er": True}}, tags=("a", "b")))
    world.give(command(0, "assign", assignee="grace"))
    return world.state.book.entries["alert-0"].value, world.alert()


@pytest.mark.parametrize("path", [
    "severity", "rule", "tags", "assignee", "metadata.site", "metadata.n", "metadata.deep.er", "metadata.none",
    "metadata", "key.actor", "count", "escalation_level", "resolved_at", "duplicate_of", "values.observed", "status",
    "first", "told", "nothing.of.it", "id",
])  # fmt: skip
def test_a_label_is_that_of_the_whole_alert(path: str) -> None:
    value, alert = at_rest()
    assert glimpses([path])(value).label(path) == Subject(alert).label(path)


def test_all_labels_of_several_paths_are_there_and_no_more_is_decoded() -> None:
    value, _ = at_rest()
    seen = glimpses(["metadata.site", "metadata.n", "severity"])(value)
    assert [seen.label(path) for path in ("metadata.site", "metadata.n", "severity")] == ["ams", "3", "medium"]
    assert seen.label("rule") == ""
    broken = value.replace(b'"count":1', b'"count":"one"')
    assert broken != value
    assert glimpses(["severity"])(broken).label("severity") == "medium"
    with pytest.raises(msgspec.ValidationError):
        glimpses(["count"])(broken)
