"""What happens to an event that some rule matched: gates, key, lateness, then its table, or a copy for the hop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from streams.detect import hop
from streams.detect.base import Moment
from streams.detect.clock import EVERY_TENANT, MAX_TENANT
from streams.detect.findings import MAX_EVENT, Completing, fitted
from streams.model import Batch, Original, Output
from streams.model.decode import decode_full
from streams.rules.program import Key, Program
from streams.state.detecting import DetectState
from streams.state.judging import judge, rule_failed, ruleset_of, too_late
from streams.state.keys import bounded, key_of
from streams.state.rekeyed import RekeyedState
from streams.state.rulebook import MAX_ERRORS

_encode = msgspec.json.Encoder().encode
_NO_ORIGINAL = Original(None, ())
#: A payload up to this size cannot grow beyond ``MAX_EVENT`` by being written anew.
_SMALL = MAX_EVENT // 8

_Hop = tuple[tuple[str, ...], str, Key]  # key set, tenant, key


class Seen(NamedTuple):
    """An event of a source partition, and when it came."""

    offset: int
    raw: bytes
    at: int
    tenant: str
    event_id: str
    mark: int  #: the watermark before it
    skewed: bool
    event: Any  #: as the program decoded it


def evaluate(state: DetectState, batch: Batch, seen: Seen, hits: tuple[int, ...], now: int) -> list[Output]:
    """Step every rule that matched, each on its own: one that raises takes nothing from the others.

    No ``hits``: some rule raised while matching, so they are asked one by one. Raises ValueError for a tenant that
    must not be; nothing has changed then.
    """
    if len(seen.tenant) > MAX_TENANT or seen.tenant == EVERY_TENANT:
        raise ValueError(f"tenant {seen.tenant[:40]!r} is reserved or longer than {MAX_TENANT} characters")
    outputs: list[Output] = []
    program, lanes, raw, at = state.program, state.lanes, seen.raw, seen.at
    event = _completing(state, program, seen)
    original = partial(batch.original_of, seen.offset)
    failed: list[tuple[int, Exception]] = []
    copies: dict[_Hop, list[tuple[int, tuple[Any, ...]]]] = {}
    for index in hits or _match_each(program, seen.event, failed):
        table, local = lanes[index]
        rule = table.rule
        try:
            if rule.active is not None and not rule.active.covers(at):
                continue
            key = program.key(index, seen.event)
            if key is None:
                state.counts["unkeyed", rule.id] += 1
                continue
            horizon = seen.mark - table.span
            if at <= horizon and table.kind.refuses_late:
                outputs.append(too_late(state, table, event, horizon, raw, original(), now))
                continue
            key, tenant = bounded(key), EVERY_TENANT if rule.scope == "global" else seen.tenant
            values = program.values(index, seen.event)
            if local:
                found = judge(state, table, tenant, key, Moment(at, seen.offset, seen.event_id, values, horizon), event)
                if found is not None:
                    outputs.append(found)
            else:
                copies.setdefault((hop.keyset(rule), tenant, key), []).append((index, values))
        except Exception as error:  # isolated and reported
            failed.append((index, error))
    for way, rules in copies.items():
        try:
            outputs.append(_copy(state, seen, event, way, rules))
            state.sent = True
        except Exception as error:  # as above
            failed.extend((index, error) for index, _ in rules)
    switched_off = False
    for index, failure in failed:
        more, off = rule_failed(state, lanes[index].table, event, failure, raw, original(), now)
        outputs += more
        switched_off |= off
    if switched_off:
        state.compile()
    return outputs


def copied(state: RekeyedState, copy: hop.Copy, order: int, now: int) -> list[Output]:
    """Step the rules that matched an event at its origin. ``order``: how far the partition has come with it."""
    outputs: list[Output] = []
    raw, key = bytes(copy.event), key_of(list(copy.key))
    event = Completing(
        copy.event_time, copy.position, copy.event_id, copy.tenant, copy.from_record, _Document(decode_full, raw), str
    )
    for ref, values in zip(copy.rules, copy.values, strict=True):
        table = state.book.table(ref)
        if table is None or table.errors >= MAX_ERRORS:
            state.counts["copies", "not_in_force"] += 1
            continue
        try:
            horizon = order - table.span
            if copy.event_time <= horizon and table.kind.refuses_late:
                outputs.append(too_late(state, table, event, horizon, raw, _NO_ORIGINAL, now))
                continue
            moment = Moment(copy.event_time, copy.position, copy.event_id, hop.unpacked(values), horizon)
            found = judge(state, table, copy.tenant, key, moment, event)
            if found is not None:
                outputs.append(found)
        except Exception as error:  # isolated and reported
            outputs += rule_failed(state, table, event, error, raw, _NO_ORIGINAL, now)[0]
    return outputs


class _Document:
    """The whole envelope of an event, read at most once."""

    __slots__ = ("_decode", "_document", "_raw")

    def __init__(self, decode: Callable[[bytes], dict[str, Any]], raw: bytes) -> None:
        self._decode, self._raw = decode, raw
        self._document: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._document is None:
            document = self._decode(self._raw)
            self._document = document if self._decode is decode_full and len(self._raw) <= _SMALL else fitted(document)
        return self._document


def _completing(state: DetectState, program: Program, seen: Seen) -> Completing:
    time = seen.event.event_time
    return Completing(
        seen.at, state.locate(seen.offset), seen.event_id, seen.tenant, time is None or time is msgspec.UNSET,
        _Document(decode_full if state.source.mapping is None else program.document, seen.raw), state.locate,
    )  # fmt: skip


def _match_each(program: Program, event: Any, failed: list[tuple[int, Exception]]) -> list[int]:
    """The rules that match, asked one by one; those that raise go to ``failed``."""
    hits = []
    for index in range(len(program.rules)):
        try:
            if program.match_one(index, event):
                hits.append(index)
        except Exception as error:  # isolated and reported
            failed.append((index, error))
    return hits


def _copy(
    state: DetectState, seen: Seen, event: Completing, way: _Hop, rules: list[tuple[int, tuple[Any, ...]]]
) -> Output:
    fields, tenant, key = way
    plain = state.source.mapping is None and len(seen.raw) <= _SMALL
    copy = hop.Copy(
        ruleset=ruleset_of(state),
        rules=tuple(state.lanes[index].table.rule.ref for index, _ in rules),
        values=tuple(hop.packed(values) for _, values in rules),
        tenant=tenant,
        key=key,
        # A skewed event takes its place in the log: by its own time nobody would ever come to it.
        order=max(seen.mark, 0) if seen.skewed else max(seen.mark, seen.at),
        topic=state.topic,
        partition=state.partition,
        offset=seen.offset,
        position=event.position,
        event_time=seen.at,
        event_id=seen.event_id,
        event=msgspec.Raw(seen.raw if plain else _encode(event.document())),
        from_record=event.from_record,
    )
    return Output("rekeyed", hop.hop_key(fields, tenant, key), _encode(copy))
