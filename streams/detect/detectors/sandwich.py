"""Sandwiches: somebody buys before others buy, and sells right after them, at the price that they had to pay.

The definition is that of Qin, Zhou and Gervais, "Quantifying Blockchain Extractable Value" (2021): in one block and
pool the same actor or contract trades one way, others follow in the same direction, and what was bought is sold again
in another transaction, to within a tenth. Torres, Camino and State, "Frontrunner Jones and the Raiders of the Dark
Forest" (2021) ask for a hundredth; mev-inspect does not compare amounts at all, but leaves out the public routers, as
is done here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

from streams.detect.detectors import Event, Found
from streams.detect.detectors.swaps import POOL_FIELDS, PUBLIC, Row, Swap, actors_of, added, swap_of, word
from streams.detect.exact import exact

#: Swaps of one pool in one block that are remembered; a larger block loses those that stand first in it.
MOST = 100
_ACTORS = ("sender", "recipient", "from")
_LEGS = 4  #: transactions over which one side of a sandwich may be spread
_SHOWN = 10


class Side(NamedTuple):
    """What an actor traded in one direction in one transaction."""

    tx_index: int
    swaps: tuple[Swap, ...]

    @property
    def way(self) -> tuple[str, str]:
        return self.swaps[0].token_in, self.swaps[0].token_out


class Sandwich(NamedTuple):
    """Front and back each in at least one transaction, in the order of the block."""

    actor: str
    fronts: tuple[Swap, ...]
    victims: tuple[Swap, ...]
    backs: tuple[Swap, ...]


class Sandwiches:
    """Settings: ``tolerance`` (0.1) of the amounts, ``exact`` (0.001), ``routers`` (contracts that are nobody's own).

    What differs by more than ``exact`` counts only where it was sold dearer than it was bought: a market maker's lots
    may resemble each other, but pay the pool's fee twice.
    Its key is a pool in one version of a block. Fires once for each back-run, and names the finding after it, whatever
    comes last; the value is the number of victims' swaps. What it finds depends on which swaps came, not on their
    order, as long as no actor has more back-runs than front-runs in reach. Keeps the last ``MOST`` swaps of the block;
    alerts of a larger one say in ``forgotten`` how many were not compared any more.
    """

    fields = POOL_FIELDS
    needs = tuple(
        path for path in POOL_FIELDS if path not in ("type", "owner", "caller", "liquidity", "tick_lower", "tick_upper")
    )
    keeps = "10m"
    version = "2"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        tolerance, same = exact(settings.get("tolerance", 0.1)), exact(settings.get("exact", 0.001))
        if tolerance is None or same is None or not 0 <= tolerance < 1 or not 0 <= same < 1:
            raise ValueError("tolerance and exact are numbers from 0 to below 1")
        routers = settings.get("routers", [])
        if not isinstance(routers, list) or not all(isinstance(one, str) for one in routers):
            raise ValueError("routers is a list of addresses")
        self._limits = min(same, tolerance), tolerance
        self._public = PUBLIC | {one.lower() for one in routers}

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """State: ``swaps``; where there are any ``told``, the names of back-runs, and ``forgotten``, how many swaps had
        to go; and whether anybody ``turned``."""
        fields = event.fields
        swap = swap_of(event, actors_of(fields, _ACTORS, self._public), word(fields.get("tx_hash")))
        if swap is None:
            return state, ()
        if state is None:
            return {"swaps": [swap]}, ()
        swaps = state["swaps"]
        gone = added(swaps, swap, MOST)
        if gone:
            state["forgotten"] = state.get("forgotten", 0) + gone
        if gone is None or not ("turned" in state or _trades_back(swap, swaps)):
            return state, ()
        state["turned"] = True
        told, found = state.setdefault("told", []), []
        for one in sandwiches([*map(Swap._make, swaps)], self._limits):
            name = f"{one.backs[-1].tx_index}:{one.backs[-1].place}"
            if name not in told:
                told.append(name)
                found.append(_found(one, state.get("forgotten", 0)))
        del told[:-MOST]
        return state, found


def _trades_back(swap: Row, swaps: Iterable[Row]) -> bool:
    """Whether one of its actors trades the other way in another transaction. Where nobody does, nobody has a sandwich:
    most blocks of a pool need no closer look."""
    index, _, _, actors, sold, bought = swap[:6]
    for other in swaps:
        if other[4] == bought and other[5] == sold and other[0] != index and not set(actors).isdisjoint(other[3]):
            return True
    return False


def sandwiches(swaps: Sequence[Swap], limits: tuple[Fraction, Fraction]) -> Iterator[Sandwich]:
    """All sandwiches among the swaps of one pool and block, which stand in its order. No back-run is in two of them.

    ``limits``: how far amounts may differ, and how far where there was a gain.
    """
    by_actor: dict[str, list[Swap]] = defaultdict(list)
    for swap in swaps:
        for actor in swap.actors:
            by_actor[actor].append(swap)
    used: set[tuple[int, str]] = set()
    for actor in sorted(by_actor):
        own = by_actor[actor]
        if own[0].tx_index != own[-1].tx_index:
            yield from _of(actor, own, swaps, used, limits)


def _of(
    actor: str, own: list[Swap], swaps: Sequence[Swap], used: set[tuple[int, str]], limits: tuple[Fraction, Fraction]
) -> Iterator[Sandwich]:
    sides = list(_sides(own))
    for place, back in enumerate(sides):
        mine = [side for side in sides[:place] if not _is_used(side, used)]
        fronts = [side for side in mine if side.way == back.way[::-1] and side.tx_index < back.tx_index]
        if not fronts or _is_used(back, used):
            continue
        earlier = [side for side in mine if side.way == back.way and side.tx_index < back.tx_index]
        best: tuple[Fraction, int, Sandwich] | None = None
        for backs in _tails(earlier, back):
            for some in _choices([side for side in fronts if side.tx_index < backs[0].tx_index]):
                first, last = some[-1].tx_index, backs[0].tx_index
                way = some[0].way
                victims = tuple(
                    one for one in swaps
                    if first < one.tx_index < last and (one.token_in, one.token_out) == way and actor not in one.actors
                )  # fmt: skip
                if not victims:
                    continue
                off = _apart(some, backs)
                if off <= limits[_is_dearer(some, backs)] and (best is None or (off, -first) < best[:2]):
                    best = off, -first, Sandwich(actor, _swaps(some), victims, _swaps(backs))
        if best is not None:
            used.update((one.tx_index, one.place) for one in (*best[2].fronts, *best[2].backs))
            yield best[2]


def _sides(own: Iterable[Swap]) -> Iterator[Side]:
    """In the order of the block; of one transaction, one for each direction."""
    for tx_index, swaps in groupby(own, key=lambda one: one.tx_index):
        ways: dict[tuple[str, str], list[Swap]] = defaultdict(list)
        for swap in swaps:
            ways[swap.token_in, swap.token_out].append(swap)
        for way in ways.values():
            yield Side(tx_index, tuple(way))


def _tails(earlier: Sequence[Side], last: Side) -> Iterator[tuple[Side, ...]]:
    """``last`` by itself, then with one, two, … before it."""
    for more in range(min(len(earlier), _LEGS - 1) + 1):
        yield (*earlier[len(earlier) - more :], last)


def _choices(sides: Sequence[Side]) -> Iterator[tuple[Side, ...]]:
    """Each by itself, then the last two, three, … together."""
    for side in sides:
        yield (side,)
    for more in range(2, min(len(sides), _LEGS) + 1):
        yield tuple(sides[len(sides) - more :])


def _swaps(sides: Iterable[Side]) -> tuple[Swap, ...]:
    return tuple(swap for side in sides for swap in side.swaps)


def _is_used(side: Side, used: set[tuple[int, str]]) -> bool:
    return any((one.tx_index, one.place) in used for one in side.swaps)


def _apart(fronts: Sequence[Side], backs: Sequence[Side]) -> Fraction:
    """By what part of it what was bought differs from what was sold; or, of one who takes the gain in the other token,
    what was paid from what came back. The smaller of the two."""
    paid, bought = _sum(one.paid for one in _swaps(fronts)), _sum(one.bought for one in _swaps(fronts))
    sold, regained = _sum(one.paid for one in _swaps(backs)), _sum(one.bought for one in _swaps(backs))
    return min(abs(sold - bought) / bought, abs(regained - paid) / paid)


def _is_dearer(fronts: Sequence[Side], backs: Sequence[Side]) -> bool:
    """Whether a unit was sold for more than it had been bought for."""
    paid, bought = _sum(one.paid for one in _swaps(fronts)), _sum(one.bought for one in _swaps(fronts))
    sold, regained = _sum(one.paid for one in _swaps(backs)), _sum(one.bought for one in _swaps(backs))
    return regained * bought > sold * paid


def _sum(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, Fraction(0))


def _found(one: Sandwich, forgotten: int) -> Found:
    front, back = one.fronts[0], one.backs[-1]
    gain = _sum(swap.bought for swap in one.backs) - _sum(swap.paid for swap in one.fronts)
    rest = _sum(swap.bought for swap in one.fronts) - _sum(swap.paid for swap in one.backs)
    detail: dict[str, Any] = {
        "attacker": one.actor, "front_tx": front.tx, "back_tx": back.tx, "victims": len(one.victims),
        "victim_txs": ", ".join(dict.fromkeys(swap.tx for swap in one.victims[:_SHOWN])),
        "gain": _text(gain), "gain_token": front.token_in, "left_over": _text(rest), "left_over_token": front.token_out,
    }  # fmt: skip
    if forgotten:
        detail["forgotten"] = forgotten
    evidence = [swap.sight for swap in (*one.fronts, *one.victims[:_SHOWN], *one.backs)]
    return Found(len(one.victims), 1, detail=detail, about=back.sight, evidence=evidence)


def _text(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else str(float(number))
