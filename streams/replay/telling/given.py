"""What ALERT was given, moment by moment: of findings that a backtest made, or of alerts that somebody exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from streams.model import Record
from streams.replay.controls import Controls
from streams.replay.spool import Spool, merged


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a partition at ``now``, ms. No records: only time passed. ``control``: the position in force."""

    now: int
    records: list[Record]
    control: int = 1
    at_end: bool = True


@dataclass(frozen=True, slots=True)
class Lane:
    """One partition of ``alert-input``, from offset ``begin`` on. ``partitions``: how many there were."""

    moments: Iterable[Moment]
    number: int = 0
    begin: int = 0
    partitions: int = 1


@dataclass(frozen=True, slots=True)
class Given:
    """All partitions, in time up to, but not including, ``end`` (ms).

    ``ticked``: the moments are those of a live worker, its ticks among them; else time is to pass of itself.
    """

    lanes: Sequence[Lane]
    end: int
    ticked: bool = False


def given_by(spools: Sequence[Spool], end: int, controls: Controls) -> Given:
    """Findings and commands by their simulated clock, which never goes back; those of one time are one step. What
    comes into force between them is a moment of its own.
    """
    return Given([Lane(_moments(spools, end, controls))], end)


def _moments(spools: Sequence[Spool], end: int, controls: Controls) -> Iterator[Moment]:
    offset = clock = 0
    for now, group in groupby(_clocked(spools), key=lambda pair: pair[0]):
        yield from _changes(controls, clock or now, now)
        records: list[Record] = [(offset + n, value, now) for n, (_, value) in enumerate(group)]
        yield Moment(now, records, controls.at(now).position)
        offset, clock = offset + len(records), now
    if offset:
        yield from _changes(controls, clock, end - 1)


def _changes(controls: Controls, after: int, until: int) -> Iterator[Moment]:
    return (Moment(at, [], controls.at(at).position) for at in controls.changes(after, until))


def _clocked(spools: Sequence[Spool]) -> Iterator[tuple[int, bytes]]:
    clock = 0
    for waiting in merged(spools):
        clock = max(clock, waiting.at)
        yield clock, waiting.value
