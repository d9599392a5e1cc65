"""``tocsin run``: a worker."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import click
from msgspec import structs

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.topic_schemas import wire_of
from streams.config import Config, event_sources
from streams.config.rules import with_overrides, written_rules
from streams.config.settings import ROLES
from streams.errors import ConfigError
from streams.telemetry import configure_logging

if TYPE_CHECKING:
    from streams.runtime.app import Companion


@click.command("run")
@click.option("--roles", help="Comma-separated, of detect, alert, deliver, api; all by default.")
@click.option("--worker-id", help="This worker's stable name; by default its ordinal, or the first free lock.")
@click.option("--port", type=int, help="For /livez, /readyz and /metrics; 0 takes a free one.")
@click.option("--no-http", is_flag=True, help="No endpoints.")
@click.option("--watch-rules", is_flag=True, help="Bring the configured rule files into force whenever they change.")
def command(roles: str | None, worker_id: str | None, port: int | None, no_http: bool, watch_rules: bool) -> None:
    """Run a worker until SIGTERM or Ctrl-C.

    Start as many as you like: partitions are shared out among them. Exit status 70: a runtime error, start it again;
    71: another process has this worker's id, back off; 72: the group gave its partitions away; 73: log and state
    disagree, look; 74: it was stuck.

    \b
    Examples:
      tocsin run
      tocsin run --roles detect --worker-id 3
      tocsin run --watch-rules
    """
    config = get_config()
    configure_logging(config.log.level, config.log.format)
    chosen = frozenset(roles.replace(" ", "").split(",")) if roles else frozenset(config.roles)
    if unknown := chosen - set(ROLES):
        raise ConfigError(f"unknown role {', '.join(sorted(unknown))}", f"choose from {', '.join(ROLES)}")
    if roles and "api" in chosen and not config.api.wanted:
        raise ConfigError("the role api has nobody to serve", "add `api: {keys: [{name: …, key: env:…, tenant: …}]}`")
    admin(config)  # one clear message where Kafka cannot be reached
    config = structs.replace(config, watch_rules=watch_rules or config.watch_rules)
    _run(config, chosen, worker_id, None if no_http else config.http.port if port is None else port)


def _run(config: Config, roles: frozenset[str], worker: str | None, port: int | None) -> None:
    # Faust takes a second to import: only for those who run a worker.
    from connectors.registry import parse_sinks
    from streams.replay.rules.cases import passing
    from streams.runtime.app import Settings, Worker
    from streams.runtime.names import worker_id
    from streams.runtime.timing import Timing

    detect = config.detect
    sources = event_sources(config)
    by_name = {source.name: source for source in sources}
    settings = Settings(
        options=kafka_options(config),
        names=names_of(config),
        worker=worker_id(
            worker or config.worker_id or os.environ.get("TOCSIN_WORKER_ID"), config.data_dir, socket.gethostname()
        ),
        roles=roles,
        sources=sources,
        ruleset=with_overrides(config, written_rules(config)),
        watched=config.rules if config.watch_rules else (),
        load=lambda: with_overrides(config, passing(written_rules(config), by_name)),
        policy=config.policy,
        sinks=parse_sinks(list(config.sinks)),
        host=config.http.host,
        port=port,
        data_dir=config.data_dir,
        max_keys=detect.max_keys,
        stall_after=detect.stall_after / 1000,
        wire=wire_of(config),
        companions=_companions(config, roles),
        timing=Timing(
            linger=detect.idle_commit_ms / 1000,
            pause=detect.min_commit_ms / 1000,
        ),
    )
    Worker(settings).run()


def _companions(config: Config, roles: frozenset[str]) -> dict[str, Companion]:
    """The API, where somebody can use it."""
    if "api" not in roles or not config.api.wanted:
        return {}
    from streams.api.app import Server

    return {"api": Server(config, kafka_options(config), names_of(config))}
