"""``tocsin rules reference``: the language as the code knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import msgspec

import streams
from streams.errors import ConfigError
from streams.reference.page import page
from streams.reference.schema import rule_schema

#: Where the generated files are kept in a checkout.
DOCS: Final = Path(streams.__file__).parent / "docs"


def generated() -> Mapping[str, str]:
    """The generated files by their names in ``streams/docs``."""
    schema = msgspec.json.format(msgspec.json.encode(rule_schema()), indent=2).decode()
    return {"reference.md": page(), "rule.schema.json": schema + "\n"}


@click.command("reference")
@click.option("--schema", is_flag=True, help="A JSON Schema of rule files, for editors, in place of the page.")
@click.option("--write", is_flag=True, help="Write both into streams/docs of a checkout.")
def command(schema: bool, write: bool) -> None:
    """Print the reference of the rule language: every key, operator, kind, option, default, and examples.

    \b
    Examples:
      tocsin rules reference | less
      tocsin rules reference --schema > rule.schema.json
    Editors check a rule by the schema that begins with
      # yaml-language-server: $schema=./rule.schema.json
    """
    files = generated()
    if not write:
        click.echo(files["rule.schema.json" if schema else "reference.md"], nl=False)
        return
    for name, text in files.items():
        try:
            (DOCS / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"{DOCS / name}: cannot be written: {error.strerror}", "--write is for checkouts"
            ) from None
        click.echo(DOCS / name)
