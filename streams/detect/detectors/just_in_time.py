"""Just-in-time liquidity: somebody provides it for one swap of somebody else, and takes it away in the same block.

The pattern is that of mev-inspect and of Capponi, Jia and Zhu, "The Paradox of Just-in-Time Liquidity in Decentralized
Exchanges" (2023): a mint, swaps of others, and a burn by the same provider, in this order, in one pool and block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from streams.detect.detectors import Event, Found, Sight
from streams.detect.detectors.swaps import (
    POOL_FIELDS,
    PUBLIC,
    Row,
    actors_of,
    added,
    amount_of,
    index_of,
    place_of,
    word,
)
from streams.detect.exact import exact

#: So much of one pool in one block is remembered; of more, what stands last in it.
MOST = {"liquidity.mint": 20, "liquidity.burn": 20, "swap": 60}
_MINT, _BURN, _SWAP = "liquidity.mint", "liquidity.burn", "swap"
_KINDS = {
    "liquidity.mint": _MINT, "liquidity_mint": _MINT, "mint": _MINT, "Mint": _MINT,
    "liquidity.burn": _BURN, "liquidity_burn": _BURN, "burn": _BURN, "Burn": _BURN,
    "swap": _SWAP, "dex_swap": _SWAP, "Swap": _SWAP,
}  # fmt: skip
_PROVIDERS = ("owner", "from", "caller", "sender", "recipient")
_SHOWN = 10


class Act(NamedTuple):
    """The row of a mint or a burn; that of a swap ends with ``sight``."""

    tx_index: int
    place: str
    tx: str
    actors: list[str]
    sight: Sight
    named: Sequence[str] = ()  #: owner, origin, contract called, each empty where not told
    size: str = ""  #: liquidity, empty where not told
    ticks: str = ""


class JustInTime:
    """Settings: ``tolerance`` (0.1): the part of the liquidity that may stay behind.

    Its key is a pool in one version of a block. Fires once for each burn and names the finding after it, whatever
    comes last; the value is the number of swaps in between. Mint and burn are of one provider where the first of owner,
    origin and caller that both tell is the same. Keeps the last mints, burns and swaps, so many as ``MOST`` says.
    """

    fields = POOL_FIELDS
    keeps = "10m"
    version = "2"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        tolerance = exact(settings.get("tolerance", 0.1))
        if tolerance is None or not 0 <= tolerance < 1:
            raise ValueError("tolerance is a number from 0 to below 1")
        self._tolerance = tolerance

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        named = event.fields.get("type")
        kind = _KINDS.get(named) if isinstance(named, str) else None
        if kind is None or (act := _act(kind, event)) is None:
            return state, ()
        state = state or {}
        gone = added(state.setdefault(kind, []), act, MOST[kind])
        if gone:
            state["forgotten"] = state.get("forgotten", 0) + gone
        is_new = gone is not None and _SWAP in state and _MINT in state and _BURN in state
        return state, self._findings(state) if is_new else ()

    def _findings(self, state: dict[str, Any]) -> list[Found]:
        mints, burns, swaps = ([Act(*row) for row in state[kind]] for kind in (_MINT, _BURN, _SWAP))
        told = state.setdefault("told", [])
        found: list[Found] = []
        used: set[int] = set()
        for burn in burns:
            for number, mint in reversed(list(enumerate(mints))):
                if number in used or not self._belong(mint, burn):
                    continue
                between = [one for one in swaps if mint.tx_index < one.tx_index < burn.tx_index]
                others = [one for one in between if not set(one.actors) & (set(mint.actors) | set(burn.actors))]
                if not others:
                    continue
                used.add(number)
                name = f"{burn.tx_index}:{burn.place}"
                if name not in told:
                    told.append(name)
                    del told[: -2 * MOST[_BURN]]
                    found.append(_found(mint, others, burn, state.get("forgotten", 0)))
                break
        return found

    def _belong(self, mint: Act, burn: Act) -> bool:
        if mint.tx_index >= burn.tx_index or (mint.ticks and burn.ticks and mint.ticks != burn.ticks):
            return False
        told = [(one, other) for one, other in zip(mint.named, burn.named, strict=True) if one and other]
        if not told or told[0][0] != told[0][1]:
            return False
        provided, taken = exact(mint.size), exact(burn.size)
        return provided is None or taken is None or abs(provided - taken) <= self._tolerance * provided


def _act(kind: str, event: Event) -> Row | None:
    fields = event.fields
    index = index_of(fields.get("tx_index"))
    if index is None:
        return None
    actors, tx = actors_of(fields, _PROVIDERS, PUBLIC), word(fields.get("tx_hash"))
    act = [index, place_of(event), tx, actors, list(event.sight)]
    if kind == _SWAP:
        return act
    named = [word(fields.get("owner")), word(fields.get("from")), word(fields.get("caller") or fields.get("sender"))]
    if named[0] in PUBLIC:
        named[0] = ""  # the contract that keeps the positions of all
    ends = [fields.get("tick_lower"), fields.get("tick_upper")]
    ticks = ":".join(map(str, ends)) if all(type(end) is int for end in ends) else ""
    return [*act, named, amount_of(fields.get("liquidity")) or "", ticks[:40]]


def _found(mint: Act, swaps: Sequence[Act], burn: Act, forgotten: int) -> Found:
    detail: dict[str, Any] = {
        "provider": next((one for one in mint.named if one), ""), "mint_tx": mint.tx, "burn_tx": burn.tx,
        "swaps": len(swaps), "swap_txs": ", ".join(dict.fromkeys(one.tx for one in swaps[:_SHOWN])),
    }  # fmt: skip
    if forgotten:
        detail["forgotten"] = forgotten
    evidence = [one.sight for one in (mint, *swaps[:_SHOWN], burn)]
    return Found(len(swaps), 1, detail=detail, about=burn.sight, evidence=evidence)
