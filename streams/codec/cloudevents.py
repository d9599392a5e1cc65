"""CloudEvents 1.0 over Kafka: structured (the value is the event) and binary (headers ``ce_*``; the value is its data).

The attributes ``id`` and ``time`` become ``event_id`` and ``event_time``; the others, extensions included, keep their
names: an extension ``tenant`` is the tenant. The fields of ``data`` stand beside them where no attribute has the name,
and all of it under ``data``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from streams.codec.times import rfc3339
from streams.model.decode import check_depth, decode_full
from streams.model.flow import Original

_RENAMED = {"id": "event_id", "time": "event_time"}
_REQUIRED = ("id", "source", "type")
_JSON = ("application/json", "text/json")
_MOST_HEADERS = 200
_is_json = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode


def cloudevent(raw: bytes) -> dict[str, Any]:
    """The envelope of one structured event. Raises ValueError for what is none, a batch, or data that is not JSON."""
    if raw.lstrip(b" \t\r\n")[:1] == b"[":
        raise ValueError("a batch of CloudEvents: send each event as a record of its own")
    return envelope(decode_full(raw))


def envelope(event: dict[str, Any]) -> dict[str, Any]:
    """The same, of a decoded event."""
    version = event.get("specversion")
    if version is None:
        raise ValueError("not a CloudEvent: it has no specversion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise ValueError(f"CloudEvents of specversion {str(version)[:20]!r} are not known: 1.0 is")
    for name in _REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise ValueError(f"not a CloudEvent: its {name} is missing, empty or no text")
    found: dict[str, Any] = {}
    data = _data(event)
    if data is not msgspec.UNSET:
        found.update(data if isinstance(data, dict) else ())
        found["data"] = data
    for name, value in event.items():
        if name not in ("data", "data_base64") and value is not None:  # a null attribute is an absent one
            found[_RENAMED.get(name, name)] = value
    if event.get("time") is not None:
        try:
            found["event_time"] = rfc3339(event["time"])
        except ValueError as error:
            raise ValueError(f"time: {error}") from None
    return found


def _data(event: dict[str, Any]) -> Any:
    """The data, UNSET where there is none."""
    encoded, plain = event.get("data_base64"), event.get("data", msgspec.UNSET)
    if encoded is None and plain is msgspec.UNSET:
        return plain
    if encoded is not None and plain is not msgspec.UNSET:
        raise ValueError("not a CloudEvent: it has both data and data_base64")
    kind = event.get("datacontenttype")
    if kind is not None and not (isinstance(kind, str) and _says_json(kind)):
        raise ValueError(f"datacontenttype {str(kind)[:60]!r} is not JSON: such data cannot be read")
    if encoded is None:
        return plain
    try:
        data = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        raise ValueError("data_base64 is no base64 text") from None
    try:
        check_depth(data)
        _is_json(data)  # one value and nothing behind it: then it can stand inside another
        return decode_full(b'{"data":' + data + b"}")["data"]
    except ValueError as error:
        raise ValueError(f"the data is not JSON: {str(error)[:200]}") from None


def _says_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _JSON or kind.endswith("+json")


def structured(value: bytes, original: Original) -> bytes:
    """``Source.join``: a binary event as a structured one; a structured one as it is.

    Raises ValueError for headers that are neither. What the value holds is for ``cloudevent`` to say.
    """
    attributes: dict[str, str] = {}
    content_type: str | None = None
    if len(original.headers) > _MOST_HEADERS:
        raise ValueError(f"more than {_MOST_HEADERS} headers")
    for name, data in original.headers:
        if data is None:
            continue
        if name.startswith("ce_"):
            attributes[name[3:]] = _text(name, data)
        elif name.lower() == "content-type":
            content_type = _text(name, data)
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind.startswith("application/cloudevents"):
        if kind == "application/cloudevents+json":
            return value
        what = "a batch of CloudEvents" if "batch" in kind else "no CloudEvent as JSON"
        raise ValueError(f"content-type {kind[:60]!r} is {what}: send each event as a record of its own, as JSON")
    if not attributes:
        return value
    for name in ("data", "data_base64", "datacontenttype"):
        if name in attributes:
            raise ValueError(f"header ce_{name} is not one of a binary CloudEvent")
    event: dict[str, str] = dict(attributes)
    if content_type is not None:
        event["datacontenttype"] = content_type
    if value:
        event["data_base64"] = base64.b64encode(value).decode("ascii")
    return _encode(event)


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"header {name[:60]} is not UTF-8 text") from None
