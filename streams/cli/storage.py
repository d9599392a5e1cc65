"""``tocsin storage``: look after the storages of the configuration."""

from __future__ import annotations

import json
import os

import click

from connectors.base import Kind, SinkBroken
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkConfig, parse_sinks
from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.codec.outputs import Wire
from streams.config import Config, registry_of
from streams.errors import ConfigError, TocsinError
from streams.runtime.rebuild import rebuild


@click.group("storage")
def command() -> None:
    """Look after the storages: the sinks of type sqlite, postgres and redis."""


@command.command("rebuild")
@click.option("--sink", required=True, metavar="NAME", help="The storage, as it is called in the configuration.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def rebuild_(sink: str, as_json: bool) -> None:
    """Fill a storage again from its topics: a Redis that was flushed, a database that was restored from a copy.

    Workers may go on meanwhile: an older version never replaces a newer one, and no offsets are touched. An archive
    cannot be rebuilt so; `tocsin archive verify` looks after it.

    \b
    Example:  tocsin storage rebuild --sink cache
    """
    config = get_config()
    chosen = _storage(config, sink)
    admin(config)  # one clear message where Kafka cannot be used
    secrets = Secrets(os.environ)
    context = SinkContext(chosen.name, config.data_dir, secrets, chosen.policy.timeout_ms)
    try:
        done = rebuild(chosen, context, kafka_options(config), names_of(config), Wire(registry_of(config)))
    except SinkBroken as error:
        raise TocsinError(secrets.redact(error.message), error.hint) from None
    if as_json:
        click.echo(json.dumps({"sink": sink, "stored": done.stored, "refused": done.refused}))
    else:
        click.echo(f"{sink}: {done.stored:,} records stored, {done.refused:,} refused")


def _storage(config: Config, name: str) -> SinkConfig:
    storages = [one for one in parse_sinks(list(config.sinks)) if one.kind is Kind.STORAGE and one.type != "archive"]
    for one in storages:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in storages) or "none"
    raise ConfigError(f"there is no storage called {name!r} that can be rebuilt", f"there are: {known}")
