"""Mappings by name, and from files."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from streams.codec.cloudtrail import cloudtrail
from streams.codec.mapping import Mapping, MappingErrors, parse_mapping
from streams.errors import ConfigError
from streams.rules.document import line_of, read_document

Apply = Callable[[bytes], dict[str, Any]]

#: The mappings that come with Tocsin. None: the payload is the envelope.
MAPPINGS: dict[str, Apply | None] = {
    "json": None,
    "cloudtrail": cloudtrail,
}


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
