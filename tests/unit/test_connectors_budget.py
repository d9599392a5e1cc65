"""How long a receiver may be away before a sink as it is by default gives a notification up."""

from __future__ import annotations

import random

import pytest

from connectors.base import Retry
from connectors.schedule import Schedule
from connectors.settings import Policy
from connectors.testing import notifier_item

MINUTE = 60_000


def given_up_after(items: int, seed: int) -> list[int]:
    """When each of ``items`` that came at 0 is given up while every attempt fails at once, ms."""
    schedule, now, ends = Schedule(Policy(), random.Random(seed).random), 0, []
    for number in range(items):
        schedule.add(notifier_item(number, offset=number), now)
    while schedule.open:
        ends += [now for _ in schedule.expire(now)]
        while batch := schedule.take(now):
            settled = schedule.settle(batch, [Retry("HTTP 503")] * len(batch), now + 20)
            ends += [now for one in settled if one.final]
        now = max(now + 1, schedule.wakes(now) or 0)
    return ends


@pytest.mark.parametrize("items", [1, 2, 3, 30])
def test_a_quarter_of_an_hour_however_few_there_are(items: int) -> None:
    for seed in range(20):
        ends = given_up_after(items, seed)
        assert len(ends) == items
        assert min(ends) > 13 * MINUTE  # the last delay may not fit any more
        assert max(ends) <= 30 * MINUTE  # twice: once before the first attempt, and once from it on
