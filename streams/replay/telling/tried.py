"""What the alerts of a backtest would have told under a policy: its findings and commands, played once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.replay.backtest.run import Ran
from streams.replay.logs import span_of
from streams.replay.spool import merged
from streams.replay.telling.document import Range
from streams.replay.telling.given import given_by
from streams.replay.telling.heard import Heard
from streams.replay.telling.play import play
from streams.replay.telling.recorded import instead

Records = Mapping[str, Mapping[str, Any]]


def range_of(ran: Ran, end: int | None) -> Range:
    """From the first record or the first finding, whichever is earlier, to ``end``, ms: else to the last record."""
    first, last = span_of(ran.facts) or (0, 0)
    earliest = next(merged(ran.result.found), None)
    return Range(first if earliest is None else min(first, earliest.at), last + 1 if end is None else end)


def tried(ran: Ran, span: Range, others: Sequence[Records], *, alone: bool = False) -> list[Heard]:
    """What is told under what was in force, then under each of ``others`` over that (``alone``: instead of it)."""
    spools = [*ran.result.found, *([] if ran.commands is None else [ran.commands.spool])]
    was = ran.controls.of
    given = given_by(spools, span.end, ran.controls)
    return play(given, [was, *(instead(was, records, alone=alone) for records in others)], span.begin)
