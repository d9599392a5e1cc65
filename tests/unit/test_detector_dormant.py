"""Accounts that wake up: the edge of ninety days, the first event, ties and lateness."""

from __future__ import annotations

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.dormant import Dormant

DAY = 86_400_000


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ([0], []),
        ([0, 90 * DAY], [90]),
        ([0, 90 * DAY - 1], []),
        ([0, 0, 91 * DAY, 91 * DAY], [91]),
        ([0, 50 * DAY, 100 * DAY], []),
        ([100 * DAY, 0], []),  # came late: says nothing of now
        ([0, 100 * DAY, 10 * DAY, 195 * DAY], [100, 95]),
    ],
)
def test_what_is_found(times: list[int], found: list[int]) -> None:
    detector, state, seen = Dormant({"after": "90d"}), None, []
    for at in times:
        state, findings = detector.step(state, Event(at, "", {}))
        seen += [one.value for one in findings]
    assert seen == found


@pytest.mark.parametrize("settings", [{"after": "800d"}, {"after": "0s"}, {"after": "x"}])
def test_settings_that_cannot_be(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # of two places
        Dormant(settings)
