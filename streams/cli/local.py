"""``tocsin local``: real servers on this machine, for development."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from streams.cli.context import LOCAL
from streams.local import servers


def _kinds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in value.split(",") if part.strip()) if value else tuple(servers.VARIABLES)
    for kind in chosen:
        if kind not in servers.VARIABLES:
            raise click.BadParameter(f"{kind!r} is none of {', '.join(servers.VARIABLES)}")
    return chosen


_only: Callable[[Any], Any] = click.option(
    "--only", "kinds", metavar="KIND,…", callback=_kinds, help="Of kafka, postgres, redis; all without it."
)


@click.group("local")
def command() -> None:
    """Kafka, PostgreSQL and Redis on this machine: real ones, from Docker or from pip.

    They stay when the command ends, keep their data under .tocsin/local in the working directory, and other tocsin
    commands started there find the Kafka by themselves.

    \b
    Examples:
      tocsin local up --only kafka
      tocsin local status
      tocsin local down --clean
    """


@command.command("up")
@_only
@click.option("--brokers", type=click.Choice(["1", "3"]), default="1", show_default=True, help="Of Kafka.")
def up(kinds: tuple[str, ...], brokers: str) -> None:
    """Start what does not run yet; prints the addresses as environment variables.

    \b
    Example:  export $(tocsin local up)
    """
    for kind in kinds:
        server = servers.provide(kind, LOCAL, brokers=int(brokers) if kind == "kafka" else 1)
        if server.origin != "environment" and server.brokers != int(brokers) and kind == "kafka":
            click.echo(
                f"a Kafka with {server.brokers} broker(s) runs already; `tocsin local down --clean` first", err=True
            )
        click.echo(f"{servers.VARIABLES[kind]}={server.address}")


@command.command("down")
@_only
@click.option("--clean", is_flag=True, help="Remove their data and logs too.")
def down(kinds: tuple[str, ...], clean: bool) -> None:
    """Stop them.

    \b
    Example:  tocsin local down --clean
    """
    for kind in reversed(kinds):
        was_running = servers.stop(kind, LOCAL, clean=clean)
        click.echo(f"{kind}: {'stopped' if was_running else 'was not running'}{', data removed' if clean else ''}")


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """Which run, and where.

    \b
    Example:  tocsin local status --json
    """
    found = {kind: servers.find(kind, LOCAL) for kind in servers.VARIABLES}
    if as_json:
        click.echo(json.dumps({kind: asdict(server) if server else None for kind, server in found.items()}, indent=1))
        return
    for kind, server in found.items():
        where = f"{server.address}  ({server.origin}; {server.directory})" if server else "not running"
        click.echo(f"{kind:<9} {where}")
