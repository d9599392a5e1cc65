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
from streams.codec.sshd import beginning, sshd, sshd_envelope
from streams.errors import ConfigError
from streams.model.decode import decode_full
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
    "sshd": sshd,
}
_ENVELOPES: dict[str, Envelope] = {
    "cloudtrail": cloudtrail_envelope,
    "cloudevents": cloudevent_envelope,
    "dex": dex_envelope,
    "nft": nft_envelope,
    "orders": orders_envelope,
    "sshd": sshd_envelope,
}
#: Mappings that take a setting behind a colon, as in ``sshd:2015-12``. Raises ValueError for one that is none.
_WITH_SETTING: dict[str, Callable[[str], Envelope]] = {"sshd": beginning}


def source_mapping(documents: Apply | None, mapping: str | None) -> Apply | None:
    """What makes envelopes of payloads: ``documents`` (of a codec; None: of JSON), then the mapping called so.

    None where the payload is the envelope. Raises ConfigError as ``mapping_named_or_file`` does.
    """
    found = mapping_named_or_file(mapping) if mapping else None
    if documents is None or found is None:
        return documents or found
    envelope = found.envelope if isinstance(found, Mapping) else _ENVELOPES.get(str(mapping)) or _set(str(mapping))
    assert envelope is not None  # or it would not have been found above
    return lambda raw: envelope(documents(raw))


def mapping_named_or_file(text: str) -> Apply | None:
    """The mapping called ``text``, or the one in the YAML file at that path; None for native JSON.

    Raises ConfigError with all problems of the file, each with its line, or with the names there are.
    """
    if text in MAPPINGS:
        return MAPPINGS[text]
    if (envelope := _set(text)) is not None:
        return lambda raw: envelope(decode_full(raw))
    if not _is_there(text):
        near = get_close_matches(text, MAPPINGS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(MAPPINGS)}; or give the path of a file"
        raise ConfigError(f"there is no mapping and no file called {text!r}", hint)
    return _from_file(Path(text))


def _set(text: str) -> Envelope | None:
    """The mapping ``NAME:SETTING``; None where no such mapping takes a setting. Raises ConfigError for a wrong one."""
    name, colon, setting = text.partition(":")
    if not colon or name not in _WITH_SETTING:
        return None
    try:
        return _WITH_SETTING[name](setting)
    except ValueError as error:
        raise ConfigError(f"mapping {text[:60]!r}: {error}") from None


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
