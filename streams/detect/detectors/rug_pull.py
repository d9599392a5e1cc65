"""A pool's creator takes its liquidity back.

After the "liquidity rug pull" of Cernera, La Morgia, Mei and Sassi (USENIX Security 2023, Token Spammers, Rug Pulls,
and Sniper Bots) and Mazorra, Adan and Daza (2022, Do not rug on me): most of a pool's liquidity is withdrawn by the one
who made it. What is added up is the share of the pool, so that taking it in ten pieces is no way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.onchain import above_zero, amount, first_address, shown, word
from streams.rules.durations import parse_duration

_MOST = 128  #: withdrawals, and providers, that are remembered of a pool
_Taken = list[Any]  #: [time, amount, liquidity before or "", dollars or "", sight]


class RugPull:
    """Of one pool. Observed: the percentage of the pool's liquidity that its creator took inside ``within``.

    Settings: ``at_least`` (80 %), ``within`` (1h), ``min_usd`` (10,000: less, where events say what it is worth, is
    nobody's loss), and ``created``, ``added``, ``removed``: the types of events.

    The creator is who the events say (``pool_creator``), else who created the pool or, where that was seen, put in the
    first liquidity. The liquidity before is what the event says (``pool_liquidity``, in the unit of ``liquidity``), or
    what was put in less what was taken out where the log begins with the pool. Where neither is known nothing is
    found. Late withdrawals count where they belong. State: 128 withdrawals and 128 providers, the oldest go.
    """

    fields: Sequence[str] = (
        "type",
        "pool_creator",
        "creator",
        "provider",
        "from",
        "liquidity",
        "pool_liquidity",
        "amount_usd",
    )

    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._share = Fraction(str(settings.get("at_least", 80)))
        self._within = parse_duration(settings.get("within", "1h"))
        self._min_usd = Fraction(str(settings.get("min_usd", 10_000)))
        self._of = {kind: {word(text) for text in settings[kind]} for kind in ("created", "added", "removed")}
        self.keeps = max(parse_duration("30d"), self._within)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        known = state or {"creator": "", "whole": False, "held": {}, "taken": []}
        fields, kind = event.fields, word(event.fields.get("type"))
        who = first_address(fields, ("provider", "from"))
        said = first_address(fields, ("pool_creator",))
        if said:
            known["creator"] = said
        if kind in self._of["created"]:
            known["creator"] = known["creator"] or first_address(fields, ("creator", "from"))
            known["whole"] = state is None
            return known, ()
        liquidity = above_zero(fields.get("liquidity"))
        if liquidity is None or not who:
            return known, ()
        if kind in self._of["added"]:
            if known["whole"] and not known["creator"]:
                known["creator"] = who
            _change(known["held"], who, liquidity)
            return known, ()
        if kind not in self._of["removed"]:
            return known, ()
        before = above_zero(fields.get("pool_liquidity"))
        if before is None and known["whole"]:
            before = sum((Fraction(text) for text in known["held"].values()), Fraction(0)) or None
        _change(known["held"], who, -liquidity)
        if who != known["creator"]:
            return known, ()
        usd = amount(fields.get("amount_usd"))
        taken: _Taken = [event.time, str(liquidity), _text(before), _text(usd), list(event.sight)]
        known["taken"] = sorted([*known["taken"], taken], key=lambda one: one[0])[-_MOST:]
        return known, self._found(known["taken"], event.time)

    def _found(self, taken: list[_Taken], at: int) -> Sequence[Found]:
        """Over all windows that hold the withdrawal of time ``at``, the worst."""
        best: tuple[Fraction, list[_Taken]] = (Fraction(0), [])
        for last in taken:
            if at <= last[0] < at + self._within:
                window = [one for one in taken if last[0] - self._within < one[0] <= last[0]]
                best = max(best, (self._of_pool(window), window), key=lambda pair: pair[0])
        share, window = best
        if share < self._share:
            return ()
        detail = {"withdrawals": len(window), "share_percent": shown(share)}
        return (Found(shown(share), shown(self._share), detail=detail, evidence=[one[4] for one in window]),)

    def _of_pool(self, window: list[_Taken]) -> Fraction:
        """The percentage; 0 where the pool's size is not known or all of it is worth too little."""
        befores = [Fraction(one[2]) for one in window if one[2]]
        worth = [Fraction(one[3]) for one in window if one[3]]
        if not befores or (len(worth) == len(window) and sum(worth) < self._min_usd):
            return Fraction(0)
        return min(100 * sum((Fraction(one[1]) for one in window), Fraction(0)) / max(befores), Fraction(100))


def _change(held: dict[str, str], who: str, by: Fraction) -> None:
    after = Fraction(held.pop(who, "0")) + by
    if after > 0:
        held[who] = str(after)
        if len(held) > _MOST:
            del held[next(iter(held))]


def _text(value: Fraction | None) -> str:
    return "" if value is None else str(value)
