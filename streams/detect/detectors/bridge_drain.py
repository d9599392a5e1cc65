"""More leaves a bridge than comes in, measured by what it holds.

What the drains of Ronin, Nomad and Harmony (2022) have in common: within minutes to hours a large part of what was
locked went out with nothing coming in. A share of what is locked is the same measure for bridges of any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.onchain import above_zero, shown, word
from streams.rules.durations import parse_duration

_PANE = 60_000


class BridgeDrain:
    """Of one token of one bridge. Observed: what went out less what came in, in percent of what was locked before.

    Settings: ``at_least`` (20 %), ``within`` (1h, at most 4h; whole minutes), ``min_usd`` (100,000: where every
    withdrawal says what it is worth, less is not told), ``deposits`` and ``withdrawals``: the types of events.

    ``locked`` is what the bridge held before the event, in the unit of ``amount``; the most that a window's events say
    is taken. Without it nothing is found. The order of events does not matter. State: a pane for each minute.
    """

    fields: Sequence[str] = ("type", "amount", "amount_usd", "locked")
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._share = Fraction(str(settings.get("at_least", 20)))
        self._panes = parse_duration(settings.get("within", "1h")) // _PANE
        self._min_usd = Fraction(str(settings.get("min_usd", 100_000)))
        self._in = {word(text) for text in settings["deposits"]}
        self._out = {word(text) for text in settings["withdrawals"]}
        if not 1 <= self._panes <= 240 or self._share <= 0:
            raise ValueError("within is from 1m to 4h, and at_least more than 0")
        self.keeps = 2 * self._panes * _PANE

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """State: panes ``[minute, net out, dollars out, withdrawals without dollars, locked]``, amounts as text."""
        fields, kind = event.fields, word(event.fields.get("type"))
        units = above_zero(fields.get("amount"))
        if units is None or kind not in self._in | self._out:
            return state, ()
        is_out = kind in self._out
        panes = {pane[0]: pane for pane in state or ()}
        minute = event.time // _PANE
        pane = panes.setdefault(minute, [minute, "0", "0", 0, "0"])
        usd, locked = above_zero(fields.get("amount_usd")), above_zero(fields.get("locked"))
        pane[1] = str(Fraction(pane[1]) + (units if is_out else -units))
        pane[2] = str(Fraction(pane[2]) + (usd or 0) * (1 if is_out else -1))
        pane[3] += is_out and usd is None
        pane[4] = str(max(Fraction(pane[4]), locked or Fraction(0)))
        oldest = max(panes) - 2 * self._panes
        kept = sorted((one for one in panes.values() if one[0] > oldest), key=lambda one: one[0])
        return kept, self._found(kept, minute) if is_out else ()

    def _found(self, panes: list[list[Any]], minute: int) -> Sequence[Found]:
        worst, out = Fraction(0), Fraction(0)
        for last in (pane[0] for pane in panes if minute <= pane[0] < minute + self._panes):
            window = [pane for pane in panes if last - self._panes < pane[0] <= last]
            locked = max(Fraction(pane[4]) for pane in window)
            net = sum((Fraction(pane[1]) for pane in window), Fraction(0))
            usd = sum((Fraction(pane[2]) for pane in window), Fraction(0))
            if locked and (usd >= self._min_usd or any(pane[3] for pane in window)) and 100 * net / locked > worst:
                worst, out = 100 * net / locked, net
        if worst < self._share:
            return ()
        worst = min(worst, Fraction(10**6))
        return (Found(shown(worst), shown(self._share), detail={"net_out": str(out), "share_percent": shown(worst)}),)
