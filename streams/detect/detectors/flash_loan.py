"""Flash loans that are turned against prices: borrowed, a price pushed and used, and repaid in one transaction.

Borrowing by itself is ordinary: arbitrage, liquidations, refinancing. The signs are those of Qin, Zhou, Livshits and
Gervais, "Attacking the DeFi Ecosystem with Flash Loans for Fun and Profit" (2021), and of Wang et al., "Towards
understanding flash loan and its applications in DeFi ecosystem" (2021): a pool is traded one way and back again within
the transaction with a good part of the loan, or a price that others rely on moves far, or the gain is outsized.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.swaps import TRANSACTION_FIELDS, amount_of, place_of, word
from streams.detect.exact import exact, plain

#: Loans, swaps and price moves of one transaction that are remembered, of each.
MOST = 40
_LOANS = frozenset({"flash_loan", "flashloan", "flash-loan", "FlashLoan", "flash.loan", "flash_swap", "LogFlashLoan"})
_SWAPS = frozenset({"swap", "dex_swap", "Swap"})


class FlashLoanAttack:
    """Settings: ``share`` (0.25) of the loan that goes through a pool both ways, ``move_percent`` (10) of a price,
    ``gain_usd`` (100,000).

    Its key is a transaction in one version of a block. Fires once, when a loan and a sign are both there, in any order,
    and names the finding after the loan; the value is the gain in USD where it is told, else what was borrowed in USD,
    else 0. Reads ``profit_usd``, ``amount_usd``, ``price_impact_percent``, and ``price_before``/``price_after`` or
    ``old_price``/``new_price`` where events tell them.
    """

    fields = TRANSACTION_FIELDS
    keeps = "10m"
    version = "2"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._share, self._move, self._gain = (
            _positive(settings, *default) for default in (("share", 0.25), ("move_percent", 10), ("gain_usd", 100_000))
        )

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """State: ``loans``, ``swaps``, ``moves`` and ``gains``, where there are any; ``done`` once it has fired."""
        if state == "done":
            return state, ()
        state = state or {}
        fields, place, sight = event.fields, place_of(event), list(event.sight)
        kind = word(fields.get("type"))
        if kind in _LOANS and (amount := amount_of(fields.get("amount"))):
            usd = amount_of(fields.get("amount_usd")) or ""
            _keep(state, "loans", [place, word(fields.get("token")), amount, usd, sight])
        elif kind in _SWAPS and (paid := amount_of(fields.get("amount_in"))):
            bought = amount_of(fields.get("amount_out")) or "0"
            way = [word(fields.get("token_in")), word(fields.get("token_out"))]
            _keep(state, "swaps", [place, word(fields.get("pool")), *way, paid, bought, sight])
        if (move := _moved(fields)) is not None and move * 100 >= self._move:
            _keep(state, "moves", [place, sight])
        gain = exact(fields.get("profit_usd"))
        if gain is not None and gain > 0:
            _keep(state, "gains", [place, str(fields["profit_usd"])[:100], sight])
        signs = self._signs(state) if "loans" in state else {}
        if not signs:
            return state, ()
        return "done", [_found(state, signs)]

    def _signs(self, state: dict[str, Any]) -> dict[str, list[Any]]:
        """What speaks for an attack, each with the sights of its events."""
        signs: dict[str, list[Any]] = {}
        if (sights := self._round_trip(state)) is not None:
            signs["a pool traded there and back"] = sights
        if "moves" in state:
            signs["a price moved far"] = [sight for _, sight in state["moves"]]
        gains = [sight for _, text, sight in state.get("gains", ()) if (exact(text) or 0) >= self._gain]
        if gains:
            signs["a large gain"] = gains
        return signs

    def _round_trip(self, state: dict[str, Any]) -> list[Any] | None:
        loans: dict[str, Fraction] = defaultdict(Fraction)
        for _, token, amount, _, _ in state["loans"]:
            loans[token] += exact(amount) or 0
        swaps = state.get("swaps", ())
        for place, pool, sold, bought, paid, _, sight in swaps:
            if not pool or sold not in loans or (exact(paid) or 0) < self._share * loans[sold]:
                continue
            for other, same, back, into, _, regained, later in swaps:
                enough = (exact(regained) or 0) >= self._share * loans[sold]
                if enough and other != place and same == pool and (back, into) == (bought, sold):
                    return [sight, later]
        return None


def _positive(settings: Mapping[str, Any], name: str, default: float) -> Fraction:
    number = exact(settings.get(name, default))
    if number is None or number <= 0:
        raise ValueError(f"{name} is a number above 0")
    return number


def _keep(state: dict[str, Any], name: str, entry: list[Any]) -> None:
    """Once for each place; those beyond ``MOST`` are left out."""
    entries = state.setdefault(name, [])
    if len(entries) < MOST and all(one[0] != entry[0] for one in entries):
        entries.append(entry)


def _moved(fields: Mapping[str, Any]) -> Fraction | None:
    """By what part a price moved, either way, as the event tells it; against the smaller of the two prices."""
    told = exact(fields.get("price_impact_percent"))
    if told is not None:
        return abs(told) / 100
    for before, after in (("price_before", "price_after"), ("old_price", "new_price")):
        one, other = exact(fields.get(before)), exact(fields.get(after))
        if one is not None and other is not None and min(one, other) > 0:
            return abs(other - one) / min(one, other)
    return None


def _found(state: dict[str, Any], signs: Mapping[str, list[Any]]) -> Found:
    _, token, amount, _, sight = state["loans"][0]
    gain = max((exact(text) or Fraction(0) for _, text, _ in state.get("gains", ())), default=Fraction(0))
    borrowed = sum((exact(usd) or Fraction(0) for _, _, _, usd, _ in state["loans"]), Fraction(0))
    detail = {
        "borrowed": amount, "token": token, "loans": len(state["loans"]), "borrowed_usd": plain(borrowed),
        "gain_usd": plain(gain), "signs": ", ".join(sorted(signs)),
    }  # fmt: skip
    evidence = [one for sights in signs.values() for one in sights]
    return Found(plain(gain or borrowed), detail=detail, about=sight, evidence=evidence)
