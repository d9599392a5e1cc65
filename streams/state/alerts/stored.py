"""How the state of the alert stage stands in its changelog: typed keys, and alerts with what is kept beside them."""

from __future__ import annotations

from typing import Final

import msgspec

from streams.alerts.case import Case
from streams.alerts.memory import Memory
from streams.errors import StateMismatch
from streams.state.alerts import rates, reminding, tray

FORMAT: Final = 2
_OURS: Final = b'{"v":%d,' % FORMAT  #: how a ``Memory`` begins
_NAMES: Final = {"alert": 1, tray.TABLE: 1, rates.TABLE: 2, reminding.TABLE: 1}

_encode = msgspec.json.Encoder().encode


class _Version(msgspec.Struct):
    v: int


class _Raw(msgspec.Struct):
    alert: msgspec.Raw


def memory_of(case: Case, alert: bytes) -> bytes:
    """What is stored of a case whose alert is this JSON."""
    return _encode(Memory(
        v=FORMAT, alert=msgspec.Raw(alert), findings=tuple(case.findings), commands=tuple(case.commands),
        timers=case.timers, held=tuple(case.held), resolve_after=case.resolve_after, began=case.began,
        leveled=case.leveled, entity=case.entity, heard=tuple(case.heard), limits=case.limits,
    ))  # fmt: skip


def alert_in(value: bytes) -> msgspec.Raw:
    """The alert in a stored value, as JSON."""
    return msgspec.json.decode(value, type=_Raw).alert


def check_format(value: bytes, where: str) -> None:
    """Raises StateMismatch for a value of another program."""
    version = FORMAT if value.startswith(_OURS) else msgspec.json.decode(value, type=_Version).v
    if version != FORMAT:
        raise StateMismatch(
            f"{where}: an alert is stored in format {version}, this program reads {FORMAT}",
            "run the program that wrote it, or a newer one",
        )


def names_of(key: bytes, where: str) -> tuple[str, list[str]]:
    """The table and the names of a changelog key. Raises StateMismatch for one that is none of ours."""
    try:
        table, *names = msgspec.json.decode(key, type=list[str])
    except (msgspec.MsgspecError, ValueError):
        table, names = "", []
    if len(names) != _NAMES.get(table):
        raise StateMismatch(f"{where}: {key[:100]!r} in the changelog is no key of ours")
    return table, names
