"""High values that are not this account's daily bread.

The heuristic is that of anti-money-laundering monitoring (FATF Recommendation 10, 20; 31 CFR 1010.311): an amount is
looked at when it is large by itself, and large for the customer. A treasury that moves two millions every day is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.measured import first, number, rounded

_MAX_HISTORY = 500
_NAMES = ("amount_usd", "value_usd", "notional_usd")


class HighValue:
    """Fires on an amount of at least ``at_least`` that is ``times`` what is usual for the key, or of ``always``.

    Usual is the largest but one in twenty of the last ``history`` amounts of at least ``counts_from`` of ``at_least``;
    with fewer than ``learn`` of them nothing is usual, and every amount of ``at_least`` fires. Settings: ``fields``
    (the first with a number counts), ``at_least`` (1,000,000), ``always`` (10,000,000), ``times`` (3), ``history``
    (50), ``learn`` (5) and ``counts_from`` (0.1: small change makes no amount unusual). What fired becomes part of
    what is usual: a new customer's large transfers are told ``learn`` times at most. Signs do not matter.
    State: the amounts, at most ``history``, as floats.
    """

    keeps = "90d"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.fields: Sequence[str] = tuple(
            map(str, settings.get("fields", ("amount_usd", "value_usd", "notional_usd")))
        )
        names = {"at_least": 1_000_000, "always": 10_000_000, "times": 3, "counts_from": 0.1}
        read = {name: number(settings.get(name, usual)) for name, usual in names.items()}
        values = {name: value for name, value in read.items() if value is not None and value > 0}
        if len(values) < len(names) or not self.fields:
            raise ValueError(f"{', '.join(names)} must be numbers above 0, and fields name some")
        self._least, self._always, self._times = values["at_least"], values["always"], values["times"]
        self._from = self._least * values["counts_from"]
        self._history, self._learn = int(settings.get("history", 50)), int(settings.get("learn", 5))
        if not 1 <= self._learn <= self._history <= _MAX_HISTORY:
            raise ValueError(f"learn must be at most history, and history at most {_MAX_HISTORY}")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        amount = first(event.fields, self.fields)
        amount = None if amount is None else abs(amount)
        if amount is None or amount < self._from:
            return state, ()
        known: list[float] = state or []
        count, found = len(known), []
        if amount >= self._least:
            usual = sorted(known)[-1 - count // 20] if count >= self._learn else None
            if amount >= self._always or usual is None or float(amount) >= float(self._times) * usual:
                detail = {"usual": usual, "known": count}
                found = [Found(rounded(amount), rounded(self._least), detail=detail)]
        known.append(float(amount))
        del known[: -self._history]
        return known, found
