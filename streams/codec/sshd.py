"""Lines of sshd's log, written as JSON, to the envelope. All of the record stays reachable under its own names.

Taken are the journal's export (``MESSAGE``, ``__REALTIME_TIMESTAMP``, ``_HOSTNAME``), records of shippers (a message
with a time, a host, a program), whole syslog lines in such a record, and records somebody has already split into user,
address and result. What another program wrote is an event of type ``syslog``. There is no tenant unless the record
names one. ``sshd:2015-12`` is this mapping for lines without a year that begin in December 2015 and end before December
2016; without it such a line gets the year of another time of its record, else the time of the Kafka record.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from streams.codec.overlay import laid_over
from streams.codec.sshd_messages import said
from streams.codec.sshd_times import Month, Yearless, instant, moment, nearest
from streams.model.decode import decode_full

_MESSAGES = ("MESSAGE", "message", "msg", "log", "Content", "content", "event.original", "line")
_TIMES = ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP", "event_time", "timestamp", "@timestamp", "time", "ts",
          "datetime", "date")  # fmt: skip
_HOSTS = ("_HOSTNAME", "hostname", "host.name", "host", "Component", "agent.hostname")
_PROGRAMS = ("SYSLOG_IDENTIFIER", "program", "process.name", "process", "ident", "appname", "app_name", "tag")
_PIDS = ("_PID", "SYSLOG_PID", "pid", "process.pid", "proc_id", "procid", "Pid")
_IDS = ("event_id", "__CURSOR", "_id")
_USERS = ("user", "username", "user.name", "user_name", "actor", "ruser", "account")
_ADDRESSES = ("src_ip", "source_ip", "rhost", "ip", "source.ip", "client_ip", "remote_addr", "remote_ip", "srcip")
_PORTS = ("port", "src_port", "source_port", "source.port")
_METHODS = ("method", "auth_method", "authmethod")
_RESULTS = ("outcome", "event.outcome", "result", "status", "event", "event_type", "action", "type")
_PROGRAM = re.compile(r"sshd(-session|-auth)?", re.ASCII)
_SYSLOG = re.compile(
    r"(?:<\d{1,3}>)?(?:1 )?(?P<time>[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d+)?"
    r"|\d{4}-\d\d-\d\d[T ]\S+)"
    r" (?P<host>\S+) (?P<program>[\w./-]+?)(?:\[(?P<pid>\d+)\]:| (?P<pid5>\d+|-) \S+ (?:-|\[.*?\])|:) (?P<message>.*)",
    re.DOTALL,
)


def sshd(raw: bytes) -> dict[str, Any]:
    """The envelope of one line. Raises ValueError for what holds none, or a time that cannot be read."""
    return sshd_envelope(decode_full(raw))


def sshd_envelope(record: dict[str, Any]) -> dict[str, Any]:
    """The same, of a decoded record."""
    return _envelope(record, None)


def beginning(month: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The same for lines without a year of the twelve months from ``month`` on, ``2015-12``. Raises ValueError."""
    first = Month.of(month)
    return lambda record: _envelope(record, first)


def _envelope(record: dict[str, Any], first: Month | None) -> dict[str, Any]:
    line = _line(record)
    header = _SYSLOG.fullmatch(line.strip()) if line is not None else None
    message = header["message"] if header else line
    program = (header["program"] if header else None) or _text(record, _PROGRAMS)
    found: dict[str, Any] = {}
    if program is not None and not _PROGRAM.fullmatch(program.rpartition("/")[2].partition("[")[0].removesuffix(":")):
        found = {"type": "syslog", "action": "log", "program": program}
    else:
        found = said(message) if message is not None else {}
        if found.get("type", "ssh.other") == "ssh.other":
            found = _split(record) or found
    if not found:
        raise ValueError("not a line of sshd: it has no message, and no user, address or result")
    host = (header["host"] if header else None) or _text(record, _HOSTS)
    pid = (header["pid"] or header["pid5"] if header else None) or _first(record, _PIDS)
    mapped = {
        "event_id": _text(record, _IDS),
        "event_time": _time(record, header["time"] if header else None, first),
        "tenant": _text(record, ("tenant",)),
        "source": "sshd",
        "type": None, "action": None, "outcome": None, "actor": None, "source_ip": None, "repeat": None,
        "resource": host,
        "session": f"{host or ''}:{pid}" if isinstance(pid, (str, int)) and not isinstance(pid, bool) else None,
        **found,
    }  # fmt: skip
    return laid_over(record, mapped)


def _line(record: dict[str, Any]) -> str | None:
    """The message. The journal writes one that is not UTF-8 as a list of bytes."""
    raw = record.get("MESSAGE")
    if isinstance(raw, list) and all(type(byte) is int and 0 <= byte < 256 for byte in raw):
        return bytes(raw).decode("utf-8", "replace")
    return _text(record, _MESSAGES)


def _first(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these that is there, and neither null, empty, a list nor an object. A dot leads below an object."""
    for name in names:
        value = record.get(name)
        if value is None and "." in name:
            outer, _, inner = name.partition(".")
            parent = record.get(outer)
            value = parent.get(inner) if isinstance(parent, dict) else None
        if value is not None and value != "" and not isinstance(value, (dict, list)):
            return value
    return None


def _text(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = _first(record, (name,))
        if isinstance(value, str):
            return value
    return None


def _split(record: dict[str, Any]) -> dict[str, Any]:
    """Of a record that somebody has split already; empty where it tells neither a user nor an address with a result."""
    words = " ".join(str(value).lower() for name in _RESULTS if isinstance(value := _first(record, (name,)), str))
    user, address = _text(record, _USERS), _text(record, _ADDRESSES)
    if not words or (user is None and address is None):
        return {}
    port, repeat = str(_first(record, _PORTS) or ""), _first(record, ("repeat", "repeat_count", "repeated"))
    method = _text(record, _METHODS) or next((one for one in ("password", "publickey") if one in words), None)
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else None
    fields = {"actor": user, "source_ip": address, "method": method, "source_port": number}
    if any(word in words for word in ("disconnect", "closed", "logout")):
        return {"type": "ssh.disconnected", "action": "disconnect", **fields}
    if any(word in words for word in ("fail", "denied", "reject", "bad password")):
        kind, outcome = "ssh.failed", "failure"
    elif any(word in words for word in ("invalid_user", "invalid user")):
        return {
            "type": "ssh.invalid_user",
            "action": "invalid_user",
            "outcome": "failure",
            "invalid_user": True,
            **fields,
        }
    elif "opened" not in words and any(word in words for word in ("accept", "success")):
        kind, outcome = "ssh.accepted", "success"
    else:
        return {"type": "ssh.other", "action": "log", **fields}
    count = repeat if type(repeat) is int and repeat > 1 else 1
    return {"type": kind, "action": "login", "outcome": outcome, "repeat": count, **fields}


def _time(record: dict[str, Any], header: str | None, first: Month | None) -> int | None:
    """The line's own time, else the record's. None where no time has a year. Raises ValueError for unreadable ones."""
    parts = [_first(record, (name,)) for name in ("Date", "Day", "Time")]
    joined = " ".join(map(str, parts)) if None not in parts else None
    given = [value for value in (header, *(_first(record, (name,)) for name in _TIMES), joined) if value is not None]
    full: list[int] = []
    short: list[Yearless] = []
    problem: ValueError | None = None
    for value in given:
        try:
            found = moment(value)
        except ValueError as error:
            problem = problem or error
            continue
        if isinstance(found, Yearless):
            short.append(found)
        elif not short:
            return found
        else:
            full.append(found)
    if short:
        return instant(short[0], first) if first else nearest(short[0], full[0]) if full else None
    if problem is not None:
        raise ValueError(f"time: {problem}")
    return None
