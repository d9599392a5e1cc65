"""CloudEvents as events: what stands where, and what is refused."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest

from streams.codec.cloudevents import cloudevent, structured
from streams.model import Original

EVENT = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "com.acme.login"}


def ce(**more: Any) -> bytes:
    return json.dumps({**EVENT, **more}).encode()


def test_attributes_and_data_stand_where_rules_read_them() -> None:
    found = cloudevent(ce(
        time="2024-05-01T12:00:00.5+02:00", subject="ada", tenant="acme", datacontenttype="application/json; charset=utf-8",
        data={"actor": "ada", "type": "of the data", "id": 5, "data": {"deep": 1}},
    ))  # fmt: skip
    assert found == {
        "specversion": "1.0", "event_id": "e1", "source": "/shop", "type": "com.acme.login", "event_time": 1714557600500,
        "subject": "ada", "tenant": "acme", "datacontenttype": "application/json; charset=utf-8", "actor": "ada", "id": 5,
        "data": {"actor": "ada", "type": "of the data", "id": 5, "data": {"deep": 1}},
    }  # fmt: skip


@pytest.mark.parametrize("data", ["text", 7, True, [1, {"a": 2}]], ids=str)
def test_data_that_is_no_object_stands_under_data_alone(data: Any) -> None:
    assert cloudevent(ce(data=data))["data"] == data
    assert set(cloudevent(ce(data=data))) == {"specversion", "event_id", "source", "type", "data"}


def test_no_data_at_all() -> None:
    assert "data" not in cloudevent(ce())
    assert cloudevent(ce(data=None))["data"] is None


def test_a_null_attribute_is_an_absent_one() -> None:
    found = cloudevent(ce(time=None, subject=None, data={"subject": "of the data", "event_time": 5}))
    assert (found["subject"], found["event_time"]) == ("of the data", 5)


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"actor": "ada"}', {"actor": "ada"}), ("[1]", [1]), ("7", 7), ("null", None), ('"x"', "x"), (f" {2**70} ", str(2**70))],
    ids=itertools.count(),
)  # fmt: skip
def test_encoded_data_is_read_as_json(text: str, value: Any) -> None:
    found = cloudevent(ce(data_base64=b64(text)))
    assert found["data"] == value
    assert "data_base64" not in found
    assert found.get("actor") == (value["actor"] if isinstance(value, dict) else None)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b" [{}]", "a batch of CloudEvents: send each event as a record of its own"),
        (b"{}", "it has no specversion"),
        (b"7", "Expected `object`"),
        (b"", "Input data was truncated"),
        (ce(specversion="0.3"), r"specversion '0.3' are not known"),
        (ce(specversion=1.0), r"specversion '1.0' are not known"),
        (ce(id=""), "its id is missing, empty or no text"),
        (ce(id=7), "its id is missing, empty or no text"),
        (ce(type=None), "its type is missing"),
        (ce(source=[]), "its source is missing"),
        (ce(time="yesterday"), "time: 'yesterday' is not an RFC 3339 time"),
        (ce(time=1714557600500), "time: 1714557600500 is not an RFC 3339 time"),
        (ce(data={}, data_base64=b64("{}")), "both data and data_base64"),
        (ce(data_base64="***"), "data_base64 is no base64 text"),
        (ce(data_base64="é"), "data_base64 is no base64 text"),
        (ce(data_base64=7), "data_base64 is no base64 text"),
        (ce(data_base64=b64("")), "the data is not JSON"),
        (ce(data_base64=b64("{")), "the data is not JSON"),
        (ce(data_base64=b64('1,"id":"forged"')), "the data is not JSON"),
        (ce(data_base64=b64('1},{"id":"forged"')), "the data is not JSON"),
        (ce(data_base64=b64(b'"\xff"')), "the data is not JSON"),
        (ce(data_base64=b64("[" * 300 + "]" * 300)), "the data is not JSON: nested deeper"),
        (ce(data_base64=b64("[" * 100_000)), "the data is not JSON"),
        (ce(datacontenttype="application/avro", data_base64="AAAA"), "datacontenttype 'application/avro' is not JSON"),
        (ce(datacontenttype="text/plain", data="x"), "datacontenttype 'text/plain' is not JSON"),
        (ce(datacontenttype=7, data="x"), "datacontenttype '7' is not JSON"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_what_is_refused_says_why(raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cloudevent(raw)


@pytest.mark.parametrize(
    "kind", ["application/json", "text/json", "application/vnd.acme+json", "Application/JSON; v=1"]
)
def test_all_kinds_of_json(kind: str) -> None:
    assert cloudevent(ce(datacontenttype=kind, data={"a": 1}))["a"] == 1


HEADERS = tuple((f"ce_{name}", value.encode()) for name, value in EVENT.items())


def binary(value: bytes, *more: tuple[str, bytes | None], headers: Any = HEADERS) -> dict[str, Any]:
    return cloudevent(structured(value, Original(b"key", (*headers, *more))))


def test_a_binary_event_is_the_structured_one() -> None:
    time, subject = ("ce_time", b"2024-05-01T12:00:00Z"), ("ce_subject", "é".encode())
    found = binary(
        b'{"actor": "ada", "n": 5}', time, subject, ("content-type", b"application/json"), ("trace", b"\xff")
    )
    assert found == cloudevent(ce(
        time="2024-05-01T12:00:00Z", subject="é", datacontenttype="application/json", data={"actor": "ada", "n": 5},
    ))  # fmt: skip


def test_a_binary_event_without_data_or_content_type() -> None:
    assert "data" not in binary(b"")
    assert binary(b"[1]")["data"] == [1]
    assert binary(b"{}", ("ce_subject", None))["data"] == {}


@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
def test_a_structured_event_passes_as_it_is(name: str) -> None:
    said = ((name, b"application/cloudevents+json; charset=UTF-8"),)
    assert structured(ce(), Original(None, said)) == ce()
    assert structured(ce(), Original(None, ())) == ce()
    assert structured(ce(), Original(None, ((name, b"application/json"),))) == ce()


@pytest.mark.parametrize(
    ("value", "more", "why"),
    [
        (b"{}", ("content-type", b"application/avro"), "datacontenttype 'application/avro' is not JSON"),
        (b"[]", ("content-type", b"application/cloudevents-batch+json"), "is a batch of CloudEvents"),
        (b"\0", ("content-type", b"application/cloudevents+avro"), "is no CloudEvent as JSON"),
        (b"{}", ("ce_time", b"noon"), "time: 'noon' is not an RFC 3339 time"),
        (b"{}", ("ce_subject", b"\xff"), "header ce_subject is not UTF-8 text"),
        (b"{}", ("content-type", b"\xff"), "header content-type is not UTF-8 text"),
        (b"{}", ("ce_data", b"{}"), "header ce_data is not one of a binary CloudEvent"),
        (b"{}", ("ce_data_base64", b"e30="), "header ce_data_base64 is not one"),
        (b"{}", ("ce_specversion", b"2.0"), "specversion '2.0' are not known"),
        (b"{}", ("ce_id", b""), "its id is missing, empty or no text"),
        (b'1},"id":"forged","x":{', ("ce_x", b"1"), "the data is not JSON"),
        (b'{"a":1} ,"id":"forged"', ("ce_x", b"1"), "the data is not JSON"),
        (b"\xff", ("ce_x", b"1"), "the data is not JSON"),
    ],
    ids=itertools.count(),
)
def test_a_binary_event_that_is_refused_says_why(value: bytes, more: tuple[str, bytes], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        binary(value, more)


def test_too_many_headers() -> None:
    with pytest.raises(ValueError, match="more than 200 headers"):
        binary(b"{}", *((f"ce_x{n}", b"") for n in range(201)))
