"""The post-incident document, from alerts that lived through an incident."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from streams.cli.incident_document import QUESTIONS, document, markdown, page, sections
from streams.cli.incident_timeline import Story
from tests.unit.alert_steps import World, command, finding

POLICY: dict[str, Any] = {
    "receivers": [{"name": "chat"}, {"name": "pager"}],
    "route": {"receivers": ["chat"], "escalation": "steps"},
    "escalations": {"steps": {"levels": [{"name": "lead", "after": "10m", "notify": ["pager"]}]}},
    "targets": {"medium": {"acknowledge": "15m"}},
    "remind_severities": [],
    "incidents": {"by": ["key.actor"]},
}


def lived(title: str = "odd logins") -> Story:
    """Two alerts make an incident, which is escalated, acknowledged, updated; the alerts close, and with them it."""
    world = World(POLICY)
    world.give(finding(0, -1, title=title), minute=0)
    world.give(finding(1, 2, rule="audit.bulk", severity="high", severity_word="high"), minute=2)
    incident = world.alert("alert-0").incident
    world.tick(13)
    world.give(command(0, "acknowledge", incident), minute=14)
    world.give(command(1, "phase", incident, target="investigating", note="it is the batch job"), minute=15)
    world.give(command(2, "comment", "alert-1", note="seen before"), minute=16)
    world.tick(20)
    world.give(command(3, "resolve", note="stopped it"), command(4, "resolve", "alert-1"), minute=30)
    members = {name: world.versions[name] for name in ("alert-0", "alert-1")}
    return Story(world.versions[incident], members, world.notifications)


def test_the_timeline_has_all_of_it_in_order() -> None:
    story = lived()
    timeline = story.timeline()
    assert [one.at for one in timeline] == sorted(one.at for one in timeline)
    said = [(one.alert_id if one.alert_id != story.incident.id else "incident", one.by, one.what) for one in timeline]
    for line in (
        ("alert-0", "", "alert opened: odd logins (medium, audit.burst)"),
        ("incident", "", "incident opened: 2 alerts about ada (high, tocsin.incident)"),
        ("alert-0", "", "chat told, new"),
        ("incident", "", "escalated to level 1"),
        ("incident", "", "ESCALATED, level 1: pager told, escalated: level 1 (lead) after 10m unacknowledged"),
        ("incident", "grace", "active → acknowledged: acknowledge"),
        ("incident", "grace", "triaged → investigating: it is the batch job"),
        ("incident", "", "chat told, updated: investigating: it is the batch job"),
        ("alert-1", "grace", "note: seen before"),
        ("alert-0", "", "missed its target to acknowledge"),
        ("alert-0", "grace", "active → resolved: stopped it"),
        ("incident", "members", "acknowledged → resolved: all of its alerts are closed"),
        ("incident", "", "chat told, resolved"),
    ):
        assert said.count(line) == 1, (line, said)
    assert not any(what.startswith("note: it is the batch job") for _, _, what in said), "said once is enough"


def test_the_times_of_the_incident() -> None:
    assert lived().times() == {"to_detect_ms": 60_000, "to_acknowledge_ms": 14 * 60_000, "to_resolve_ms": 30 * 60_000}


def test_every_format_has_the_facts_the_evidence_and_the_questions() -> None:
    story = lived()
    for text in (markdown(sections(story)), html.unescape(page(sections(story))), json.dumps(document(story))):
        plain = text.replace("\\", "")
        for part in (story.incident.id, "it is the batch job", "audit.events/0/1", "14m", *QUESTIONS)[
            : 3 if text[0] == "{" else None
        ]:
            assert part in plain
    assert document(story)["open_questions"] == list(QUESTIONS)
    assert len(document(story)["alerts"]) == 2


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script>", "a | b | c", "# head\n\n- item", "[x](javascript:1)", "\x1b[2J&amp;"]
)
def test_what_an_event_says_cannot_become_markup(title: str) -> None:
    story = lived(title)
    shown = page(sections(story))
    assert "<script" not in shown
    text = markdown(sections(story))
    assert "<script>" not in text
    assert re.search(r"(?<!\\)[\[\]]", text) is None
    rows = [line for line in text.splitlines() if line.startswith("| 1 |")]
    assert {line.replace("\\|", "").count("|") for line in rows if "audit.burst" in line} <= {9}
    assert not any(line.startswith("- item") for line in text.splitlines())
    assert "\x1b" not in text + shown


def test_an_incident_of_which_only_the_last_version_is_kept_still_has_its_story() -> None:
    story = lived()
    short = Story(story.versions[-1:], {name: versions[-1:] for name, versions in story.members.items()}, ())
    said = [one.what for one in short.timeline()]
    assert "triaged → investigating: it is the batch job" in said
    assert "note: seen before" in said
