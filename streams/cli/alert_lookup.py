"""Where commands find alerts: the SQLite storage of the configuration, or else the alerts topic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.notifiers.console import plain
from connectors.registry import parse_sinks
from connectors.storage.sqlite_reader import find_alerts, newest_alerts, read_versions
from streams.alerts.case import OPEN
from streams.alerts.subject import Subject
from streams.cli.context import admin, kafka_options, names_of
from streams.config import Config, registry_of
from streams.errors import ConfigError, TocsinError
from streams.model import Alert
from streams.route.matchers import Matcher, all_hold, parse_matcher

if TYPE_CHECKING:
    from streams.runtime.commands import Desk


def storage_path(config: Config) -> Path | None:
    """The file of the first sqlite sink; None where none is configured."""
    for sink in parse_sinks(list(config.sinks)):
        if sink.type == "sqlite":
            return config.data_dir / Path(sink.options.path)
    return None


def desk(config: Config) -> Desk:
    """Work on the cluster; with one clear message where Kafka cannot be reached."""
    from streams.codec.outputs import Wire
    from streams.runtime.commands import Desk

    admin(config)
    return Desk(kafka_options(config), names_of(config), Wire(registry_of(config)))


def find(config: Config, alert_id: str, history: bool = False) -> list[tuple[Alert, str]]:
    """The versions of an alert with their positions, or just the last: from the storage if it knows it, else from the
    topic. An id may be cut short where the storage knows only one that begins so.
    """
    path = storage_path(config)
    if path is not None and path.is_file():
        found = find_alerts(path, alert_id)
        if len(found) > 1:
            ids = ", ".join(alert.id for alert in found)
            raise TocsinError(f"more than one alert begins with {plain(alert_id, 80)}: {ids}", "give more of the id")
        if found:
            versions = read_versions(path, found[0].id)
            return versions if history else versions[-1:]
    versions = desk(config).versions(alert_id)
    if not versions:
        raise TocsinError(
            f"there is no alert {plain(alert_id, 80)}",
            "a shortened id is only known to the storage; `tocsin alerts list` shows what there is",
        )
    return versions if history else versions[-1:]


def latest(config: Config, tenant: str | None = None, since: int = 0) -> list[Alert]:
    """The newest version of every alert created from ``since`` (ms) on, oldest first."""
    path = storage_path(config)
    if path is not None and path.is_file():
        return newest_alerts(path, tenant=tenant, since=since)
    found = [versions[-1] for versions in desk(config).alerts().values()]
    kept = [one for one in found if one.created_at >= since and tenant in (None, one.tenant)]
    return sorted(kept, key=lambda one: (one.created_at, one.id))


def matchers(texts: Sequence[str]) -> tuple[Matcher, ...]:
    """What ``--where`` was given. Raises ConfigError that names the one that is wrong."""
    read = []
    for text in texts:
        try:
            read.append(parse_matcher(text))
        except ValueError as error:
            raise ConfigError(f"--where {error}", "quote it for the shell: --where 'severity=\"low\"'") from None
    return tuple(read)


def matching(
    where: Sequence[Matcher], tenant: str | None, every_tenant: bool, want_closed: bool | None, config: Config
) -> list[Alert]:
    """Alerts for which all matchers hold: open ones (``want_closed``: closed ones; None: either), unless a matcher
    names the status. Of several tenants only where that is said: a slip must not reach those of another.
    """
    named = any(matcher.path == "status" for matcher in where)
    alerts = [
        alert
        for alert in latest(config, tenant)
        if (named or want_closed is None or (alert.status not in OPEN) is want_closed)
        and all_hold(where, Subject(alert))
    ]
    tenants = sorted({alert.tenant for alert in alerts})
    if len(tenants) > 1 and not every_tenant:
        names = ", ".join(plain(name, 40) for name in tenants[:5]) + (", …" if len(tenants) > 5 else "")
        raise TocsinError(
            f"--where holds for alerts of {len(tenants)} tenants: {names}", "give --tenant, or --every-tenant"
        )
    return alerts
