"""What ``tocsin silences`` and ``tocsin maintenance`` share: what stands on the cluster, and writing one more of it."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.markup import escape
from rich.table import Table

from streams.cli.alert_lookup import latest
from streams.cli.context import get_config, kafka_options, names_of
from streams.cli.printing import line
from streams.errors import ConfigError
from streams.model import Alert, Status
from streams.replay.moments import parse_moment
from streams.replay.report import console_for_tables
from streams.rules.durations import parse_duration
from streams.runtime.control import POLICY, ControlReader, part_record, publish

Documents = dict[str, dict[str, Any]]
_OPEN = (Status.ACTIVE, Status.ACKNOWLEDGED, Status.SNOOZED)


def standing(reader: ControlReader, kind: str, section: str) -> tuple[Documents, frozenset[str]]:
    """All of a kind that the log knows, by id, and which of them stand in the policy, not in a record of their own."""
    records = reader.current.records
    own = {name.partition("/")[2]: document for name, document in records.items() if name.startswith(f"{kind}/")}
    policy = records.get(POLICY, {}).get(section) or {}
    written: Documents = {str(identity): document for identity, document in policy.items() if identity not in own}
    return written | own, frozenset(written)


def one_of(reader: ControlReader, kind: str, section: str, identity: str) -> dict[str, Any]:
    """The document of a record of its own. Raises ConfigError that says where else to look."""
    documents, in_policy = standing(reader, kind, section)
    if identity not in documents:
        raise ConfigError(f"there is no {kind} {identity!r:.100}", f"`tocsin {section} list --all` names them all")
    if identity in in_policy:
        raise ConfigError(f"{kind} {identity} stands in the policy", f"change {section}.{identity} there, and apply it")
    return documents[identity]


def write(reader: ControlReader, kind: str, identity: str, document: dict[str, Any]) -> tuple[bool, int]:
    """Bring it into force, unless it is so already; whether anything changed, and the control position."""
    current = reader.current
    if current.records.get(f"{kind}/{identity}") == document:
        return False, current.position
    config = get_config()
    position = publish(kafka_options(config), names_of(config), [part_record(kind, identity, document)])
    reader.wait_for(lambda state: state.position >= position)
    return True, position


def new_id(comment: str) -> str:
    """Readable, short, and not taken: ``planned-import-3f9c``."""
    words = re.sub(r"[^a-z0-9]+", "-", comment.lower()).strip("-")
    return f"{words[:24].strip('-') or 'silence'}-{uuid.uuid4().hex[:4]}"


def moment(name: str, text: str, zone: str = "UTC") -> int:
    """ms of an RFC 3339 time, or of one without an offset on the clock of ``zone``."""
    try:
        naive = datetime.fromisoformat(text)
        if naive.tzinfo is None:
            return int(naive.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
        return parse_moment(text)
    except (ValueError, LookupError, OSError, OverflowError):
        raise click.UsageError(
            f"{name}: {text!r} is no time of {zone}: write 2026-07-05T02:00, or 2026-07-05T02:00:00Z"
        ) from None


def duration(name: str, text: str) -> int:
    """ms of ``2h``."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None


def open_alerts(tenant: str = "") -> list[Alert]:
    """The latest version of every alert nobody has closed."""
    return [alert for alert in latest(get_config(), tenant or None) if alert.status in _OPEN]


def hidden(alerts: list[Alert], stage: str) -> dict[str, int]:
    """How many alerts each silence or window hides at present, as the alerts themselves say."""
    counts: dict[str, int] = {}
    for alert in alerts:
        for one in alert.suppressed:
            if one.stage == stage:
                counts[one.by] = counts.get(one.by, 0) + 1
    return counts


def table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """For people: an empty cell for what there is not."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", justify="right" if column == "hides" else "left")
    for row in rows:
        made.add_row(*(escape(_cell(cell)) for cell in row))
    console_for_tables().print(made)


def listing(
    kind: str, rows: list[dict[str, Any]], in_policy: frozenset[str], columns: tuple[str, ...], *,
    between: str, as_json: bool, nothing: str,
) -> None:  # fmt: skip
    """What there is of a kind, with how many open alerts each hides at present, and where it stands."""
    hides = hidden(open_alerts(), kind) if rows else {}
    rows = [
        row | {"hides": hides.get(row["id"], 0), "where": "policy" if row["id"] in in_policy else "record"}
        for row in rows
    ]
    if as_json:
        for row in rows:
            line(row)
    elif rows:
        cells = [[between.join(row[n]) if isinstance(row[n], list) else row[n] for n in columns] for row in rows]
        table(columns, [tuple(each) for each in cells])
    else:
        click.echo(nothing)


def alert_rows(alerts: list[Alert]) -> None:
    table(
        ("id", "severity", "status", "tenant", "rule", "title"),
        [(one.id[:12], one.severity.value, one.status.value, one.tenant, one.rule, one.title) for one in alerts],
    )


def _cell(value: Any) -> str:
    from connectors.notifiers.console import plain

    return "" if value is None else plain(str(value), 200)
