"""What the tests of the Sigma import share: rules from short texts, and events held against what they become."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from streams.detect.registry import KINDS
from streams.model import Source
from streams.rules.compiled import compiled
from streams.rules.load import ruleset_from_documents
from streams.rules.proving import UNPROVEN
from streams.rules.sigma.importing import Imported, import_rules
from streams.rules.sigma.mapping import FieldMapping, parse_mapping

AUDIT = Source("audit", "audit.events")


def imported(text: str, mapping: dict[str, Any] | None = None, **more: Any) -> Imported:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rule.yml"
        file.write_text(text, encoding="utf-8")
        return import_rules([file], parse_mapping(mapping, **more) if mapping else FieldMapping(**more))


def rule_text(detection: str, *, condition: str = "sel", more: str = "") -> str:
    """A Sigma rule around the block ``sel`` of a detection, or around several blocks."""
    blocks = detection if detection.lstrip().startswith("sel") else f"sel: {detection}"
    body = "\n".join(f"  {line}" for line in blocks.strip().splitlines())
    return f"title: a rule\nlogsource: {{product: aws}}\ndetection:\n{body}\n  condition: {condition}\n{more}"


def document_of(text: str, mapping: dict[str, Any] | None = None) -> dict[str, Any]:
    found = imported(text, mapping)
    assert not found.refused, found.refused
    ((_, document),) = found.rules
    return document


def matches(document: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether the compiled program lets the event through to the rule."""
    program = compiled(ruleset_from_documents([{**document, "tests": UNPROVEN}], KINDS), AUDIT)
    return bool(program.match(program.decode(msgspec.json.encode({"event_time": 0, **event}))))
