"""What a mapping has read lies over the record; None takes away; nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest

from streams.codec.overlay import laid_over


@pytest.mark.parametrize(
    ("record", "fields", "envelope"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1, "z": 0}, {"a": 2}, {"a": 2, "z": 0}),
        ({"a": 1}, {"a": None}, {}),  # the record's own value would be something else than was mapped
        ({}, {"a": None}, {}),
        ({"a": None}, {"b": 1}, {"a": None, "b": 1}),  # the record's own null stays
        ({"a": 1}, {"a": 0, "b": "", "c": False}, {"a": 0, "b": "", "c": False}),  # only None takes away
    ],
)
def test_fields_over_a_record(record: dict[str, Any], fields: dict[str, Any], envelope: dict[str, Any]) -> None:
    before = dict(record)
    assert laid_over(record, fields) == envelope
    assert record == before, "the record stays as it is"
