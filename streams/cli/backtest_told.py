"""``tocsin backtest --routes``: what the candidate's alerts would have told under another policy, against today's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.cli.backtest_inputs import parse_end
from streams.cli.policy_given import Records, given_records
from streams.cli.routes_backtest import unbound
from streams.cli.telling_inputs import candidate
from streams.replay.backtest.run import Ran
from streams.replay.telling.document import Named, Range, compared
from streams.replay.telling.nights import Night
from streams.replay.telling.tried import range_of, tried


@dataclass(frozen=True, slots=True)
class Routes:
    """A policy that is tried, as its file was when the backtest was asked for."""

    name: str
    records: Records
    sha256: str


def routes_of(path: Path) -> Routes:
    """Raises ConfigError with file and line of what is wrong, and for a policy that tells nobody."""
    return Routes(str(path), candidate(path), hashlib.sha256(path.read_bytes()).hexdigest())


def told(routes: Routes, ran: Ran, end: str, *, current: bool, recorded: bool) -> dict[str, Any]:
    """``end``: where the events end, as the command that makes the report again says it. ``current``: today's is all
    that is in force now; else it is what was at the time, if that is ``recorded``, or what is configured.
    """
    span = range_of(ran, parse_end(end, "--to").time)
    if current:
        now = given_records(None, live=True)
        _, was, heard = tried(ran, span, [now, {**now, **routes.records}], alone=True)
    else:
        was, heard = tried(ran, span, [routes.records])
    name = "in force now" if current else "as it was" if recorded else "as configured"
    span = Range(span.begin, span.end, unbound(heard))
    made = compared(Named(name, was), Named(routes.name, heard), span, Night())
    return {"policy_sha256": routes.sha256, **made}
