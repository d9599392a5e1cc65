"""An oracle says another price than the market, or than its peers.

The comparison that oracle-manipulation monitors make (Forta's price deviation detectors; Angeris and Chitra 2020,
Improved Price Oracles): against a reference that the attacker does not move, or the median of the other reporters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.onchain import above_zero, first_address, shown
from streams.rules.durations import parse_duration

_MOST = 32  #: reporters that are remembered of a feed


class OracleDeviation:
    """Of one feed. Observed: by how many percent the price lies above or below the reference, whichever way.

    Settings: ``at_least`` (3 %), ``clear`` (1 %), ``fresh`` (10m), ``peers`` (2).

    The reference is the event's ``reference_price``; without one the median of what the other reporters (``oracle``,
    else ``venue``, else ``from``) last said, none of it further away than ``fresh``, where there are at least
    ``peers`` of them. An event older than its reporter's last is not looked at. Prices that are
    none (zero, negative, text) and references that are none are not either. Clears when every reporter that deviated
    is back. State: the last price of 32 reporters; the one heard of longest ago goes.
    """

    keeps = "1d"
    live = steady = True
    fields: Sequence[str] = ("price", "reference_price", "oracle", "venue", "from")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._off = Fraction(str(settings.get("at_least", 3)))
        self._back = Fraction(str(settings.get("clear", 1)))
        self._fresh = parse_duration(settings.get("fresh", "10m"))
        self._peers = max(1, int(settings.get("peers", 2)))
        if not 0 < self._back <= self._off:
            raise ValueError("clear must lie above 0 and not above at_least")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        known: dict[str, Any] = state or {}
        fields, at = event.fields, event.time
        price = above_zero(fields.get("price"))
        if price is None:
            return state, ()
        who = first_address(fields, ("oracle", "venue", "from"))
        last = known.get(who)
        if last is not None and at < last[0]:
            return known, ()
        reference = above_zero(fields.get("reference_price")) or self._median(known, who, price, at)
        was_off = any(one[2] for one in known.values())
        off = None if reference is None else 100 * abs(price - reference) / reference
        is_off = bool(last and last[2]) if off is None else off >= (self._back if last and last[2] else self._off)
        known[who] = [at, str(price), is_off]
        if len(known) > _MOST:
            del known[min(known, key=lambda name: known[name][0])]
        if off is not None and off >= self._off and reference is not None:
            detail = {
                "reference": shown(reference, 8),
                "reporter": who,
                "direction": "above" if price > reference else "below",
            }
            return known, [Found(shown(off), shown(self._off), detail=detail)]
        if was_off and not any(one[2] for one in known.values()):
            return known, [Found(0 if off is None else shown(off), shown(self._back), clear=True)]
        return known, ()

    def _median(self, known: Mapping[str, Any], who: str, price: Fraction, at: int) -> Fraction | None:
        """Of an even number the middle one nearer to the price: of two that disagree one may be right."""
        others = sorted(
            Fraction(one[1]) for name, one in known.items() if name != who and abs(at - one[0]) <= self._fresh
        )
        if len(others) < self._peers:
            return None
        middle = len(others) // 2
        middles = others[middle : middle + 1] if len(others) % 2 else others[middle - 1 : middle + 1]
        return min(middles, key=lambda one: abs(one - price))
