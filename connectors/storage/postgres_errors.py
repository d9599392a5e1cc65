"""What an error of PostgreSQL means for the items: wait, refuse the one that is at fault, or the sink is unusable."""

from __future__ import annotations

import ssl
from enum import Enum

import asyncpg


class Verdict(Enum):
    """What to do."""

    WAIT = "wait"  #: the server is away, busy or full: the same again later
    REFUSE = "refuse"  #: a value of one item: the others can go without it
    BROKEN = "broken"  #: no item's fault, and no waiting helps without somebody's hand


#: Classes and codes of SQLSTATE. 08 connection, 40 rollback (deadlock), 53 resources (disk full, too many clients),
#: 55 object in use, 57 operator (shutdown, cancel), 58 and XX the system below (I/O error).
_WAIT = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
#: 21 cardinality, 22 data, 23 constraint, 54 a limit of the program (an index entry too long).
_REFUSE = frozenset({"21", "22", "23", "54"})
_READ_ONLY = "25006"  #: a standby, until it is promoted or the address leads elsewhere


def judge(error: BaseException) -> Verdict:
    """The verdict on what a call of asyncpg raised."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state == _READ_ONLY or state[:2] in _WAIT:
            return Verdict.WAIT
        return Verdict.REFUSE if state[:2] in _REFUSE else Verdict.BROKEN
    if isinstance(error, (ssl.SSLCertVerificationError, asyncpg.exceptions.ClientConfigurationError)):
        return Verdict.BROKEN
    if isinstance(error, (ValueError, OverflowError)) and not isinstance(error, asyncpg.InterfaceError):
        return Verdict.REFUSE
    if isinstance(error, (OSError, EOFError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return Verdict.WAIT
    return Verdict.BROKEN


def say(error: BaseException) -> str:
    """In a line, with the code that names it."""
    state = getattr(error, "sqlstate", None)
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"PostgreSQL: {first}{f' ({state})' if state else ''}"
