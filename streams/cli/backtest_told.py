"""``tocsin backtest --routes``: what the candidate's alerts would have told under another policy, against today's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from streams.cli.backtest_inputs import parse_end
from streams.cli.policy_given import given_records
from streams.cli.routes_backtest import unbound
from streams.cli.telling_inputs import candidate
from streams.replay.backtest.run import Ran
from streams.replay.telling.document import Named, Range, compared
from streams.replay.telling.nights import Night
from streams.replay.telling.tried import range_of, tried


def told(path: Path, ran: Ran, end: str, *, current: bool, recorded: bool) -> dict[str, Any]:
    """``end``: where the events end, as the command that makes the report again says it. ``current``: today's is all
    that is in force now; else it is what was at the time, if that is ``recorded``, or what is configured.
    """
    proposed = candidate(path)
    span = range_of(ran, parse_end(end, "--to").time)
    if current:
        now = given_records(None, live=True)
        _, was, heard = tried(ran, span, [now, {**now, **proposed}], alone=True)
    else:
        was, heard = tried(ran, span, [proposed])
    name = "in force now" if current else "as it was" if recorded else "as configured"
    span = Range(span.begin, span.end, unbound(heard))
    made = compared(Named(name, was), Named(str(path), heard), span, Night())
    return {"policy_sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **made}
