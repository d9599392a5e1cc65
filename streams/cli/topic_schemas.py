"""``tocsin topics schemas``: our schemas at the schema registry."""

from __future__ import annotations

import json

import click

from streams.cli.context import get_config, names_of
from streams.codec.outputs import RECORDS, Wire, encoders, schema_text, subject_of
from streams.codec.schema_registry import Refused
from streams.config import Config, registry_of
from streams.errors import ConfigError, TocsinError


@click.command("schemas")
@click.option("--register", is_flag=True, help="Register what is not there.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def schemas_(ctx: click.Context, register: bool, as_json: bool) -> None:
    """Our schemas at the registry, for the topics that `outputs` says are Avro; for all three if it says nothing.

    Exit status 1 if one is not registered.

    \b
    Example:  tocsin topics schemas --register
    """
    config = get_config(ctx)
    registry = registry_of(config)
    if registry is None:
        raise ConfigError("no schema_registry is configured", "see streams/docs/codecs.md")
    rows: list[dict[str, object]] = []
    for topic, there in (_avro(config) or _all(config)).items():
        subject, text = subject_of(there), schema_text(topic)
        schema_id = registry.id_of(subject, text)
        new = schema_id is None and register
        if new:
            try:
                schema_id = registry.register(subject, text)
            except Refused as error:
                raise TocsinError(
                    f"{registry.url} refuses the schema of {subject}: {error}",
                    "see what is registered there; another application may use the subject",
                ) from None
        rows.append({"topic": there, "subject": subject, "id": schema_id, "new": new})
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        for row in rows:
            state = "not registered" if row["id"] is None else f"id {row['id']}"
            click.echo(f"{row['subject']}: {state}{', registered now' if row['new'] else ''}")
    ctx.exit(1 if any(row["id"] is None for row in rows) else 0)


def wire_of(config: Config) -> Wire:
    """How records of our topics are written and read. Raises ConfigError where a schema of ours is not registered."""
    registry, wanted = registry_of(config), _avro(config)
    return Wire(registry, encoders(registry, wanted) if registry is not None and wanted else {})


def _avro(config: Config) -> dict[str, str]:
    return {topic: there for topic, there in _all(config).items() if config.outputs.get(topic) == "avro"}


def _all(config: Config) -> dict[str, str]:
    names = names_of(config)
    return {topic: names.topic(topic) for topic in RECORDS}
