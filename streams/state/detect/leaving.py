"""The ways of an event to the rules it matched, worked out once for each set of them; and what leaves by the hop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.detect import hop
from streams.detect.base import FOREVER
from streams.detect.clock import EVERY_TENANT
from streams.model import Output
from streams.rules.program import Key
from streams.state.detect.arrived import Arrived, by_json, record_of, same_by_json
from streams.state.detect.judging import ruleset_of
from streams.state.detect.keys import bounded, too_long
from streams.state.detect.lanes import Lane, Short

if TYPE_CHECKING:
    from streams.state.detect.detecting import DetectState
    from streams.state.detect.hits import Hit

#: By which a rule with one arm was matched.
BY_ITS_ONLY: tuple[int, ...] = (0,)

#: What leaves: its key set, then itself.
Leaver = tuple[tuple[str, ...], Arrived]


class Party(NamedTuple):
    """Rules of one key set that leave together, as one copy."""

    indexes: tuple[int, ...]  #: of their arms
    keyset: tuple[str, ...]
    of_all: bool
    key: Callable[[Any], Key | None]
    refs: tuple[str, ...]
    arms: tuple[tuple[int, ...], ...]
    values: tuple[Callable[[Any], tuple[Any, ...]], ...]
    span: int  #: for none of them an event is late that is newer than the watermark less this
    unkeyed: tuple[tuple[str, str], ...]  #: what is counted where there is no key


class Ways(NamedTuple):
    """For one set of arms. What none of these ways takes is looked at rule by rule, and so are the ``others``."""

    shorts: tuple[tuple[tuple[int, ...], Short, tuple[int, ...]], ...]  #: indexes, way, arms
    parties: tuple[Party, ...]
    others: tuple[int, ...]


def ways_of(lanes: Sequence[Lane], matched: tuple[int, ...]) -> Ways:
    """The ways of an event that matched these arms. The arms of one rule go together."""
    shorts: list[tuple[tuple[int, ...], Short, tuple[int, ...]]] = []
    others: list[int] = []
    parties: dict[tuple[tuple[str, ...], str], list[tuple[tuple[int, ...], Lane]]] = {}
    joint: list[tuple[tuple[int, ...], Lane]] = []
    by_rule: dict[str, list[int]] = {}
    for index in matched:
        by_rule.setdefault(lanes[index].table.rule.ref, []).append(index)
    for indexes in map(tuple, by_rule.values()):
        lane = lanes[indexes[0]]
        if lane.short is not None:
            shorts.append((indexes, lane.short, _arms(lanes, indexes)))
        elif lane.local or not lane.by_key_alone:
            others += indexes
        elif lane.alone:
            parties.setdefault((lane.keyset, lane.table.rule.stage), []).append((indexes, lane))
        else:
            joint.append((indexes, lane))
    for indexes, lane in joint:  # in the order in which they would leave one by one
        parties.setdefault((lane.keyset, lane.table.rule.stage), []).append((indexes, lane))
    return Ways(tuple(shorts), tuple(_party(lanes, party) for party in parties.values()), tuple(others))


def _arms(lanes: Sequence[Lane], indexes: Iterable[int]) -> tuple[int, ...]:
    return tuple([arm for index in indexes for arm in lanes[index].arms])


def _party(lanes: Sequence[Lane], rules: Sequence[tuple[tuple[int, ...], Lane]]) -> Party:
    first = rules[0][1]
    arms = [_arms(lanes, indexes) for indexes, _ in rules]
    return Party(
        indexes=tuple([index for indexes, _ in rules for index in indexes]),
        keyset=first.keyset,
        of_all=first.of_all,
        key=first.key,
        refs=tuple([lane.table.rule.ref for _, lane in rules]),
        arms=said_of(arms),
        values=tuple([lane.values for _, lane in rules]),
        span=min((lane.table.span for _, lane in rules if lane.table.refuses_late), default=FOREVER),
        unkeyed=tuple([("unkeyed", lane.table.rule.id) for indexes, lane in rules for _ in indexes]),
    )


def said_of(arms: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """What a copy says of the arms by which its rules were matched: nothing, where each was by its only one."""
    return () if all(way == BY_ITS_ONLY for way in arms) else tuple(arms)


def leave(state: DetectState, hit: Hit, parties: Iterable[Party], outputs: list[Output]) -> tuple[int, ...]:
    """Send an event to the rules of other keys. Gives the arms of those for which it has to be looked at one by one."""
    at, event, mark = hit.at, hit.event, hit.mark
    counts: Counter[tuple[str, ...]] = state.counts
    leavers: list[Leaver] = []
    left: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    for party in parties:
        indexes, keyset, of_all, key_of, refs, arms, values, span, unkeyed = party
        try:
            key = key_of(event)
            if key is None:
                for name in unkeyed:
                    counts[name] += 1
            elif at <= mark - span:  # for some of them it may be late
                left += indexes
            else:
                tenant = EVERY_TENANT if of_all else hit.tenant
                leavers.append((keyset, leaver(hit, tenant, key, refs, tuple([read(event) for read in values]), arms)))
                gone += indexes
        except Exception:  # looked at again, where it is isolated
            counts["short", "raised"] += 1
            left += indexes
    try:
        outputs += sent(state, leavers)
    except Exception:  # as above
        counts["short", "raised"] += 1
        left += gone
    return left


def leaver(
    hit: Hit, tenant: str, key: Key, refs: tuple[str, ...], values: tuple[tuple[Any, ...], ...],
    arms: tuple[tuple[int, ...], ...],
) -> Arrived:  # fmt: skip
    """The event as it is to arrive."""
    if too_long(key):
        key = bounded(key)
    # A skewed event takes its place in the log: its record may be years ahead of the times in an old one.
    order = max(hit.mark, 0 if hit.skewed else hit.at)
    return Arrived(order, *hit.origin, hit.at, hit.event_id, tenant, hit.from_record, hit.sent, key, refs, values, arms)


def sent(state: DetectState, leavers: Sequence[Leaver]) -> list[Output]:
    """What leaves one event as records; where ``state`` has somebody to take it, it is handed over and there are none.
    Raises ValueError or TypeError for what JSON cannot say; nothing has left then.
    """
    if not leavers:
        return []
    ruleset, hand, made = ruleset_of(state), state.hand, list[Output]()
    if hand is None:
        for keyset, one in leavers:
            key = hop.hop_key(keyset, one.tenant, one.key)
            made.append(Output("rekeyed", key, record_of(one, ruleset)))
    else:
        ours = state.source.mapping is None  # so all values came of JSON
        for one in [one if ours and same_by_json(one) else by_json(one, ruleset) for _, one in leavers]:
            hand(one)
    state.sent = True
    return made
