"""How records are written: the codecs of sources, the formats of outputs, and the registry both may need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streams.codec.registry import CODECS
from streams.codec.schema_registry import local_schema
from streams.config.settings import OUTPUTS, SchemaRegistry
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.config.load import _Section

FORMATS = ("json", "avro")
_IDS = 2**32


def schema_registry(block: _Section, base: Path) -> SchemaRegistry | None:
    """The block ``schema_registry``; None where there is none."""
    if not block.given:
        block.finish()
        return None
    url = block.text("url")
    if url and not _is_url(url):
        block.problem("url", "must be http://HOST or https://HOST, a path behind it or none, and no password in it")
    username, password = block.text("username", ""), block.secret("password", "")
    token = block.secret("token", "")
    if token and (username or password):
        block.problem("token", "stands instead of username and password, not beside them")
    elif bool(username) != bool(password):
        block.problem("password" if username else "username", "is missing: username and password go together")
    ca = _file(block, "ca", base)
    block.finish()
    return SchemaRegistry(url=url, username=username, password=password, token=token, ca=ca)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain and not re.search(r"\s", url)


def _file(block: _Section, name: str, base: Path) -> Path | None:
    text = block.text(name, "")
    if not text:
        return None
    path = base / Path(text).expanduser()
    if not path.is_file():
        block.problem(name, f"there is no file {path}")
    return path


def source_format(
    block: _Section, base: Path, registry: SchemaRegistry | None
) -> tuple[str, Path | None, dict[int, Path]]:
    """``codec``, ``schema`` and ``writers`` of a source; schemas are read, so that a bad one is told now."""
    codec = block.choice("codec", CODECS, "json")
    schema = _schema(block, "schema", block.text("schema", ""), base)
    writers = _writers(block, base)
    if codec != "avro":
        for name in ("schema", "writers"):
            if name in block.given:
                block.problem(name, f"is for codec: avro, and the codec is {codec}")
    elif registry is None and "schema" not in block.given and "writers" not in block.given:
        block.problem("codec", "avro needs a schema_registry, or schema: a file (see streams/docs/codecs.md)")
    return codec, schema, writers


def _writers(block: _Section, base: Path) -> dict[int, Path]:
    given = block.anything("writers", {})
    if not isinstance(given, dict):
        block.problem("writers", "must be files by the id of the schema, such as {7: audit-v1.avsc}")
        return {}
    found: dict[int, Path] = {}
    for key, text in given.items():
        if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key < _IDS:
            block.problem("writers", f"{key!r:.60} is not the id of a schema: a number from 0 to {_IDS - 1}")
        elif (path := _schema(block, f"writers.{key}", text, base)) is not None:
            found[key] = path
    return found


def _schema(block: _Section, name: str, text: object, base: Path) -> Path | None:
    if text == "":
        return None
    if not isinstance(text, str):
        block.problem(name, "must be the path of an .avsc file")
        return None
    path = base / Path(text).expanduser()
    try:
        local_schema(path)
    except ConfigError as error:
        block.problem(name, error.message)
    except ValueError:  # what no path can hold
        block.problem(name, "must be the path of an .avsc file")
    return path


def output_formats(block: _Section, registry: SchemaRegistry | None) -> dict[str, str]:
    """The block ``outputs``: topic to format."""
    read = {topic: block.choice(topic, FORMATS, "json") for topic in OUTPUTS}
    found = {topic: form for topic, form in read.items() if topic in block.given}
    for topic, form in found.items():
        if form == "avro" and registry is None:
            block.problem(topic, "avro needs a schema_registry: readers ask it for the schema")
    block.finish()
    return found
