"""A rule's document as YAML that reads back as the same document, types and all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from streams.rules.document import parse_document

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*|[0-9]+(?:ms|s|m|h|d|w)")
#: Words that some reader of YAML takes for something else than text.
_TAKEN = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"])


class _Dumper(yaml.SafeDumper):
    """Quotes whatever could be read as something else, by 1.1 or 1.2."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text)
    style = "|" if "\n" in text and text.isascii() and all(line == line.rstrip() for line in text.split("\n")) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def written(document: Mapping[str, Any]) -> str:
    """The text of a rule file. Raises ValueError for a document that YAML cannot carry."""
    text = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    if parse_document(text.encode())[0] != document:
        raise ValueError("the rule cannot be written as YAML that reads back the same")
    return text
