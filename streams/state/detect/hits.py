"""What happens to an event that some rule matched: gates, key, lateness, then its table, or a copy for the hop."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.detect.base import Moment, Ref
from streams.detect.clock import EVERY_TENANT, MAX_TENANT
from streams.detect.entries import is_plain
from streams.detect.findings import MAX_EVENT, fitted
from streams.model import Batch, Original, Output
from streams.rules.program import Key
from streams.state.detect.arrived import Arrived
from streams.state.detect.detecting import DetectState
from streams.state.detect.judging import judge, lapsed, rule_failed, too_late
from streams.state.detect.keys import row_of
from streams.state.detect.lanes import Lane
from streams.state.detect.leaving import BY_ITS_ONLY, Leaver, leave, leaver, said_of, sent
from streams.state.detect.rekeyed import RekeyedState
from streams.state.detect.rulebook import MAX_ERRORS
from streams.state.tables import Table

_encode = msgspec.json.Encoder().encode
_NO_ORIGINAL = Original(None, ())
#: A payload up to this size cannot grow beyond ``MAX_EVENT`` by being written anew.
_SMALL = MAX_EVENT // 8

_Hop = tuple[tuple[str, ...], str, Key, str]  # key set, tenant, key, stage: what is only tried travels apart
_Copy = tuple[Table, tuple[int, ...], tuple[Any, ...]]  # of a rule: arms, values


class Hit:
    """An event of a source partition that some rule matched. See ``streams.detect.findings.Completing``."""

    __slots__ = (
        "_document", "_payload", "_sent", "_state", "at", "event", "event_id", "mark", "offset", "raw", "skewed",
        "tenant",
    )  # fmt: skip

    def __init__(
        self, state: DetectState, offset: int, raw: bytes, at: int, tenant: str, event_id: str, event: Any,
        payload: bytes, *, skewed: bool,
    ) -> None:  # fmt: skip
        self._state = state
        self._document: dict[str, Any] | None = None
        self._sent: bytes | None = None
        self.offset, self.raw, self.tenant, self.event_id = offset, raw, tenant, event_id
        self._payload = payload  #: ``raw``, joined with what stands in the headers
        self.at, self.skewed = at, skewed
        self.mark = state.clock.mark  #: the watermark before it
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
            document = self._state.program.document(self._payload)
            small = self._state.source.mapping is None and len(self.raw) <= _SMALL
            self._document = document if small else fitted(document)
        return self._document

    def locate(self, ref: Ref) -> str:
        return self._state.locate(ref)

    @property
    def origin(self) -> tuple[str, int, int, str]:
        """Topic, partition, offset and position."""
        state = self._state
        return state.topic, state.partition, self.offset, state.locate(self.offset)

    @property
    def sent(self) -> bytes:
        """The envelope as it goes over the hop: as it came, where it is ours and not very large."""
        if self._sent is None:
            as_it_came = self._state.source.mapping is None and len(self.raw) <= _SMALL
            self._sent = self.raw.strip() if as_it_came else _encode(self.document())
        return self._sent


class _Reached:
    """The rules that an event reached. By several arms of one rule, but one key, it is one step."""

    __slots__ = ("by_arms", "copies", "failed", "late")

    def __init__(self) -> None:
        self.by_arms: dict[tuple[str, str, Key], tuple[Lane, Table, list[int], tuple[Any, ...]]] = {}
        self.copies: dict[_Hop, list[_Copy]] = {}
        self.failed: list[tuple[Table, Exception]] = []
        self.late: set[str] = set()  # rules that were told already


def evaluate(
    state: DetectState, batch: Batch, offset: int, raw: bytes, payload: bytes, at: int, stamp: int, tenant: str,
    event_id: str, event: Any, matched: tuple[int, ...], now: int,
) -> list[Output]:  # fmt: skip
    """Step every rule that matched, each on its own: one that raises takes nothing from the others.

    Empty ``matched``: some rule raised in matching, so they are asked one by one. Raises ValueError for a tenant that
    must not be; nothing has changed then.
    """
    if len(tenant) > MAX_TENANT or tenant == EVERY_TENANT:
        raise ValueError(f"tenant {tenant[:40]!r} is reserved or longer than {MAX_TENANT} characters")
    skewed = at > stamp + state.source.max_skew and stamp >= 0
    if skewed:
        at = stamp  # by a time that cannot be true its key would see nothing else until that time came
    outputs: list[Output] = []
    hit = None
    if matched and state.stopwatch is None:
        ways = state.ways.get(matched) or state.found_ways(matched)
        mark, plain, left = state.clock.mark, is_plain(event_id), ways.others
        for indexes, short, arms in ways.shorts:
            try:
                if short(event, at, offset, event_id, plain, tenant, mark, arms):
                    continue
            except Exception:  # stepped again below, where it is isolated
                state.counts["short", "raised"] += 1
            left += indexes
        if ways.parties:
            hit = Hit(state, offset, raw, at, tenant, event_id, event, payload, skewed=skewed)
            left += leave(state, hit, ways.parties, outputs)
        if not left:
            return outputs
        matched = tuple(sorted(left))
    if hit is None:
        hit = Hit(state, offset, raw, at, tenant, event_id, event, payload, skewed=skewed)
    return outputs + _step_each(state, batch, hit, matched, now)


def _step_each(state: DetectState, batch: Batch, hit: Hit, matched: tuple[int, ...], now: int) -> list[Output]:
    outputs: list[Output] = []
    reached = _Reached()
    lanes, at, event, mark = state.lanes, hit.at, hit.event, hit.mark
    for index in matched or _match_each(state, event, reached):
        lane = lanes[index]
        table = lane.table
        tenant = EVERY_TENANT if lane.of_all else hit.tenant
        if lane.variants is not None:
            variant = lane.variants.get(tenant, table)
            if variant is None:
                continue  # switched off for this tenant
            table = variant
        rule = table.rule
        try:
            if rule.active is not None and not rule.active.covers(at):
                continue
            key = lane.key(event)
            if key is None:
                state.counts["unkeyed", rule.id] += 1
                continue
            horizon = mark - table.span
            if at <= horizon and table.refuses_late:
                if rule.ref not in reached.late:
                    reached.late.add(rule.ref)
                    outputs += too_late(state, table, hit, horizon, batch.original_of(hit.offset), now)
                continue
            values = lane.values(event)
            if not lane.alone:
                known = reached.by_arms.setdefault((rule.ref, tenant, key), (lane, table, [], values))
                known[2].extend(lane.arms)
            elif lane.local:
                outputs += judge(state, table, tenant, key, _moment(table, hit, values), hit, locate=state.locate)
            else:
                reached.copies.setdefault((lane.keyset, tenant, key, rule.stage), []).append((table, lane.arms, values))
        except Exception as error:  # isolated and reported
            reached.failed.append((table, error))
    if reached.by_arms:
        _step_arms(state, hit, reached, outputs)
    if reached.copies:
        _send_each(state, hit, reached, outputs)
    if reached.failed:
        switched_off = False
        for table, failure in {id(table): (table, failure) for table, failure in reversed(reached.failed)}.values():
            more, off = rule_failed(state, table, hit, failure, batch.original_of(hit.offset), now)
            outputs += more
            switched_off |= off
        if switched_off:
            state.compile()
    return outputs


def _moment(table: Table, hit: Hit, values: tuple[Any, ...], arms: tuple[int, ...] = (0,)) -> Moment:
    horizon, closed = hit.mark - table.span, hit.mark - table.rule.allowed_lateness - 1
    return Moment(hit.at, hit.offset, hit.event_id, values, horizon, closed, arms)


def _step_arms(state: DetectState, hit: Hit, reached: _Reached, outputs: list[Output]) -> None:
    for (_, tenant, key), (lane, table, arms, values) in reached.by_arms.items():
        if not lane.local:
            reached.copies.setdefault((lane.keyset, tenant, key, table.rule.stage), []).append(
                (table, tuple(arms), values)
            )
            continue
        moment = _moment(table, hit, values, tuple(arms))
        try:
            outputs += judge(state, table, tenant, key, moment, hit, locate=state.locate)
        except Exception as error:  # isolated and reported
            reached.failed.append((table, error))


def _send_each(state: DetectState, hit: Hit, reached: _Reached, outputs: list[Output]) -> None:
    leavers: list[tuple[Leaver, list[_Copy]]] = []
    for (keyset, tenant, key, _), rules in reached.copies.items():
        arms = said_of([arms for _, arms, _ in rules])
        refs, values = tuple([table.rule.ref for table, _, _ in rules]), tuple([values for _, _, values in rules])
        try:
            leavers.append(((keyset, leaver(hit, tenant, key, refs, values, arms)), rules))
        except Exception as error:  # isolated and reported
            reached.failed.extend((table, error) for table, _, _ in rules)
    try:
        outputs += sent(state, [one for one, _ in leavers])
    except Exception:
        for one, rules in leavers:
            try:
                outputs += sent(state, [one])
            except Exception as error:  # as above
                reached.failed.extend((table, error) for table, _, _ in rules)


def copied(state: RekeyedState, came: Arrived, order: int, now: int) -> list[Output]:
    """Step the rules that matched an event at its origin, and what time has brought about before. ``order``: how far
    the partition has come with it.
    """
    outputs = lapsed(state, order, now, locate=str) if order >= state.book.wake else []
    at, event_id, position, arms = came.at, came.event_id, came.position, BY_ITS_ONLY
    plain, row = is_plain(event_id), row_of(came.key)
    for number, ref in enumerate(came.rules):
        values = came.values[number]
        if came.arms:
            arms = came.arms[number]
        table, short = state.ways.get(ref) or state.way(ref)
        if table is None or table.errors >= MAX_ERRORS:
            state.counts["copies", "not_in_force"] += 1
            continue
        if short is not None and state.stopwatch is None:
            try:
                # For a global rule the copy's tenant stands for all of them already.
                if short((row, values), at, position, event_id, plain, came.tenant, order, arms):
                    continue
            except Exception:  # stepped again below, where it is isolated
                state.counts["short", "raised"] += 1
        try:
            horizon = order - table.span
            if at <= horizon and table.refuses_late:
                outputs += too_late(state, table, came, horizon, _NO_ORIGINAL, now)
                continue
            moment = Moment(at, position, event_id, values, horizon, order - table.rule.allowed_lateness - 1, arms)
            outputs += judge(state, table, came.tenant, came.key, moment, came, locate=str)
        except Exception as error:  # isolated and reported
            outputs += rule_failed(state, table, came, error, _NO_ORIGINAL, now)[0]
    return outputs


def _match_each(state: DetectState, event: Any, reached: _Reached) -> list[int]:
    """The arms that match, asked one by one; the rules of those that raise have failed."""
    matched = []
    for index, lane in enumerate(state.lanes):
        try:
            if state.program.match_one(index, event):
                matched.append(index)
        except Exception as error:  # isolated and reported
            reached.failed.append((lane.table, error))
    return matched
