"""Many rule sets beside each other over one log, which is read, decoded and matched once.

What one of them finds is what it finds alone. Where one is known to say the most, it goes over the log by itself, what
matched is put aside, and the others go over what was put aside of the keys that it spoke of: mostly none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from streams.detect.base import NEVER
from streams.detect.clock import EVERY_TENANT
from streams.model import Batch, Control, Finding, Record
from streams.replay.runner import Detected, PartitionLog, step
from streams.replay.spool import Spool, Waiting
from streams.replay.tuning.sieve import Feed, Read, Sieve, Sifted
from streams.rules.program import Program
from streams.state.detect.detecting import DetectState
from streams.state.detect.keys import bounded, too_long, values_of


class _Cut(NamedTuple):
    """A batch of a log, and the latest time read by its end, ms. ``passing``: places of records that only pass by."""

    batch: Batch
    now: int
    passing: frozenset[int] = frozenset()


_finding = msgspec.json.Decoder(Finding)
_encode = msgspec.json.Encoder(order="sorted").encode
_HEAD = struct.Struct("<qq")  #: offset and time
_END = b""  #: in place of an offset: the batch ends here
_ALWAYS = b"*"  #: in place of a key: whoever looks at any key has to look at this record
_NOBODY = b"-"  #: in place of a key: it matched nothing, but time passed with it


def beside(
    log: PartitionLog, controls: Sequence[Control], program: Program, loosest: int | None,
    told: Callable[[int], None] = lambda _: None,
) -> list[Detected]:  # fmt: skip
    """What DETECT makes of the log under each of ``controls``. ``program`` is that of any of them: they differ in what
    a rule makes of its events alone. ``loosest``: the place of one that speaks of each key any other speaks of.
    """
    batches = _batches(log, told)
    if loosest is None:
        return [one.made for one in _over(batches, log, controls, program)]
    aside = _Aside(program)
    (first,) = _over(batches, log, [controls[loosest]], program, aside)
    whole = first.forgot or any(labels[0] == "rule_errors" for labels in first.made.counts)
    keys = None if whole else _spoken_of(first.made.findings)
    others = [control for place, control in enumerate(controls) if place != loosest]
    # What its source joins to a record stands in what was put aside.
    rest = replace(log, source=replace(log.source, join=None))
    made = [one.made for one in _over(aside.batches(keys), rest, others, program)] if others else []
    for one in made:  # of what was left out, time has passed
        one.now, one.mark, one.read = first.made.now, first.made.mark, first.made.read
    made.insert(loosest, first.made)
    return made


def _batches(log: PartitionLog, told: Callable[[int], None]) -> Iterator[_Cut]:
    now = read = 0
    for chunk in log.chunks:
        batch = chunk if isinstance(chunk, Batch) else Batch(chunk)
        now = max(now, *(record[2] for record in batch.records))
        yield _Cut(batch, now)
        read += len(batch.records)
        told(read)


class _One:
    """One rule set's way over a log."""

    def __init__(self, log: PartitionLog, control: Control, program: Program) -> None:
        self._feed, self._control = Feed(program), control
        self._state = DetectState(
            log.source, log.partition, rekeyed_partitions=1, program=self._feed.program, locate=log.locate
        )
        self._state.loaded()
        self.made = Detected(log.source.topic, log.partition)

    def take(self, sifted: Sifted, now: int, read: int) -> None:
        """``read``: how many records there were before the sieve."""
        self._feed.hand(sifted.reads)
        step(self._state, sifted.batch, now, self._control, self.made)
        self._state.forget()
        passed = read - len(sifted.batch.records)
        self.made.read += passed
        self._state.counts["events", self._state.source.name] += passed
        self.made.now, self.made.mark, self.made.counts = now, self._state.clock.mark, self._state.counts

    @property
    def forgot(self) -> bool:
        """Whether anything had to go for want of room."""
        return bool(self._state.book.evicted)


def _over(
    batches: Iterable[_Cut],
    log: PartitionLog,
    controls: Sequence[Control],
    program: Program,
    aside: _Aside | None = None,
) -> list[_One]:
    ones = [_One(log, control, program) for control in controls]
    sieve = Sieve(log.source, program)
    for batch, now, passing in batches:
        sifted = sieve.sift(batch, passing)
        for one in ones:
            one.take(sifted, now, len(batch.records))
        if aside is not None:
            aside.put(sifted, now)
    return ones


def _spoken_of(findings: Spool) -> frozenset[bytes]:
    found = (_finding.decode(waiting.value) for waiting in findings)
    return frozenset(key_text(one.tenant, tuple(one.key.values())) for one in found)


def key_text(tenant: str, values: Sequence[Any]) -> bytes:
    """What a key is about, in findings as in events."""
    return _encode([tenant, values])


class _Aside:
    """What matched, with its key, and what moves the watermark in between; on disk once it is much."""

    def __init__(self, program: Program) -> None:
        self._spool = Spool()
        self._keys = [program.key(index) for index in range(len(program.arms))]
        self._of_all = [arm.rule.scope == "global" for arm in program.arms]

    def put(self, sifted: Sifted, now: int) -> None:
        """One batch. What cannot be read is nothing to anybody."""
        for (offset, _, stamp), read in zip(sifted.batch.records, sifted.reads, strict=True):
            if read is not None and read.tenant:
                self._spool.add(Waiting(stamp, _HEAD.pack(offset, read.at) + self._key(read), read.payload))
        self._spool.add(Waiting(now, _END, b""))

    def _key(self, read: Read) -> bytes:
        if read.matched is None:
            return _NOBODY
        if not isinstance(read.matched, tuple):
            return _ALWAYS
        found = {self._text(index, read) for index in read.matched}
        return found.pop() if len(found) == 1 else _ALWAYS

    def _text(self, index: int, read: Read) -> bytes:
        try:
            key = self._keys[index](read.event)
            if key is None:
                return _NOBODY
        except Exception:  # it raises again where it is stepped
            return _ALWAYS
        tenant = EVERY_TENANT if self._of_all[index] else read.tenant
        return key_text(tenant, values_of(bounded(key) if too_long(key) else key))

    def batches(self, keys: frozenset[bytes] | None) -> Iterator[_Cut]:
        """What was put aside, as it was cut, of these keys; of all with None."""
        records: list[Record] = []
        passing: list[int] = []
        newest, last = NEVER, None
        for stamp, head, value in self._spool:
            about = head[_HEAD.size :]
            wanted = about == _ALWAYS or (about != _NOBODY and (keys is None or about in keys))
            if head and not wanted:
                offset, at = _HEAD.unpack_from(head)
                if at > newest:  # of it, time has passed
                    newest, last = at, (offset, value, stamp)
                continue
            if last is not None:
                passing.append(len(records))
                records.append(last)
                last = None
            if head:
                offset, at = _HEAD.unpack_from(head)
                newest = max(newest, at)
                records.append((offset, value, stamp))
            else:
                yield _Cut(Batch(records), stamp, frozenset(passing))
                records, passing = [], []
