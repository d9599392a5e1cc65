"""Mappings under any document and any payload: an envelope or a ValueError."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec.cloudtrail import cloudtrail
from streams.codec.mapping import MappingErrors, find, parse_mapping
from streams.codec.times import FORMATS, LAST_MS, converter, rfc3339

names = st.sampled_from(["a", "b", "c", "ts", "0", "1", "x y", "é"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
payloads = st.dictionaries(names, values, max_size=5)
paths = st.lists(names, min_size=1, max_size=3).map(".".join)
rules = st.one_of(
    paths,
    st.lists(paths, min_size=1, max_size=3),
    st.fixed_dictionaries({"const": scalars}),
    st.fixed_dictionaries({"path": paths}, optional={"default": scalars}),
    st.fixed_dictionaries({"path": paths, "present": scalars, "absent": scalars}),
    st.fixed_dictionaries({"path": paths, "map": st.dictionaries(scalars, scalars, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"path": paths, "format": st.sampled_from([*FORMATS, "%Y-%m-%d"])}),
)
odd_names = st.sampled_from(["path", "const", "format", "map", "default", "a.b"]) | st.integers()
junk = st.recursive(
    scalars | st.floats() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_names, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(document=st.dictionaries(names, rules, min_size=1, max_size=4), payload=payloads)
def test_an_envelope_is_the_original_with_the_mapped_fields_over_it(
    document: dict[str, Any], payload: dict[str, Any]
) -> None:
    mapping = parse_mapping(document)
    raw = json.dumps(payload).encode()
    try:
        envelope = mapping.apply(raw)
    except ValueError as error:
        refused = str(error)
    else:
        assert set(payload) - set(document) <= set(envelope) <= set(payload) | set(document)
        assert envelope == mapping.apply(raw)
        json.dumps(envelope, allow_nan=False)  # still JSON
        return
    assert any(refused.startswith(f"{name}: ") for name in document)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(names, junk, max_size=3) | junk)
def test_a_document_is_a_mapping_or_told_to_be_none(document: Any) -> None:
    try:
        mapping = parse_mapping(document)
    except MappingErrors as errors:
        told = errors
    else:
        assert [field.name for field in mapping.fields] == list(document)
        return
    assert told.problems
    assert str(told)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*FORMATS, "%Y-%m-%dT%H:%M"]), scalars | st.floats() | junk)
def test_a_converter_gives_a_time_or_a_value_error(format: str, value: Any) -> None:
    try:
        ms = converter(format)(value)
    except ValueError:
        return
    assert type(ms) is int
    assert 0 <= ms <= LAST_MS


FIRST, LAST = datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("9999-12-30")
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(max_examples=200, deadline=None)
@given(st.datetimes(FIRST, LAST, timezones=OFFSETS))
def test_rfc3339_is_read_as_datetime_reads_it(moment: datetime) -> None:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert rfc3339(moment.isoformat()) == since // timedelta(milliseconds=1)


RECORD_NAMES = st.sampled_from(
    [
        "eventName",
        "eventTime",
        "userIdentity",
        "requestParameters",
        "responseElements",
        "errorCode",
        "resources",
        "detail",
    ]
)
LIKELY = st.sampled_from(["2020-01-01T00:00:00Z", {"sessionContext": {"sessionIssuer": []}}, [{"ARN": "x"}]])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(RECORD_NAMES, values | LIKELY))
def test_cloudtrail_survives_any_types(record: dict[str, Any]) -> None:
    try:
        envelope = cloudtrail(json.dumps({"eventName": "x", **record}).encode())
    except ValueError:
        return
    assert all(isinstance(envelope.get(name, ""), str) for name in ("actor", "tenant", "session", "resource"))
    assert envelope["outcome"] in ("success", "failure", "denied")


@settings(max_examples=200, deadline=None)
@given(values, st.lists(names, max_size=4).map(tuple))
def test_find_never_raises(document: Any, path: tuple[str, ...]) -> None:
    found = find(document, path)
    assert path or found is document
