"""What happens to an event that some rule matched: gates, key, lateness, then its table, or a copy for the hop."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.detect import hop
from streams.detect.base import Moment, Ref
from streams.detect.clock import EVERY_TENANT, MAX_TENANT
from streams.detect.findings import MAX_EVENT, fitted
from streams.model import Batch, Original, Output
from streams.model.decode import decode_full
from streams.rules.program import Key, Program
from streams.state.detecting import DetectState
from streams.state.judging import judge, rule_failed, ruleset_of, too_late
from streams.state.keys import MAX_KEY, bounded, key_of
from streams.state.rekeyed import RekeyedState
from streams.state.rulebook import MAX_ERRORS

_encode = msgspec.json.Encoder().encode
_NO_ORIGINAL = Original(None, ())
#: A payload up to this size cannot grow beyond ``MAX_EVENT`` by being written anew.
_SMALL = MAX_EVENT // 8

_Hop = tuple[tuple[str, ...], str, Key]  # key set, tenant, key


class Hit:
    """An event of a source partition that some rule matched. See ``streams.detect.findings.Completing``."""

    __slots__ = ("_document", "_state", "at", "event", "event_id", "mark", "offset", "raw", "skewed", "tenant")

    def __init__(
        self, state: DetectState, offset: int, raw: bytes, at: int, stamp: int, tenant: str, event_id: str, event: Any
    ) -> None:
        self._state = state
        self._document: dict[str, Any] | None = None
        self.offset, self.raw, self.tenant, self.event_id = offset, raw, tenant, event_id
        self.mark = state.clock.mark  #: the watermark before it
        self.skewed = state.clock.skewed(at, stamp)
        # By a time that cannot be true its key would hold it, and see nothing else, until that time came.
        self.at = stamp if self.skewed else at
        self.event = event  #: as the program decoded it

    @property
    def position(self) -> str:
        return self._state.locate(self.offset)

    @property
    def from_record(self) -> bool:
        time = self.event.event_time
        return self.skewed or time is None or time is msgspec.UNSET

    def document(self) -> dict[str, Any]:
        if self._document is None:
            document = self._state.program.document(self.raw)
            small = self._state.source.mapping is None and len(self.raw) <= _SMALL
            self._document = document if small else fitted(document)
        return self._document

    def locate(self, ref: Ref) -> str:
        return self._state.locate(ref)


class Copied:
    """An event that came through the hop. See ``streams.detect.findings.Completing``."""

    __slots__ = ("_document", "at", "event_id", "from_record", "position", "raw", "tenant")

    def __init__(self, copy: hop.Copy) -> None:
        self._document: dict[str, Any] | None = None
        self.at, self.position, self.event_id, self.tenant = copy.event_time, copy.position, copy.event_id, copy.tenant
        self.raw, self.from_record = bytes(copy.event), copy.from_record

    def document(self) -> dict[str, Any]:
        if self._document is None:
            self._document = decode_full(self.raw)  # fitted at its origin
        return self._document

    def locate(self, ref: Ref) -> str:
        return str(ref)


def evaluate(state: DetectState, batch: Batch, hit: Hit, matched: tuple[int, ...], now: int) -> list[Output]:
    """Step every rule that matched, each on its own: one that raises takes nothing from the others.

    None ``matched``: some rule raised in matching, so they are asked one by one. Raises ValueError for a tenant that
    must not be; nothing has changed then.
    """
    if len(hit.tenant) > MAX_TENANT or hit.tenant == EVERY_TENANT:
        raise ValueError(f"tenant {hit.tenant[:40]!r} is reserved or longer than {MAX_TENANT} characters")
    outputs: list[Output] = []
    program, lanes, at, event = state.program, state.lanes, hit.at, hit.event
    failed: list[tuple[int, Exception]] = []
    copies: dict[_Hop, list[tuple[int, tuple[Any, ...]]]] = {}
    for index in matched or _match_each(program, event, failed):
        lane = lanes[index]
        table = lane.table
        rule = table.rule
        try:
            if rule.active is not None and not rule.active.covers(at):
                continue
            key = program.key(index, event)
            if key is None:
                state.counts["unkeyed", rule.id] += 1
                continue
            horizon = hit.mark - table.span
            if at <= horizon and table.refuses_late:
                outputs.append(too_late(state, table, hit, horizon, batch.original_of(hit.offset), now))
                continue
            tenant = EVERY_TENANT if rule.scope == "global" else hit.tenant
            values = program.values(index, event)
            if not lane.local:
                copies.setdefault((lane.keyset, tenant, key), []).append((index, values))
                continue
            found = judge(state, table, tenant, key, Moment(at, hit.offset, hit.event_id, values, horizon), hit)
            if found is not None:
                outputs.append(found)
        except Exception as error:  # isolated and reported
            failed.append((index, error))
    for way, rules in copies.items():
        try:
            outputs.append(_copy(state, hit, way, rules))
            state.sent = True
        except Exception as error:  # as above
            failed.extend((index, error) for index, _ in rules)
    switched_off = False
    for index, failure in failed:
        more, off = rule_failed(state, lanes[index].table, hit, failure, batch.original_of(hit.offset), now)
        outputs += more
        switched_off |= off
    if switched_off:
        state.compile()
    return outputs


def copied(state: RekeyedState, copy: hop.Copy, order: int, now: int) -> list[Output]:
    """Step the rules that matched an event at its origin. ``order``: how far the partition has come with it."""
    outputs: list[Output] = []
    event, key = Copied(copy), key_of(list(copy.key))
    for ref, values in zip(copy.rules, copy.values, strict=True):
        table = state.book.table(ref)
        if table is None or table.errors >= MAX_ERRORS:
            state.counts["copies", "not_in_force"] += 1
            continue
        try:
            horizon = order - table.span
            if event.at <= horizon and table.refuses_late:
                outputs.append(too_late(state, table, event, horizon, _NO_ORIGINAL, now))
                continue
            moment = Moment(event.at, event.position, event.event_id, hop.unpacked(values), horizon)
            # For a global rule the copy's tenant stands for all of them already.
            found = judge(state, table, copy.tenant, key, moment, event)
            if found is not None:
                outputs.append(found)
        except Exception as error:  # isolated and reported
            outputs += rule_failed(state, table, event, error, _NO_ORIGINAL, now)[0]
    return outputs


def _match_each(program: Program, event: Any, failed: list[tuple[int, Exception]]) -> list[int]:
    """The rules that match, asked one by one; those that raise go to ``failed``."""
    matched = []
    for index in range(len(program.rules)):
        try:
            if program.match_one(index, event):
                matched.append(index)
        except Exception as error:  # isolated and reported
            failed.append((index, error))
    return matched


def _copy(state: DetectState, hit: Hit, way: _Hop, rules: list[tuple[int, tuple[Any, ...]]]) -> Output:
    fields, tenant, key = way
    record_key = hop.hop_key(fields, tenant, key)
    if len(record_key) > MAX_KEY:
        key = bounded(key)
        record_key = hop.hop_key(fields, tenant, key)
    as_it_came = state.source.mapping is None and len(hit.raw) <= _SMALL
    copy = hop.Copy(
        ruleset=ruleset_of(state),
        rules=tuple(state.lanes[index].table.rule.ref for index, _ in rules),
        values=tuple(hop.packed(values) for _, values in rules),
        tenant=tenant,
        key=key,
        # A skewed event takes its place in the log: its record may be years ahead of the times in an old one.
        order=max(hit.mark, 0) if hit.skewed else max(hit.mark, hit.at),
        topic=state.topic,
        partition=state.partition,
        offset=hit.offset,
        position=hit.position,
        event_time=hit.at,
        event_id=hit.event_id,
        event=msgspec.Raw(hit.raw if as_it_came else _encode(hit.document())),
        from_record=hit.from_record,
    )
    return Output("rekeyed", record_key, _encode(copy))
