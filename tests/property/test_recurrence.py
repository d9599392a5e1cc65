"""Recurrences found near to now are those that counting up from the beginning finds, at a cost that is bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.alerts import recurrence
from streams.alerts.recurrence import Recurrence

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
DAY = 86_400_000
numbers = st.integers


@st.composite
def rules(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]))
    parts = [f"FREQ={freq}"]

    def maybe(name: str, values: st.SearchStrategy[Any]) -> None:
        if draw(st.booleans()) and draw(st.booleans()):
            parts.append(f"{name}={','.join(map(str, draw(st.lists(values, min_size=1, max_size=3, unique=True))))}")

    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(numbers(1, 9))}")
    parts.append(f"WKST={draw(st.sampled_from(['MO', 'SU']))}")
    maybe("BYMONTH", numbers(1, 12))
    maybe("BYMONTHDAY", numbers(-31, 31).filter(bool))
    days = st.sampled_from(["MO", "WE", "SA", "SU"])
    maybe("BYDAY", st.sampled_from(["1MO", "-1SU", "2WE"]) if freq in ("YEARLY", "MONTHLY") else days)
    maybe("BYHOUR", numbers(0, 23))
    if freq == "YEARLY":
        maybe("BYWEEKNO", numbers(1, 53))
    if len(parts) > 3 and draw(st.booleans()) and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from(['1', '-1', '2']))}")
    if draw(st.booleans()) and draw(st.booleans()):
        parts.append(f"COUNT={draw(numbers(1, 30))}")
    return ";".join(parts)


def oracle(text: str, begins: int, timezone: str, until: int) -> list[int]:
    """All occurrences up to ``until``, one after the other from the first one."""
    zone = ZoneInfo(timezone)
    local = (EPOCH + timedelta(milliseconds=begins)).astimezone(zone).replace(tzinfo=None)
    end = (EPOCH + timedelta(milliseconds=until)).astimezone(zone).replace(tzinfo=None) + timedelta(days=1)
    found: list[int] = []
    for at in rrulestr(text, dtstart=local):
        if at > end:
            break
        moment = int((at.replace(tzinfo=zone) - EPOCH) / timedelta(milliseconds=1))
        if moment <= until and (not found or moment > found[-1]):
            found.append(moment)
    return found


@settings(max_examples=150, deadline=None)
@given(rules(), numbers(946_684_800, 1_000_000_000), st.sampled_from(ZONES), numbers(0, 2_000), numbers(0, DAY))
def test_the_nearest_ones_are_those_of_counting_up(
    text: str, second: int, timezone: str, days: int, within: int
) -> None:
    one = Recurrence(text, second * 1_000, timezone)
    try:
        recurrence.check(one)
    except ValueError:
        assume(False)
    days = days % 100 if "HOURLY" in text else days  # the oracle counts them one by one
    now = one.begins + days * DAY + within
    horizon = now + 400 * DAY
    every = oracle(text, one.begins, timezone, horizon)
    past = [at for at in every if at <= now]
    assert one.last(now, now - 40 * DAY) == (past[-1] if past and past[-1] > now - 40 * DAY else None)
    following, later = one.next(now), [at for at in every if at > now]
    if later:
        assert following == later[0]
    else:
        assert following is None or following > horizon


@settings(max_examples=150, deadline=None)
@given(rules(), numbers(0, 1_000_000_000), numbers(0, 3_000_000))
def test_the_search_begins_close_to_what_is_asked_for(text: str, second: int, days: int) -> None:
    one = Recurrence(text, second * 1_000, "Europe/Amsterdam")
    try:
        rule = recurrence._rule(one)
    except ValueError:
        assume(False)
    low = rule.begins + timedelta(days=min(days, 2_900_000 - second // 86_400))
    begin = recurrence._aligned(rule, low)
    longest = {0: 366, 1: 31, 2: 7, 3: 1, 4: 1 / 24}[rule.parts["freq"]]
    assert begin <= low
    assert low - begin <= timedelta(days=longest) * (2 * rule.parts["interval"] + 2)
    assert rule.far <= 50 * 366 * DAY * rule.parts["interval"]
