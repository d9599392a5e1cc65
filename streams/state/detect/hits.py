"""What happens to an event that some rule matched: gates, key, lateness, then its table, or a copy for the hop."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.detect import hop
from streams.detect.base import Moment, Ref
from streams.detect.clock import EVERY_TENANT, MAX_TENANT
from streams.detect.entries import is_plain
from streams.detect.findings import MAX_EVENT, fitted
from streams.model import Batch, Original, Output
from streams.model.decode import decode_full
from streams.rules.program import Key
from streams.state.detect.detecting import DetectState
from streams.state.detect.judging import judge, rule_failed, ruleset_of, too_late
from streams.state.detect.keys import bounded, key_of, too_long
from streams.state.detect.lanes import Lane
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
        "_document", "_payload", "_state", "at", "event", "event_id", "mark", "offset", "raw", "skewed", "tenant",
    )  # fmt: skip

    def __init__(
        self, state: DetectState, offset: int, raw: bytes, at: int, tenant: str, event_id: str, event: Any,
        payload: bytes, *, skewed: bool,
    ) -> None:  # fmt: skip
        self._state = state
        self._document: dict[str, Any] | None = None
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
    if matched and state.stopwatch is None:
        ways, mark, plain = state.ways, state.clock.mark, is_plain(event_id)
        left: list[int] = []
        for index in matched:
            short, arms = ways[index]
            try:
                if short is not None and short(event, at, offset, event_id, plain, tenant, mark, arms):
                    continue
            except Exception:  # stepped again below, where it is isolated
                state.counts["short", "raised"] += 1
            left.append(index)
        if left and state.joined:
            left = _together(state, left, event, at, offset, event_id, tenant, plain=plain)
        if not left:
            return []
        matched = tuple(left)
    hit = Hit(state, offset, raw, at, tenant, event_id, event, payload, skewed=skewed)
    return _step_each(state, batch, hit, matched, now)


def _together(
    state: DetectState, matched: list[int], event: Any, at: int, offset: int, event_id: str, tenant: str, *, plain: bool
) -> list[int]:
    """The short way for rules that an event reaches by several arms, each once; the arms that are left."""
    lanes, mark = state.lanes, state.clock.mark
    left: list[int] = []
    done: Table | None = None
    for place, index in enumerate(matched):
        lane = lanes[index]
        if lane.alone:
            left.append(index)
        elif lane.table is not done:  # else it went with the arm before it
            done = lane.table
            way = [other for other in matched[place:] if lanes[other].table is done]
            arms = tuple(lanes[other].arms[0] for other in way)
            try:
                if lane.short is not None and lane.short(event, at, offset, event_id, plain, tenant, mark, arms):
                    continue
            except Exception:  # as above
                state.counts["short", "raised"] += 1
            left += way
    return left


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
    for way, rules in reached.copies.items():
        try:
            outputs.append(_copy(state, hit, way, rules))
            state.sent = True
        except Exception as error:  # as above
            reached.failed.extend((table, error) for table, _, _ in rules)
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


def copied(state: RekeyedState, copy: hop.Copy, order: int, now: int) -> list[Output]:
    """Step the rules that matched an event at its origin. ``order``: how far the partition has come with it."""
    outputs: list[Output] = []
    event, key = Copied(copy), key_of(list(copy.key))
    if len(copy.rules) != len(copy.values) or (copy.arms and len(copy.arms) != len(copy.rules)):
        raise ValueError(f"a copy for {len(copy.rules)} rules with values for {len(copy.values)}")
    for number, (ref, values) in enumerate(zip(copy.rules, copy.values, strict=True)):
        table = state.book.table(ref)
        if table is None or table.errors >= MAX_ERRORS:
            state.counts["copies", "not_in_force"] += 1
            continue
        try:
            horizon = order - table.span
            if event.at <= horizon and table.refuses_late:
                outputs += too_late(state, table, event, horizon, _NO_ORIGINAL, now)
                continue
            arms = copy.arms[number] if copy.arms else (0,)
            closed = order - table.rule.allowed_lateness - 1
            moment = Moment(event.at, event.position, event.event_id, hop.unpacked(values), horizon, closed, arms)
            # For a global rule the copy's tenant stands for all of them already.
            outputs += judge(state, table, copy.tenant, key, moment, event, locate=str)
        except Exception as error:  # isolated and reported
            outputs += rule_failed(state, table, event, error, _NO_ORIGINAL, now)[0]
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


def _copy(state: DetectState, hit: Hit, way: _Hop, rules: list[_Copy]) -> Output:
    fields, tenant, key, _ = way
    if too_long(key):
        key = bounded(key)
    as_it_came = state.source.mapping is None and len(hit.raw) <= _SMALL
    copy = hop.Copy(
        ruleset=ruleset_of(state),
        rules=tuple([table.rule.ref for table, _, _ in rules]),
        arms=() if all(arms == (0,) for _, arms, _ in rules) else tuple([arms for _, arms, _ in rules]),
        values=hop.packed_each([values for _, _, values in rules]),
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
    return Output("rekeyed", hop.hop_key(fields, tenant, key), _encode(copy))
