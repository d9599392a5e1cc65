"""Where an arm's events go: to a table of this partition, the short way where that will do, or over ``rekeyed``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from streams.detect import hop
from streams.detect.base import Moment, Quick, Ref, Skipped
from streams.detect.clock import EVERY_TENANT
from streams.model import Source
from streams.rules.program import Key, Program
from streams.rules.rule import Rule, RuleSet
from streams.state.detect.captured import clipped
from streams.state.detect.keys import too_long
from streams.state.detect.rulebook import Rulebook
from streams.state.tables import Table

#: Takes an event (as decoded, time, offset, id, whether that is plain, tenant, watermark, arms) into its key's state,
#: if nothing is to be told of it. False: nothing was changed.
Short = Callable[[Any, int, Ref, str, bool, str, int, tuple[int, ...]], bool]


class Lane(NamedTuple):
    """Where an arm of the program leads."""

    table: Table
    variants: Mapping[str, Table | None] | None  #: by tenant; None: the rule is off there
    arms: tuple[int, ...]  #: the arm's number, alone
    alone: bool  #: the rule has no other arm
    local: bool
    of_all: bool  #: one key for all tenants
    keyset: tuple[str, ...]
    key: Callable[[Any], Key | None]
    values: Callable[[Any], tuple[Any, ...]]
    short: Short | None

    @property
    def by_key_alone(self) -> bool:
        """Whether where the rule's events go depends on nothing but their key, by whatever arm they came."""
        rule = self.table.rule
        return self.variants is None and rule.active is None and all(arm.key == rule.arms[0].key for arm in rule.arms)


def lanes(
    program: Program, ruleset: RuleSet, source: Source, book: Rulebook, counts: Counter[tuple[str, ...]]
) -> list[Lane]:
    """One for each arm of the program, in its order."""
    found = []
    for index, arm in enumerate(program.arms):
        rule = arm.rule
        table = book.table(rule.ref)
        assert table is not None, rule.ref
        variants, local = _variants(rule, ruleset, book), rule.is_local(source.partition_by)
        lane = Lane(
            table=table,
            variants=variants,
            arms=(arm.number,),
            alone=len(rule.arms) == 1,
            local=local,
            of_all=rule.scope == "global",
            keyset=hop.keyset(rule),
            key=program.key(index),
            values=program.values(index),
            short=None,
        )
        if local and lane.by_key_alone and rule.export is None:
            lane = lane._replace(short=_short(lane, program.row(index), book, counts))
        found.append(lane)
    return found


def _variants(rule: Rule, ruleset: RuleSet, book: Rulebook) -> dict[str, Table | None] | None:
    variants = ruleset.variants.get(rule.id)
    if not variants:
        return None
    return {
        tenant: None if variant is None or book.is_off(variant.ref) else book.table(variant.ref)
        for tenant, variant in variants.items()
    }


def of_copies(table: Table, book: Rulebook, counts: Counter[tuple[str, ...]]) -> Short:
    """The short way of what came through the hop; its event is row and values, the tenant may stand for all."""
    row_of, values_of = itemgetter(0), itemgetter(1)
    lane = Lane(
        table=table, variants=None, arms=(), alone=True, local=True, of_all=False, keyset=(),
        key=row_of, values=values_of, short=None,
    )  # fmt: skip
    return _short(lane, row_of, book, counts)


def _short(
    lane: Lane, row_of: Callable[[Any], Any], book: Rulebook, counts: Counter[tuple[str, ...]]
) -> Short:  # fmt: skip
    """The same as ``judge`` for the events that complete nothing, which most are."""
    table, values_of, of_all = lane.table, lane.values, lane.of_all
    rule, shelves, span, put = table.rule, table.shelves, table.span, table.put
    step, newest, holds = table.detector.step, table.detector.newest, table.detector.holds
    timed, captures, reads = table.timed, table.captures, table.reads
    reads_any, shelf_of = bool(rule.detect.fields() or captures), shelves.get
    lateness, refuses_late = rule.allowed_lateness, table.refuses_late
    quick = table.detector.quick if isinstance(table.detector, Quick) and not (captures or rule.max_memory) else None

    def short(
        event: Any, at: int, ref: Ref, event_id: str, plain: bool, tenant: str, mark: int, arms: tuple[int, ...]
    ) -> bool:
        row = row_of(event)
        horizon = mark - span
        if row is None or (at <= horizon and refuses_late):
            return False
        if of_all:
            tenant = EVERY_TENANT
        shelf, values = shelf_of(tenant), values_of(event) if reads_any else ()
        before = None if shelf is None else shelf.rows.get(row)
        if quick is not None and before is not None and plain and quick(before, at, ref, event_id, values, horizon):
            shelf.dirty[row] = before  # type: ignore[union-attr]  # the state stood on it
            return True
        if before is None and too_long((row,) if row.__class__ is str else row):
            return False
        captured = None
        if captures:
            values, captured = values[:reads], (*map(clipped, values[reads:]), at)
        expired = before is not None and newest(before) <= horizon and not holds(before)
        moment = Moment(at, ref, event_id, values, horizon, mark - lateness - 1, arms)
        after, seen = step(None if expired else before, moment)
        if seen is not None:
            if seen.__class__ is not Skipped:
                return False
            counts[seen.value, rule.id] += 1
            return True
        put(tenant, row, before, after, horizon, captured)
        if timed is not None and (wake := table.wake) < book.wake:
            book.wake = wake
        return True

    return short
