"""What ``count`` and ``distinct`` have in common: how far they must be able to count, and what they take to do so."""

from __future__ import annotations

import math
from typing import Any

from streams.detect.base import Option
from streams.detect.windows import Shape, Window
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

#: So far is counted beyond any threshold, that a person reads "17 failed logins" and not the threshold again.
LEAST_NEED = 20
#: Ids of a key that are remembered where its events are not.
DEDUP = 64
_MOST_IDS = 150
_FORGET = 86_400_000
_USUAL = {"hour": 3_600_000, "day": 86_400_000, "week": 7 * 86_400_000, "month": 31 * 86_400_000}

ENOUGH_OPTIONS = (
    Option(
        "dedup", "integer", str(DEDUP),
        "how many of a key's last event ids are remembered where events are not; 0: ids are not looked at",
    ),
    Option("forget", "duration", "1d", "with below: how long a key without events is remembered"),
)  # fmt: skip


def beyond(ladder: Ladder, most: int) -> list[str]:
    """What to say of a ladder whose top no state can count to."""
    top = ladder.top
    return [f"{top} is more than can be counted to ({most})"] if top is not None and top > most else []


def single(ladder: Ladder) -> list[str]:
    """What to say of a ladder where there is one edge only."""
    return [] if ladder.top is None else ["below fires once: write one word, not thresholds"]


def need(at_least: int, ladder: Ladder, most: int) -> int:
    """How far a rule has to be able to count: to its threshold, to the top of its ladder, and to ``LEAST_NEED``."""
    top = ladder.top
    return min(most, max(at_least, LEAST_NEED, math.ceil(top) if top is not None and math.isfinite(top) else 0))


def length(window: Window) -> int:
    """How long a window is, ms; by the calendar on most days, and not at most."""
    return _USUAL.get(window.align, window.within)


def parse_below(read: Block, window: Window, most: int) -> int:
    """``below``; 0 without."""
    if not read.has("below"):
        return 0
    if read.has("at_least"):
        read.problem("below", "cannot stand beside at_least: one of them")
    if window.shape in (Shape.SESSION, Shape.HOPPING):
        read.problem("below", f"has no meaning for {window.shape} windows: use sliding or tumbling ones, or align")
    below: Any = read.integer("below", least=1, most=most)
    return below or 0


def parse_dedup(read: Block) -> int:
    """``dedup``, ids."""
    return read.integer("dedup", DEDUP, most=_MOST_IDS)


def parse_forget(read: Block, window: Window) -> int:
    """``forget`` in ms; 0 without ``below``."""
    forget = read.duration("forget", max(_FORGET, 2 * window.within), least=1)
    if not read.has("below"):
        if read.has("forget"):
            read.problem("forget", "has a meaning only with below")
        return 0
    if read.has("forget") and forget and forget < 2 * window.within:
        read.problem("forget", f"is shorter than two windows ({format_duration(2 * window.within)}): it could not fire")
    return forget
