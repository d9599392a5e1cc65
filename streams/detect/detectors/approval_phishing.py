"""Somebody has many people approve him without limit, then takes their tokens himself.

Ice phishing, as Microsoft described it (2022, "Ice phishing" on the blockchain) and Forta's ice-phishing bot finds it:
the spender is new, approvals of several owners come in, and the transfers are begun by somebody else than the owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found, Sight
from streams.detect.detectors.onchain import above_zero, address, amount, first_address, word
from streams.rules.durations import parse_duration

#: What wallets offer as "unlimited" begins here: 96 bits, all set (of some tokens the largest that they know).
_UNLIMITED = 2**96 - 1
_MOST = 128  #: owners that are remembered of a spender, of either kind


class ApprovalPhishing:
    """Of one spender. Observed: how many owners lost tokens to him, or (a spender without code) approved him.

    Settings: ``victims`` (3), ``within`` (7d, from an approval to the transfer), ``fresh`` (30d: a spender that has
    been known for longer is established), ``approvals``: the types of approvals; all other events are transfers.

    A victim approved without limit and lost tokens in a transfer that somebody else began (``tx_from``, which must be
    there: with a router of an exchange it is the owner). An approval to an address without code
    (``spender_is_contract: false``) counts by itself: no honest site asks for one. An approval of zero, or
    ``approved: false``, takes it back. Each further victim is a finding. The order of events does not matter.
    State: 128 owners who approved and 128 who lost tokens; those of longest ago go.
    """

    keeps = "30d"
    live = steady = True
    fields: Sequence[str] = (
        "type", "spender", "owner", "from", "to", "amount", "approved", "tx_from", "spender_is_contract",
    )  # fmt: skip

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._victims = int(settings.get("victims", 3))
        self._within = parse_duration(settings.get("within", "7d"))
        self._fresh = parse_duration(settings.get("fresh", "30d"))
        self._approvals = {word(text) for text in settings["approvals"]}
        if self._victims < 1:
            raise ValueError("victims must be at least 1")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        known = state or {"first": event.time, "approved": {}, "lost": {}, "told": []}
        known["first"] = min(known["first"], event.time)
        fields = event.fields
        owner, spender = first_address(fields, ("owner", "from")), address(fields.get("spender"))
        if not owner or owner == spender:
            return known, ()
        if word(fields.get("type")) in self._approvals:
            self._approval(known, owner, event)
        elif _is_taken(fields, owner):
            _remember(known["lost"], owner, event.time, event.sight)
        if event.time - known["first"] > self._fresh:
            return known, ()
        return known, self._found(known, owner, fields.get("spender_is_contract") is False)

    def _approval(self, known: dict[str, Any], owner: str, event: Event) -> None:
        granted = amount(event.fields.get("amount"))
        said = event.fields.get("approved")
        if said is True or (granted is not None and granted >= _UNLIMITED):
            _remember(known["approved"], owner, event.time, event.sight)
        elif said is False or granted == 0:
            last = known["approved"].get(owner)
            if last is not None and last[0] <= event.time and owner not in known["lost"]:
                del known["approved"][owner]

    def _found(self, known: dict[str, Any], owner: str, is_codeless: bool) -> Sequence[Found]:
        approved, lost = known["approved"], known["lost"]
        victims = [one for one in lost if one in approved and 0 <= lost[one][0] - approved[one][0] < self._within]
        stage = "taken"
        if len(victims) < self._victims and is_codeless:
            victims, stage = list(approved), "approved"
        mark = f"{stage} {owner}"
        if len(victims) < self._victims or owner not in victims or mark in known["told"]:
            return ()
        known["told"] = [*known["told"], mark][-2 * _MOST :]
        evidence = [sights[one][1] for one in victims for sights in (approved, lost) if one in sights]
        return (
            Found(
                len(victims), self._victims, detail={"stage": stage, "owners": victims[:10]}, evidence=evidence[-20:]
            ),
        )


def _is_taken(fields: Mapping[str, Any], owner: str) -> bool:
    begun = address(fields.get("tx_from"))
    to = address(fields.get("to"))
    return bool(begun) and begun != owner and to != owner and above_zero(fields.get("amount")) is not None


def _remember(of: dict[str, Any], owner: str, at: int, sight: Sight) -> None:
    last = of.get(owner)
    if last is None or last[0] < at:
        of[owner] = [at, list(sight)]
    if len(of) > _MOST:
        del of[min(of, key=lambda one: of[one][0])]
