"""A bridge pays out without a deposit behind it, more than was deposited, or twice.

The invariant that a bridge lives by, and that its exploits break (Zhang, Gao et al. 2022, Xscope: Hunting for
Cross-Chain Bridge Attacks: unrestricted deposit emitting, inconsistent event parsing, unauthorized unlocking).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.onchain import above_zero, address, shown, word
from streams.rules.durations import parse_duration

_MOST = 32  #: withdrawals of one message that are told apart
_MAX_DECIMALS = 77


class BridgeMessage:
    """Of one message of one bridge. Observed: 1 for a withdrawal that has no deposit, 2 for one beyond its deposit.

    Settings: ``settle`` (30m: so long after a withdrawal its deposit may still turn up, as two chains are never seen at
    one pace), ``tolerance`` (0.1 % by which more may come out), ``deposits``, ``withdrawals``: the types of events.

    Amounts are compared in whole units where both say their ``decimals``, as they come where neither does, and
    not at all where one does. Without amounts a second withdrawal is found. One withdrawal reported twice (the same
    ``tx_hash`` and ``log_index``) is one. A deposit that turns up after all clears. State: 32 withdrawals.
    """

    keeps = "30d"
    live = steady = True
    fields: Sequence[str] = ("type", "amount", "decimals", "tx_hash", "log_index")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settle = parse_duration(settings.get("settle", "30m"))
        self._most = 1 + Fraction(str(settings.get("tolerance", "0.1"))) / 100
        self._in = {word(text) for text in settings["deposits"]}
        self._out = {word(text) for text in settings["withdrawals"]}

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """State: deposits and withdrawals as ``[mark, amount or "", whether in whole units, sight]``, due, told."""
        known = state or {"in": [], "out": [], "due": None, "told": 0}
        kind = word(event.fields.get("type"))
        side = "in" if kind in self._in else "out" if kind in self._out else ""
        mark = _mark(event)
        if not side or len(known[side]) >= _MOST or (mark and mark in [one[0] for one in known[side]]):
            return state, ()
        known[side].append([mark, *_units(event.fields), list(event.sight)])
        if not known["out"]:
            return known, ()
        if not known["in"]:
            known["due"] = event.time + self._settle if known["due"] is None else known["due"]
            return known, ()
        known["due"] = None
        reason = self._wrong(known)
        if reason and (side == "out" or known["told"] < 2):
            known["told"] = 2
            return known, [Found(2, 1, detail={"reason": reason}, evidence=_sights(known))]
        if not reason and known["told"]:
            known["told"] = 0
            return known, [Found(0, 1, clear=True)]
        return known, ()

    def due(self, state: Any) -> int | None:
        """When a withdrawal without a deposit is told."""
        return None if state is None else state["due"]

    def expire(self, state: Any, now: int) -> tuple[Any, Sequence[Found]]:
        state["due"], state["told"] = None, max(state["told"], 1)
        return state, [Found(1, 1, detail={"reason": "no deposit"}, evidence=_sights(state))]

    def _wrong(self, known: Mapping[str, Any]) -> str:
        sides = known["in"], known["out"]
        if any(not one[1] for side in sides for one in side) or len({one[2] for side in sides for one in side}) > 1:
            return "paid twice" if len(known["out"]) > len(known["in"]) else ""
        came, went = (sum((Fraction(one[1]) for one in side), Fraction(0)) for side in sides)
        if went <= came * self._most:
            return ""
        return f"{shown(went / came)} times the deposit" if len(known["out"]) == 1 else "paid twice"


def _mark(event: Event) -> str:
    tx = address(event.fields.get("tx_hash"))
    index = event.fields.get("log_index")
    return f"{tx} {index if type(index) is int else ''}"[:160] if tx else ""


def _units(fields: Mapping[str, Any]) -> tuple[str, bool]:
    """The amount as text, empty for none, and whether it is in whole units."""
    units, decimals = above_zero(fields.get("amount")), fields.get("decimals")
    if units is None:
        return "", False
    if type(decimals) is int and 0 <= decimals <= _MAX_DECIMALS:
        return str(units / 10**decimals), True
    return str(units), False


def _sights(known: Mapping[str, Any]) -> list[Any]:
    return [one[3] for side in (known["in"], known["out"]) for one in side][:20]
