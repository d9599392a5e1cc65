"""Decoding and matching once for many rule sets: a batch less what none of them could see, and what was read of it.

What is left of a batch: records that match, records that are out of the ordinary (unreadable, of a doubtful time), and
of those in between the one that brings the watermark furthest. So whoever steps what is left sees each match at the
same watermark as in the whole log.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, NamedTuple

from streams.detect.base import NEVER
from streams.detect.clock import MAX_TIME, event_id_of, event_time, tenant_of
from streams.errors import SourceUnavailable
from streams.model import Batch, Record, Source
from streams.rules.program import Program
from streams.rules.rule import Arm, RuleSet


class Read(NamedTuple):
    """One record that is left. ``event``: as decoded, or what decoding raised; ``matched``: indexes of arms, None, or
    what matching raised. ``payload``: with what its source joins to it. ``at``: its time where it moves the watermark.
    """

    event: Any
    payload: bytes
    matched: Any = None
    tenant: str = ""
    at: int = NEVER


class Sifted(NamedTuple):
    """What is left of a batch. ``reads``: one for each record, None where there is nothing to decode."""

    batch: Batch
    reads: list[Read | None]


class Sieve:
    """Over one log, batch by batch, in order."""

    def __init__(self, source: Source, program: Program) -> None:
        self._source, self._program, self._newest = source, program, NEVER

    def sift(self, batch: Batch, passing: Container[int] = ()) -> Sifted:
        """``passing``: places of records of which nothing but their time is of interest."""
        decode, match, skew = self._program.decode, self._program.match, self._source.max_skew
        joined, newest, furthest = self._source.join is not None, self._newest, -1
        places: list[int] = []
        reads: list[Read | None] = []
        last: Any = None
        for place, (_, raw, stamp) in enumerate(batch.records):
            matched = None
            try:
                event = decode(raw)  # type: ignore[arg-type]  # null raises, as whatever is no event
                at, tenant = event.event_time, event.tenant
                usual = at.__class__ is int and 0 <= at <= MAX_TIME and (at <= stamp + skew or stamp < 0)
                usual = usual and tenant.__class__ is str and tenant != "" and event.event_id.__class__ is str
                if usual and not joined and place not in passing:
                    matched = match(event)
            except Exception:  # looked at closely, and told where it is stepped
                usual = False
            if not usual or joined:
                read, sound = self._read(batch, place, passes=place in passing)
                if sound and read is not None and read.matched is None:
                    if read.at > newest:
                        newest, furthest, last = read.at, place, read
                    continue
            elif matched is None:
                if at > newest:
                    newest, furthest, last = at, place, event
                continue
            else:
                read = Read(event, raw or b"", matched, tenant, at)
            if furthest >= 0:
                places.append(furthest)
                reads.append(_moving(last, batch.records[furthest], newest))
                furthest = -1
            places.append(place)
            reads.append(read)
            if read is not None and read.at > newest:
                newest = read.at
        if furthest >= 0:
            places.append(furthest)
            reads.append(_moving(last, batch.records[furthest], newest))
        self._newest = newest
        records: list[Record] = [batch.records[place] for place in places]
        return Sifted(Batch(records, lambda index: batch.original(places[index])), reads)

    def _read(self, batch: Batch, place: int, *, passes: bool) -> tuple[Read | None, bool]:
        """The record, and whether all is well with it; where it is not, that is told where it is stepped."""
        _, raw, stamp = batch.records[place]
        source = self._source
        try:
            if raw is None:
                return None, False
            payload = raw if source.join is None else source.join(raw, batch.original(place))
        except SourceUnavailable:
            raise
        except Exception:
            return None, False
        try:
            event = self._program.decode(payload)
        except SourceUnavailable:
            raise
        except Exception as error:
            return Read(error, payload), False
        try:
            at, tenant = event.event_time, event.tenant
            if at.__class__ is not int or not 0 <= at <= MAX_TIME:
                at, _ = event_time(at, stamp)
            if tenant.__class__ is not str or not tenant:
                tenant = tenant_of(tenant, source.default_tenant)
            if event.event_id.__class__ is not str:
                event_id_of(event.event_id)
        except ValueError:
            return Read(event, payload), False
        matched = None if passes else _matched(self._program.match, event)
        return Read(event, payload, matched, tenant, NEVER if 0 <= stamp < at - source.max_skew else at), True


def _moving(last: Any, record: Record, at: int) -> Read:
    """A record that matches nothing, and moves the watermark."""
    return last if isinstance(last, Read) else Read(last, record[1] or b"", None, last.tenant, at)


def _matched(match: Callable[[Any], Any], event: Any) -> Any:
    try:
        return match(event)
    except Exception as error:
        return error


class Handed:
    """A program that is handed what a sieve has read. Satisfies ``Program``; ``shared`` is the sieve's own."""

    def __init__(self, shared: Program, arms: tuple[Arm, ...], feed: Feed) -> None:
        self.arms = arms
        self._feed = feed
        self.match_one, self.key, self.row = shared.match_one, shared.key, shared.row
        self.values, self.document = shared.values, shared.document

    def decode(self, raw: bytes) -> Any:
        """The next event. ``raw`` is that of its record."""
        return self._feed.next()

    def match(self, event: Any) -> tuple[int, ...] | None:
        matched = self._feed.matched
        if matched.__class__ is tuple or matched is None:
            return matched if self.arms else None  # a rule that has raised too often is off
        raise matched


class Feed:
    """What one rule set is handed next."""

    def __init__(self, shared: Program) -> None:
        self.matched: Any = None
        self._shared = shared
        self._reads: Iterator[Read] = iter(())

    def hand(self, reads: Sequence[Read | None]) -> None:
        """The records of the next batch."""
        self._reads = iter([read for read in reads if read is not None])

    def next(self) -> Any:
        read = next(self._reads)
        self.matched = read.matched
        if isinstance(read.event, Exception):
            raise read.event
        return read.event

    def program(self, ruleset: RuleSet, source: Source) -> Program:
        """For ``DetectState``."""
        return Handed(self._shared, ruleset.arms(source.name), self)
