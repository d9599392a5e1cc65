"""Tokens drawn from a bucket that others draw from too, as the schedule sees them. No clock, no Redis."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.registry import SinkErrors, parse_sinks
from connectors.schedule import Schedule
from connectors.settings import Policy, Rate
from connectors.shared_rate import Drawn, SharedBucket
from connectors.testing import notifier_item

RATE = Rate(per_second=10, burst=4, shared="env:REDIS")


def test_nothing_goes_before_tokens_were_drawn_and_then_as_many_as_were() -> None:
    bucket = SharedBucket(RATE)
    schedule = Schedule(Policy(rate=RATE, concurrency=8), lambda: 0.5, bucket)
    for n in range(6):
        schedule.add(notifier_item(n, offset=n), 0)
    assert schedule.take(0) == []
    assert bucket.asks(0, schedule.eager(0)) == 4  # never more than the burst
    assert bucket.asks(0, schedule.eager(0)) == 0  # one question at a time
    bucket.drawn(5, Drawn(2, 0))
    assert [len(schedule.take(5)) for _ in range(3)] == [1, 1, 0]
    assert bucket.asks(5, schedule.eager(5)) == 4


def test_who_gets_none_asks_again_when_one_will_be_there() -> None:
    bucket = SharedBucket(RATE)
    assert bucket.asks(0, 3) == 3
    bucket.drawn(0, Drawn(0, 70))
    assert [bucket.asks(now, 3) for now in (0, 69, 70)] == [0, 0, 3]


def test_who_has_nothing_to_send_draws_nothing() -> None:
    schedule = Schedule(Policy(rate=RATE), lambda: 0.5, SharedBucket(RATE))
    assert schedule.eager(0) == 0
    schedule.add(notifier_item(1), 0)
    assert schedule.eager(0) == 1
    for _ in range(5):
        schedule.breaker.failed(0)
    assert schedule.eager(0) == 0  # an open circuit needs no tokens


def test_tokens_without_use_are_let_go_after_a_second() -> None:
    bucket = SharedBucket(RATE)
    bucket.asks(0, 3)
    bucket.drawn(0, Drawn(3, 0))
    assert [bucket.available(now) for now in (0, 999, 1000)] == [3, 3, 0]


def test_while_redis_is_away_our_own_bucket_counts_and_redis_is_asked_every_five_seconds() -> None:
    bucket = SharedBucket(RATE)
    bucket.asks(0, 3)
    bucket.failed(0)
    assert bucket.local
    assert bucket.available(0) == 4
    bucket.take(4)
    assert (bucket.available(0), bucket.available(100)) == (0, 1)
    assert [bucket.asks(now, 3) for now in (0, 4999, 5000)] == [0, 0, 3]
    assert bucket.available(5000) == 4  # and items go on while the answer is awaited
    bucket.drawn(5001, Drawn(1, 0))
    assert (bucket.local, bucket.available(5001)) == (False, 1)


@pytest.mark.parametrize(
    ("rate", "problem"),
    [
        ({"per_second": 1, "shared": "http://h"}, "rate.shared: must be redis://"),
        ({"per_second": 1, "shared": "redis://:secret@h/0"}, "rate.shared: has a password"),
        ({"per_second": 1, "shared": "redis://[h"}, "rate.shared: is no address"),
        ({"per_second": 1, "key": "mine"}, "rate.key: names a bucket in Redis"),
        ({"per_second": 1, "shared": "env:R", "key": "a\nb"}, "rate.key: must be at most 200"),
        ({"shared": "env:R"}, "rate.per_second: is missing"),
    ],
)
def test_a_wrong_rate_is_told_and_no_secret_with_it(rate: dict[str, Any], problem: str) -> None:
    with pytest.raises(SinkErrors, match=problem) as caught:
        parse_sinks([{"name": "w", "type": "webhook", "url": "https://example.com/", "rate": rate}])
    assert len(caught.value.problems) == 1
    assert "secret@" not in str(caught.value)
