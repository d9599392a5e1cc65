"""Codecs and mappings by name, and mappings from files. A source is a codec (bytes to an object), then a mapping."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from streams.codec.cloudevents import cloudevent, structured
from streams.codec.cloudevents import envelope as cloudevent_envelope
from streams.codec.cloudtrail import cloudtrail, cloudtrail_envelope
from streams.codec.dex import dex, dex_envelope
from streams.codec.mapping import Mapping, MappingErrors, parse_mapping
from streams.codec.nft import nft, nft_envelope
from streams.codec.orders import orders, orders_envelope
from streams.errors import ConfigError
from streams.model.flow import Original
from streams.rules.document import line_of, read_document

Apply = Callable[[bytes], dict[str, Any]]
Envelope = Callable[[dict[str, Any]], dict[str, Any]]
Join = Callable[[bytes, Original], bytes]

#: How a payload is written. ``json``: as it is; ``avro`` needs its schemas, see ``streams.codec.avro``.
CODECS = ("json", "cloudevents", "avro")

#: What of a codec's, or a mapping's, payload stands in the record's headers: see ``Source.join``.
JOINS: dict[str, Join] = {"cloudevents": structured}

#: The mappings that come with Tocsin. None: the payload is the envelope.
MAPPINGS: dict[str, Apply | None] = {
    "json": None,
    "cloudtrail": cloudtrail,
    "cloudevents": cloudevent,
    "dex": dex,
    "nft": nft,
    "orders": orders,
}
_ENVELOPES: dict[str, Envelope] = {
    "cloudtrail": cloudtrail_envelope,
    "cloudevents": cloudevent_envelope,
    "dex": dex_envelope,
    "nft": nft_envelope,
    "orders": orders_envelope,
}


def source_mapping(documents: Apply | None, mapping: str | None) -> Apply | None:
    """What makes envelopes of payloads: ``documents`` (of a codec; None: of JSON), then the mapping called so.

    None where the payload is the envelope. Raises ConfigError as ``mapping_named_or_file`` does.
    """
    found = mapping_named_or_file(mapping) if mapping else None
    if documents is None or found is None:
        return documents or found
    envelope = found.envelope if isinstance(found, Mapping) else _ENVELOPES[str(mapping)]
    return lambda raw: envelope(documents(raw))


def mapping_named_or_file(text: str) -> Apply | None:
    """The mapping called ``text``, or the one in the YAML file at that path; None for native JSON.

    Raises ConfigError with all problems of the file, each with its line, or with the names there are.
    """
    if text in MAPPINGS:
        return MAPPINGS[text]
    if not _is_there(text):
        near = get_close_matches(text, MAPPINGS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(MAPPINGS)}; or give the path of a file"
        raise ConfigError(f"there is no mapping and no file called {text!r}", hint)
    return _from_file(Path(text))


def _is_there(text: str) -> bool:
    try:
        return bool(text.strip()) and Path(text).lstat() is not None
    except (OSError, ValueError):  # nothing there; a name no file can have
        return False


def _from_file(path: Path) -> Mapping:
    document, lines, unreadable = read_document(path, "holds no mapping: it is fields, such as `event_time: ts`")
    if unreadable:
        raise ConfigError("\n  ".join(map(str, unreadable)), "see streams/docs/schemas.md")
    try:
        return parse_mapping(document)
    except MappingErrors as errors:
        raise MappingErrors(list(errors.problems), lambda at: f"{path}:{line_of(lines, at)}: ") from None
