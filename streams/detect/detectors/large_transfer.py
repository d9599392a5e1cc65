"""Transfers that are large for what is transferred: each asset has a threshold of its own.

The way of the public "whale" watchers (Whale Alert): an amount of the asset, not of dollars, wherever the asset is
known; dollars, where the event has them, for all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.onchain import address, amount, shown

_MAX_DECIMALS = 77


class LargeTransfer:
    """Finds each transfer of at least its asset's threshold. Observed: how many times the threshold it is.

    Settings: ``assets``: name -> ``{at_least, decimals, tokens}``, where ``at_least`` is in whole units and ``tokens``
    are symbols or contracts in any case; ``native``: chain id -> name of the asset of transfers without a token;
    ``usd``: the threshold in dollars for everything else. The threshold of a known asset holds whatever dollars say:
    anybody can give a token of his own a price. Not found: transfers to oneself, amounts of zero and what is no amount.
    Keeps no state.
    """

    keeps = "10m"
    fields: Sequence[str] = ("chain_id", "token", "token_symbol", "amount", "decimals", "amount_usd", "from", "to")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._usd = Fraction(str(settings.get("usd", 1_000_000)))
        self._native = {str(chain): str(name) for chain, name in settings.get("native", {}).items()}
        self._assets: dict[str, tuple[str, Fraction, int]] = {}
        for name, asset in settings.get("assets", {}).items():
            known = (str(name), Fraction(str(asset["at_least"])), _decimals(asset.get("decimals"), 18))
            if known[1] <= 0 or self._usd <= 0:
                raise ValueError(f"the threshold of {name} must be more than 0")
            for token in (name, *asset.get("tokens", ())):
                self._assets[address(str(token))] = known
        if unknown := [name for name in self._native.values() if address(name) not in self._assets]:
            raise ValueError(f"native names {unknown[0]}, which is none of the assets")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        fields = event.fields
        if address(fields.get("from")) and address(fields.get("from")) == address(fields.get("to")):
            return None, ()
        asset = self._asset(fields)
        if asset is None:
            dollars = amount(fields.get("amount_usd"))
            return None, self._found(dollars, self._usd, "USD")
        name, at_least, decimals = asset
        raw = amount(fields.get("amount"))
        if raw is not None:
            raw /= 10 ** _decimals(fields.get("decimals"), decimals)
        return None, self._found(raw, at_least, name)

    def _asset(self, fields: Mapping[str, Any]) -> tuple[str, Fraction, int] | None:
        """What is transferred, where it is known. The symbol counts only without a contract: anybody can copy one."""
        token = fields.get("token")
        if token is None or token == "":
            symbol = fields.get("token_symbol")
            token = self._native.get(str(fields.get("chain_id")), "") if symbol is None else symbol
        return self._assets.get(address(token))

    def _found(self, units: Fraction | None, at_least: Fraction, name: str) -> Sequence[Found]:
        if units is None or units < at_least:
            return ()
        detail = {"asset": name, "units": shown(units), "limit": shown(at_least)}
        return (Found(shown(units / at_least), 1, detail=detail),)


def _decimals(value: Any, default: int) -> int:
    return value if type(value) is int and 0 <= value <= _MAX_DECIMALS else default
