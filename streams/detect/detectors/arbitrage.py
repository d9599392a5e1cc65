"""Atomic arbitrage: the swaps of one transaction lead from a token through others back to it, and more of it comes out.

As mev-inspect and Qin, Zhou and Gervais (2021) define it: a cycle of swaps in which each puts in what the one before it
gave, to within a hundredth (fees on transfers, dust), and the last gives more than the first took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.swaps import TRANSACTION_FIELDS, Row, Swap, added, swap_of
from streams.detect.exact import exact

#: Swaps of one transaction that are remembered, swaps of one cycle, and steps that are made in search of one.
MOST, LONGEST, _TRIES = 60, 8, 400
_SURELY = 1 - 1e-9  #: a product of rates below it is a loss, without a closer look


class Arbitrage:
    """Settings: ``tolerance`` (0.01): by which part what goes into a swap may differ from what the last one gave.

    Its key is a transaction in one version of a block. Fires once, when the first cycle with a gain is complete, and
    names the finding after the swap that closes it; the value is the number of its swaps. A search that was cut short
    finds nothing.
    """

    fields = TRANSACTION_FIELDS
    needs = (
        "tx_index", "log_index", "trace_address", "token_in", "amount_in", "token_out", "amount_out", "pool", "outcome",
    )  # fmt: skip
    keeps = "10m"
    version = "2"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        tolerance = exact(settings.get("tolerance", 0.01))
        if tolerance is None or not 0 <= tolerance < 1:
            raise ValueError("tolerance is a number from 0 to below 1")
        self._tolerance = tolerance

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """State: the swaps, each with its pool as the only actor; ``done`` once it has fired."""
        if state == "done":
            return state, ()
        swap = swap_of(event, [str(event.fields.get("pool"))[:66]])
        if swap is None:
            return state, ()
        state = state or []
        if added(state, swap, MOST) is None or (cycle := self._cycle(state, Swap._make(swap))) is None:
            return state, ()
        return "done", [_found(cycle, str(event.fields.get("outcome")))]

    def _cycle(self, rows: Sequence[Row], newest: Swap) -> tuple[Swap, ...] | None:
        """The shortest of the most profitable cycles that the newest swap closes."""
        if all(row[4] != newest.token_out for row in rows):
            return None
        swaps = [*map(Swap._make, rows)]
        into: dict[str, list[Swap]] = defaultdict(list)
        for swap in swaps:
            into[swap.token_in].append(swap)
        found = (turned for way in self._ways((newest,), into, [_TRIES]) for turned in [_turned(way)] if turned)
        return max(found, key=lambda way: (way[-1].bought / way[0].paid, -len(way)), default=None)

    def _ways(
        self, way: tuple[Swap, ...], into: Mapping[str, Sequence[Swap]], tries: list[int], kept: bool = False
    ) -> Iterator[tuple[Swap, ...]]:
        """Ways on from a chain of swaps back to the token with which its first one began. At one place of the circle
        more may come out than goes in again: there the gain is ``kept``."""
        first, last = way[0], way[-1]
        if len(way) > 1 and last.token_out == first.token_in:
            if not kept or self._flows(last, first):
                yield way
            return
        if len(way) == LONGEST:
            return
        pools = {one.actors[0] for one in way}
        for after in into.get(last.token_out, ()):
            if after.actors[0] in pools:
                continue
            tries[0] -= 1
            if tries[0] < 0:
                return
            if self._flows(last, after):
                yield from self._ways((*way, after), into, tries, kept)
            elif not kept and last.bought > after.paid:
                yield from self._ways((*way, after), into, tries, kept=True)

    def _flows(self, before: Swap, after: Swap) -> bool:
        given, taken = before.bought, after.paid
        return abs(given - taken) <= self._tolerance * max(given, taken)


@lru_cache(1 << 12)
def _rate(paid: str, bought: str) -> float:
    return float(exact(bought) or 0) / float(exact(paid) or 1)


def _turned(way: tuple[Swap, ...]) -> tuple[Swap, ...] | None:
    """The cycle, begun at the swap from which it gains the most; None where a round brings no gain."""
    rate = prod(_rate(one.amount_in, one.amount_out) for one in way)
    if rate < _SURELY or (rate < 1 / _SURELY and prod(one.bought for one in way) <= prod(one.paid for one in way)):
        return None
    turns = [(*way[at:], *way[:at]) for at in range(len(way))]
    return max(turns, key=lambda turn: turn[-1].bought / turn[0].paid)


def _found(cycle: tuple[Swap, ...], outcome: str) -> Found:
    first, last = cycle[0], cycle[-1]
    gain: Fraction = last.bought - first.paid
    detail = {
        "gain": str(gain.numerator) if gain.denominator == 1 else str(float(gain)),
        "gain_token": first.token_in, "gain_percent": round(float(gain / first.paid * 100), 4), "swaps": len(cycle),
        "pools": ", ".join(one.actors[0] for one in cycle), "outcome": outcome,
    }  # fmt: skip
    return Found(len(cycle), 2, detail=detail, about=last.sight, evidence=[one.sight for one in cycle])
