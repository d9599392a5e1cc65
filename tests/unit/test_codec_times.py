"""Foreign times to integer ms: exact, ranged, and refused in words."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.codec.times import converter

NOON = 1_714_564_800_000  # 2024-05-01T12:00:00Z


@pytest.mark.parametrize(
    ("format", "value", "ms"),
    [
        ("rfc3339", "2024-05-01T12:00:00Z", NOON),
        ("rfc3339", "2024-05-01t12:00:00z", NOON),
        ("rfc3339", "2024-05-01 14:00:00+02:00", NOON),
        ("rfc3339", "2024-05-01T06:30:00-05:30", NOON),
        ("rfc3339", "2024-05-01T12:00:00.5Z", NOON + 500),
        ("rfc3339", "2024-05-01T12:00:00.123999999Z", NOON + 123),  # dropped, not rounded
        ("rfc3339", "2016-12-31T23:59:60Z", 1_483_228_800_000),  # a leap second
        ("rfc3339", "1970-01-01T00:00:00Z", 0),
        ("rfc3339", "9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("epoch_s", 1_714_564_800, NOON),
        ("epoch_s", 1_714_564_800.123, NOON + 123),  # not 122.99…
        ("epoch_s", "1714564800.1239", NOON + 123),
        ("epoch_s", 0, 0),
        ("epoch_ms", NOON, NOON),
        ("epoch_ms", float(NOON), NOON),
        ("epoch_ms", str(NOON), NOON),
        ("epoch_us", NOON * 1000 + 999, NOON),
        ("epoch_ns", NOON * 1_000_000 + 1, NOON),
        ("%Y-%m-%d %H:%M:%S", "2024-05-01 12:00:00", NOON),
        ("%d/%b/%Y:%H:%M:%S %z", "01/May/2024:14:00:00 +0200", NOON),
        ("%Y%m%dT%H%M%S.%f", "20240501T120000.250", NOON + 250),
    ],
)
def test_a_time_is_read(format: str, value: Any, ms: int) -> None:
    got = converter(format)(value)
    assert (got, type(got)) == (ms, int)


@pytest.mark.parametrize(
    ("format", "value"),
    [
        ("rfc3339", "2024-05-01"), ("rfc3339", "2024-05-01T12:00:00"), ("rfc3339", "2024-02-30T12:00:00Z"),
        ("rfc3339", "2024-05-01T24:00:00Z"), ("rfc3339", "2024-05-01T12:00:61Z"),
        ("rfc3339", "2024-05-01T12:00:00+24:00"),
        ("rfc3339", "1969-12-31T23:59:59Z"), ("rfc3339", "1970-01-01T00:00:00+00:01"), ("rfc3339", ""),
        ("rfc3339", "٢٠٢٤-05-01T12:00:00Z"), ("rfc3339", NOON), ("rfc3339", True), ("rfc3339", {}),
        ("rfc3339", "x" * 10**6),
        ("rfc3339", "2024-05-01T12:00:00Z\n"), ("rfc3339", "0000-01-01T00:00:00Z"),
        ("epoch_s", True), ("epoch_s", -1), ("epoch_s", -0.001), ("epoch_s", 10**12), ("epoch_s", float("nan")),
        ("epoch_s", float("inf")), ("epoch_s", 1e300), ("epoch_s", "1e9"), ("epoch_s", ""), ("epoch_s", " 1"),
        ("epoch_s", "9" * 10**6), ("epoch_s", 10**4000), ("epoch_ms", []), ("epoch_ms", "noon"), ("epoch_us", {}),
        ("%Y-%m-%d", "2024-05-01T00"), ("%Y-%m-%d", 20240501), ("%Y-%m-%d", "1969-01-01"), ("%Y-%m-%d", "x" * 10**6),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_in_words(format: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"is not|needs|huge") as caught:
        converter(format)(value)
    assert len(str(caught.value)) < 300


def test_a_pattern_without_a_zone_is_local_to_the_one_named() -> None:
    amsterdam = converter("%Y-%m-%d %H:%M", ZoneInfo("Europe/Amsterdam"))
    assert amsterdam("2024-05-01 14:00") == NOON  # summer time
    assert amsterdam("2024-01-01 01:00") == 1_704_067_200_000  # winter time
    assert converter("%Y-%m-%d %H:%M %z", ZoneInfo("Europe/Amsterdam"))("2024-05-01 12:00 +0000") == NOON


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("iso", "is no format: use rfc3339"),
        ("%Y-%Q", "is not a strptime pattern"),
        ("%d %b", "has no year"),
        ("%%Y", "has no year"),
        ("%c %Y", "%c depends on the machine"),
        ("%Y %Z", "%Z depends on the machine"),
        ("%Y %Y", "is not a strptime pattern"),
    ],
)
def test_an_unusable_format_is_told_when_it_is_loaded(format: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        converter(format)
