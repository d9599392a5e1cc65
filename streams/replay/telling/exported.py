"""Alerts that somebody exported, as what ALERT would have been given: each opens, gets worse, and ends when it did.

An export has less than the log: of an alert that came back only the last time. Where the log is still there, that is
exact, and this is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.errors import ConfigError
from streams.model import Action, Command, Disposition, Finding, severity_rank
from streams.replay.files import open_file
from streams.replay.routes.given import parse_alert
from streams.replay.spool import Spool, Waiting
from streams.route.oncall import parse_moment
from streams.rules.durations import shown
from streams.rules.problems import BlockErrors

_NEVER_AGAIN: Final = 3650 * 86_400_000  #: an alert of an export is folded with no other
_HINT = "a line is an alert as `tocsin alerts list --json` or `alerts show --history --json` writes it"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Version:
    """``fields``: those of a finding that opens such an alert; times in ms."""

    number: int
    fields: Mapping[str, Any]
    created: int
    updated: int
    acknowledged: tuple[int, str] | None
    closed: tuple[int, str] | None
    disposition: str


@dataclass(frozen=True, slots=True)
class Exported:
    """``spool``: what ALERT is given, in order of time. ``first`` and ``last``: ms. ``own``: how many are the engine's
    own (incidents, storms, reminders) and are left out: it makes them again.
    """

    spool: Spool
    alerts: int
    own: int
    first: int
    last: int


def exported(path: Path) -> Exported:
    """Alerts of a file of JSON lines, plain or packed, or of Parquet; several versions of one alert are one.

    Raises ConfigError with file and line for a line that is no alert, and for a file without any.
    """
    versions: dict[str, dict[int, _Version]] = {}
    own: set[str] = set()
    for line in open_file(path).lines():
        try:
            identity, version = _version(line.value)
        except ValueError as error:
            raise ConfigError(f"{path}:{line.number}: {error}", _HINT) from None
        if str(version.fields["rule"]).startswith("tocsin."):
            own.add(identity)
        else:
            versions.setdefault(identity, {})[version.number] = version
    if not versions:
        raise ConfigError(f"{path} holds no alert", _HINT)
    records = [
        record
        for identity, known in versions.items()
        for record in _records(identity, [known[number] for number in sorted(known)])
    ]
    records.sort(key=lambda record: record[:3])
    spool = Spool()
    for at, _, _, record in records:
        spool.add(Waiting(at, b"", _encode(record)))
    return Exported(spool, len(versions), len(own), records[0][0], records[-1][0])


def _version(raw: bytes) -> tuple[str, _Version]:
    """Raises ValueError."""
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(document, dict):
        raise ValueError(f"is no alert: {shown(document)}")
    identity = document.get("id")
    if not isinstance(identity, str) or not identity:
        raise ValueError("is no alert: it has no id")
    try:
        fields = parse_alert({name: value for name, value in document.items() if name not in ("first", "last")})
        created = parse_moment(document.get("created_at"))
        number = document.get("version", 1)
        made = _Version(
            number if isinstance(number, int) else 1, fields, created, _moment(document, "updated_at") or created,
            _by(document, "acknowledged"), _by(document, "resolved"), _word(document.get("disposition")),
        )  # fmt: skip
        for _ in _records(identity, [made]):
            pass  # that all of it can be given to ALERT is found out here, where the line is known
        return identity, made
    except BlockErrors as errors:
        problems = "; ".join(f"{where}: {text}" for where, text in errors.problems)
        raise ValueError(f"alert {identity[:40]}: {problems}") from None
    except ValueError as error:
        raise ValueError(f"alert {identity[:40]}: {error}") from None


def _moment(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    return None if value is None else parse_moment(value)


def _word(disposition: Any) -> str:
    return disposition if isinstance(disposition, str) and disposition in set(Disposition) else ""


def _by(document: Mapping[str, Any], what: str) -> tuple[int, str] | None:
    at = _moment(document, f"{what}_at")
    return None if at is None else (at, str(document.get(f"{what}_by") or "somebody"))


def _records(identity: str, versions: list[_Version]) -> Iterator[tuple[int, str, int, Finding | Command]]:
    """(at, id, order, record): opened with the first version that is known, worse with those that were."""
    worst = 0
    for n, one in enumerate(versions):
        rank = severity_rank(one.fields["severity"])
        if rank > worst:
            worst, at = rank, one.created if n == 0 else one.updated
            yield at, identity, n, _finding(identity, one, n, at)
    last = versions[-1]
    tenant = last.fields["tenant"]
    if last.acknowledged is not None:
        at, by = last.acknowledged
        yield at, identity, len(versions), _command(identity, tenant, Action.ACKNOWLEDGE, at, by)
    if last.closed is not None:
        at, by = last.closed
        yield at, identity, len(versions) + 1, _command(identity, tenant, Action.RESOLVE, at, by, last.disposition)


def _finding(identity: str, one: _Version, n: int, at: int) -> Finding:
    document: dict[str, Any] = {
        "id": f"{identity}-{n}", "kind": "fire", "rule_version": "", "ruleset": "", "alert_id": identity,
        "event_time": one.created, "position": f"exported/0/{n}", "fingerprint": {"exported": identity},
        "cooldown": _NEVER_AGAIN, **one.fields,
    }  # fmt: skip
    return msgspec.convert(document, Finding)


def _command(identity: str, tenant: str, action: Action, at: int, by: str, disposition: str = "") -> Command:
    return Command(
        id=f"{identity}-{action.value}", action=action, alert_id=identity, tenant=tenant, by=by, at=at,
        disposition=disposition,
    )  # fmt: skip
