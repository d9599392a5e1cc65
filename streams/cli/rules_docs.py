"""``tocsin rules reference``: the language as the code knows it."""

from __future__ import annotations

from collections.abc import Mapping

import click
import msgspec

from streams.reference.committed import DOCS, write_into
from streams.reference.page import page
from streams.reference.schema import rule_schema


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
    for path in write_into(DOCS, files):
        click.echo(path)
