"""The console: what it says, and that nobody paints on it or blocks it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.notifiers.console import render
from connectors.registry import parse_sinks
from connectors.testing import notifier_item, sample_alert, sample_notification
from streams.model import Group, Member
from tests.contract.places import place
from tests.contract.sinks import HOSTILE, open_once


def test_console_says_what_fired_why_where_and_what_next(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with place("console", tmp_path) as p:
            await p.sink.deliver([notifier_item()])
        return (tmp_path / "console").read_text("utf-8")

    text = asyncio.run(scenario())
    for part in (
        "HIGH", "20 failed logins for ada", "observed 20, threshold 5 within 10m", "audit.failed-login-burst",
        "tenant acme · actor ada", "audit.events/3/1", "runbooks/failed-login-burst.md", "tocsin alerts show 0000",
        "2024-01-01T00:00:02.000Z",
    ):  # fmt: skip
        assert part in text
    assert "\x1b" not in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_console_lets_no_event_paint_on_the_terminal(text: str, tmp_path: Path) -> None:
    async def scenario() -> bytes:
        async with place("console", tmp_path) as p:
            await p.sink.deliver(
                [notifier_item(title=text, key={text: text}, tenant=text, values={"observed": {"a": text}})]
            )
        return (tmp_path / "console").read_bytes()

    shown = asyncio.run(scenario()).decode()
    assert all(ch.isprintable() or ch == "\n" for ch in shown)
    assert shown.count("\n") == 6  # five lines and an empty one
    assert len(shown) < 4000


def told(**more: Any) -> str:
    """What the console says of a notification."""
    note = msgspec.structs.replace(sample_notification(), **more)
    return render(note.alert, note.reason, note.at, colour=False, note=note)


def test_console_marks_what_was_escalated_and_says_to_whom_and_why() -> None:
    text = told(escalation_level=2, why="level 2 (lead) after 15m unacknowledged", to=("grace",))
    assert text.startswith("ESCALATED to level 2 ·")
    assert "because level 2 (lead) after 15m unacknowledged" in text
    assert "to     grace" in text


def test_console_lists_a_group_and_counts_what_it_leaves_out() -> None:
    members = tuple(
        Member(id=f"{n}", title=f"alert \x1b{n}", severity="high", status="active", reason="new") for n in range(12)
    )
    text = told(group=Group(id="g", key={"rule": "audit.x"}, alerts=members, total=40))
    assert "group  40 alerts of rule audit.x" in text
    assert "high alert \ufffd9 (new)" in text
    assert "and 30 more" in text
    assert "\x1b" not in text


def test_console_says_how_an_incident_stands() -> None:
    alert = sample_alert(phase="investigating", count=3, assignee="ada", breached=("acknowledge",))
    text = told(alert=alert)
    assert "phase investigating, 3 alerts · assigned to ada · missed its target to acknowledge" in text
    assert f"tocsin incidents show {alert.id}" in text


def test_console_does_not_hang_on_a_pipe_nobody_reads(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    (config,) = parse_sinks([{"name": "c", "type": "console", "descriptor": writer}])

    async def scenario() -> list[Result]:
        sink = config.make(SinkContext("c", tmp_path, timeout_ms=300))
        await sink.open()
        return [(await sink.deliver([notifier_item(n)]))[0] for n in range(200) if n < 199] and list(
            await sink.deliver([notifier_item(1)] * 300)
        )

    try:
        results = asyncio.run(asyncio.wait_for(scenario(), 20))
    except TimeoutError:
        pytest.fail("it hung")
    finally:
        os.close(reader)
        os.close(writer)
    assert all(isinstance(result, Retry) for result in results)


def test_console_appends_to_a_file(tmp_path: Path) -> None:
    (config,) = parse_sinks([{"name": "c", "type": "console", "path": "made/on-call.txt"}])

    async def scenario() -> None:
        for number in (1, 2):
            sink = config.make(SinkContext("c", tmp_path))
            await sink.open()
            await sink.deliver([notifier_item(number)])
            await sink.close()

    asyncio.run(scenario())
    assert (tmp_path / "made/on-call.txt").read_text("utf-8").count("tocsin alerts show") == 2


def test_console_without_its_descriptor_is_broken(tmp_path: Path) -> None:
    (config,) = parse_sinks([{"name": "c", "type": "console", "descriptor": 9999}])
    with pytest.raises(SinkBroken, match="9999"):
        asyncio.run(open_once(config.make(SinkContext("c", tmp_path))))
