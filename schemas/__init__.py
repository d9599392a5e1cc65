"""The record contracts: Avro schemas per subject and version, examples, and the topics as data.

Records are JSON; the schemas say what may stand in them (``schemas/validation.py``: how Avro stands for JSON). A change
begins here: a new ``v<n>.avsc``, its examples, then the code. ``python -m schemas.compatibility`` guards the old ones.
"""

from __future__ import annotations

from typing import Any

from schemas.library import Library, checked
from schemas.topics import TopicSpec, topic_specs
from schemas.validation import problems

__all__ = ["Library", "TopicSpec", "load", "subjects", "topic_specs", "validate", "versions"]

_library = Library()


def subjects() -> tuple[str, ...]:
    """Every subject: the kinds of records there are."""
    return _library.subjects()


def versions(subject: str) -> tuple[int, ...]:
    """The versions of a subject, lowest first. Raises LookupError for an unknown one."""
    return _library.versions(subject)


def load(subject: str, version: int | None = None) -> dict[str, Any] | list[Any]:
    """The schema, self-contained and parsed by fastavro; the newest version. Raises LookupError for an unknown one."""
    return _library.load(subject, version)


def validate(subject: str, record: Any, version: int | None = None) -> list[str]:
    """Everything that is wrong with a record, as ``path: message``; empty: it is valid.

    Never raises for a record, however odd; LookupError for an unknown subject or version.
    """
    schema, names = checked(_library, subject, version)
    return problems(schema, names, record)
