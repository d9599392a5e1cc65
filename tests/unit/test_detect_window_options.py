"""The window of a kind's block: what can be said, and what is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.windows import WINDOW_OPTIONS, Shape, Window, parse_window
from streams.rules.block import Block


@pytest.mark.parametrize(
    ("block", "window"),
    [
        ({"within": "5m"}, Window(300_000)),
        ({"within": "5m", "window": "sliding"}, Window(300_000)),
        ({"within": "5m", "window": "tumbling"}, Window(300_000, Shape.TUMBLING)),
        ({"within": "5m", "every": "5m"}, Window(300_000, Shape.TUMBLING)),
        ({"within": "1h", "every": "5m"}, Window(3_600_000, Shape.HOPPING, every=300_000)),
        ({"window": "session", "gap": "30m"}, Window(86_400_000, Shape.SESSION, gap=1_800_000)),
        ({"window": "session", "gap": "1m", "within": "1h"}, Window(3_600_000, Shape.SESSION, gap=60_000)),
        ({"align": "hour"}, Window(3_600_000, Shape.CALENDAR, align="hour")),
        (
            {"align": "week", "timezone": "Europe/Berlin"},
            Window(8 * 86_400_000, Shape.CALENDAR, align="week", timezone="Europe/Berlin"),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_window_reads_as_it_is_written(block: dict[str, Any], window: Window) -> None:
    read = Block(block)
    assert parse_window(read) == window
    read.check()
    assert window.keeps >= max((end - start for start, end in [window.bucket(0)] if window.bucketed), default=0)


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({}, "within"),
        ({"within": "0s"}, "within"),
        ({"within": 5}, "within"),
        ({"within": "5m", "window": "rolling"}, "window"),
        ({"within": "5m", "gap": "1m"}, "gap"),
        ({"within": "5m", "window": "session"}, "gap"),
        ({"within": "5m", "window": "session", "gap": "5m"}, "gap"),
        ({"within": "5m", "every": "2m"}, "every"),
        ({"within": "1d", "every": "1s"}, "every"),
        ({"within": "5m", "every": "10m"}, "every"),
        ({"within": "5m", "window": "tumbling", "every": "1m"}, "every"),
        ({"within": "5m", "timezone": "Europe/Berlin"}, "timezone"),
        ({"within": "5m", "align": "day"}, "within"),
        ({"align": "year"}, "align"),
        ({"align": "day", "timezone": "Europe/Bern"}, "timezone"),
        ({"align": "day", "timezone": "../etc/passwd"}, "timezone"),
        ({"align": "day", "timezone": 2}, "timezone"),
        ({"align": "day", "window": "session", "gap": "5m"}, "align"),
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_window_is_told_at_its_place(block: dict[str, Any], place: str) -> None:
    read = Block(block)
    parse_window(read)
    assert place in [name for name, _ in read.finish()]


def test_every_option_is_known_and_no_other() -> None:
    read = Block({option.name: "?" for option in WINDOW_OPTIONS})
    parse_window(read)
    assert not [message for _, message in read.finish() if "not known" in message]


def test_documents_of_different_windows_differ() -> None:
    windows = [
        Window(300_000), Window(300_000, Shape.TUMBLING), Window(300_000, Shape.HOPPING, every=60_000),
        Window(300_000, Shape.SESSION, gap=1), Window(300_000, Shape.SESSION, gap=2),
        Window(3_600_000, Shape.CALENDAR, align="hour"),
        Window(3_600_000, Shape.CALENDAR, align="hour", timezone="Europe/Berlin"),
    ]  # fmt: skip
    documents = [window.document() for window in windows]
    assert all(documents.count(document) == 1 for document in documents)
