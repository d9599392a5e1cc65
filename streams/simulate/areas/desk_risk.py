"""The limits of a trading desk, what it moves, and deals that break off."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "trade"
MINUTE, DAY = 60_000, 86_400_000
_ASSETS = ("USDTz", "XTZ", "BTC", "ETH", "SOL")
_MOST = 2_000_000
_STEPS = ("lock_collateral", "borrow", "swap", "repay", "settle")


def _event(who: int, type_: str, **more: Any) -> Event:
    account = f"risk-{who:06d}"
    return {"tenant": tenant(who), "source": "trade", "type": type_, "account": account, **more}


def _exposure(rng: Random, who: int, asset: str, percent: float) -> Event:
    held = round(_MOST * percent / 100, 2)
    deal = f"d-{rng.getrandbits(40):010x}"
    return _event(who, "risk.exposure", asset=asset, exposure=held, max_exposure=_MOST, deal_id=deal)


def _position(rng: Random, who: int, percent: float, instrument: str = "BTC-USD") -> Event:
    return _event(
        who, "risk.position", instrument=instrument, position=round(percent * 0.5, 4), max_position=50, max_short=50
    )


def _ltv(who: int, percent: float) -> Event:
    return _event(who, "risk.ltv", deal_id=f"r-{who:010x}", ltv=round(0.008 * percent, 6), max_ltv=0.8)


def _transfer(rng: Random, who: int, amount: float, type_: str = "transfer") -> Event:
    return _event(who, type_, instrument=rng.choice(_ASSETS), amount_usd=round(amount, 2), destination=f"w-{who % 977}")


class Desks:
    """Limits used by less than three quarters, and transfers with a fat tail; treasuries move large sums."""

    source = "trade"
    share = 6

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        if dice < 0.25:
            return _exposure(rng, who, _ASSETS[who % 5], rng.triangular(5, 73, 30))
        if dice < 0.45:
            return _position(rng, who, rng.choice((1, -1)) * rng.triangular(0, 78, 25), f"I{who % 40}-USD")
        if dice < 0.6:
            return _ltv(who, rng.triangular(10, 73, 45))
        if dice < 0.9:
            return _transfer(
                rng, who, min(rng.lognormvariate(7.5, 1.6), 990_000), rng.choice(("transfer", "withdrawal"))
            )
        if dice < 0.95:  # of treasuries, of which there are few
            return _transfer(rng, 60_000_000 + who % 4, min(rng.lognormvariate(12.5, 0.5), 4_000_000))
        return _event(who, "deal.completed", deal_id=f"d-{rng.getrandbits(40):010x}", step="settle", status="completed")


def _key(who: int, **more: Any) -> dict[str, Any]:
    return {"account": f"risk-{who:06d}", **more}


def _usdtz_piles_up(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A desk takes on USDTz deal by deal, among deals in other assets."""
    percents, at = (41.0, 66.0, rng.uniform(75.1, 84), 86.0, rng.uniform(95.1, 120)), spread(rng, 5, span)
    events = []
    for t, percent in zip(at, percents, strict=True):
        events += [(t, _exposure(rng, who, "XTZ", 20)), (t, _exposure(rng, who, "USDTz", percent))]
    return Attack(tenant(who), _key(who), events, completes=5)


def _usdtz_held(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A desk that stays just below three quarters of its limit."""
    events = [(t, _exposure(rng, who, "USDTz", rng.uniform(73, 74.99))) for t in spread(rng, 6, span)]
    return Attack(tenant(who), _key(who), events, completes=None)


def _other_asset(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A desk that is full of XTZ, and has some USDTz."""
    events = [(t, _exposure(rng, who, asset, percent)) for t, (asset, percent) in zip(
        spread(rng, 4, span), (("XTZ", 60), ("XTZ", 90), ("USDTz", 30), ("XTZ", 97)), strict=True
    )]  # fmt: skip
    return Attack(tenant(who), _key(who), events, completes=None)


def _asset_held(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two assets, each just below three quarters of its limit."""
    events = [(t, _exposure(rng, who, rng.choice(("XTZ", "BTC")), rng.uniform(72, 74.9))) for t in spread(rng, 6, span)]
    return Attack(tenant(who), _key(who, asset="XTZ"), events, completes=None)


def _many_assets(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Half of the limit in each of four assets: twice the limit together, but there is one for each."""
    events = [(t, _exposure(rng, who, asset, 50)) for t, asset in zip(spread(rng, 4, span), _ASSETS[1:], strict=True)]
    return Attack(tenant(who), _key(who, asset="XTZ"), events, completes=None)


def _position_grows(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A position, long or short, grows to its limit and beyond."""
    sign = rng.choice((1, -1))
    percents = (40, 70, rng.uniform(80.1, 89), 93, rng.uniform(100.1, 130))
    events = [(t, _position(rng, who, sign * one)) for t, one in zip(spread(rng, 5, span), percents, strict=True)]
    return Attack(tenant(who), _key(who, instrument="BTC-USD"), events, completes=2)


def _position_held(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A position just below four fifths of its limit."""
    events = [(t, _position(rng, who, rng.uniform(77, 79.9))) for t in spread(rng, 6, span)]
    return Attack(tenant(who), _key(who, instrument="BTC-USD"), events, completes=None)


def _positions(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Large positions in many instruments, long and short, each within its limit."""
    events = [(t, _position(rng, who, (-1) ** n * 70, f"I{n}-USD")) for n, t in enumerate(spread(rng, 8, span))]
    return Attack(tenant(who), _key(who, instrument="I0-USD"), events, completes=None)


def _theft(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An account of small amounts is emptied in one go."""
    small = [(t, _transfer(rng, who, rng.lognormvariate(7, 1))) for t in spread(rng, 8, span // 2)]
    amount = 1_000_000 * rng.paretovariate(1.1)
    return Attack(tenant(who), _key(who), [*small, (span // 2, _transfer(rng, who, amount, "withdrawal"))], completes=8)


def _almost_million(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Transfers of just less than a million."""
    events = [(t, _transfer(rng, who, rng.uniform(950_000, 999_999))) for t in spread(rng, 3, span)]
    return Attack(tenant(who), _key(who), events, completes=None)


def _treasury(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A treasury that moves sums of this kind every few hours."""
    events = [(t, _transfer(rng, who, rng.uniform(600_000, 999_000))) for t in spread(rng, 8, span // 2)]
    events += [
        (span // 2 + t, _transfer(rng, who, rng.uniform(1_000_000, 1_800_000))) for t in spread(rng, 8, span // 2)
    ]
    return Attack(tenant(who), _key(who), events, completes=None)


def _loan_held(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A loan that stays just below three quarters of what it may be."""
    events = [(t, _ltv(who, rng.uniform(72, 74.9))) for t in spread(rng, 6, span)]
    return Attack(tenant(who), _key(who, deal_id=f"r-{who:010x}"), events, completes=None)


def _loan_repaid(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A loan without a limit any more, as it is being paid back, and others of the same desk."""
    events = [(t, {**_ltv(who, 90), "max_ltv": None}) for t in spread(rng, 3, span)]
    return Attack(tenant(who), _key(who, deal_id=f"r-{who:010x}"), events, completes=None)


def _deal(who: int, type_: str, step: str, **more: Any) -> Event:
    return _event(who, type_, deal_id=f"r-{who:010x}", step=step, **more)


def _step_again(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A deal with a step that is tried again, and then completes."""
    types = ("deal.started", "deal.step_retried", "deal.completed")
    events = [(t, _deal(who, one, rng.choice(_STEPS))) for t, one in zip(spread(rng, 3, span), types, strict=True)]
    return Attack(tenant(who), _key(who, deal_id=f"r-{who:010x}"), events, completes=None)


def _called_off(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A deal that its trader calls off before the first step."""
    events = [(0, _deal(who, "deal.cancelled", "none", reason="called off", error=""))]
    return Attack(tenant(who), _key(who, deal_id=f"r-{who:010x}"), events, completes=None)


BACKGROUNDS = (Desks,)
SCENARIOS = (
    Scenario("usdtz-piles-up", "trade.usdtz-exposure", 10 * MINUTE, _usdtz_piles_up),
    Scenario("usdtz-held", "trade.usdtz-exposure", 10 * MINUTE, _usdtz_held, Nature.NEAR_MISS),
    Scenario("usdtz-other-asset", "trade.usdtz-exposure", 10 * MINUTE, _other_asset, Nature.LOOK_ALIKE),
    Scenario("exposure-held", "trade.exposure-threshold", 10 * MINUTE, _asset_held, Nature.NEAR_MISS),
    Scenario("exposure-many-assets", "trade.exposure-threshold", 10 * MINUTE, _many_assets, Nature.LOOK_ALIKE),
    Scenario("position-grows", "trade.position-limit", 10 * MINUTE, _position_grows),
    Scenario("position-held", "trade.position-limit", 10 * MINUTE, _position_held, Nature.NEAR_MISS),
    Scenario("position-many", "trade.position-limit", 10 * MINUTE, _positions, Nature.LOOK_ALIKE),
    Scenario("transfer-theft", "trade.high-value-transfer", 10 * MINUTE, _theft),
    Scenario("transfer-almost-million", "trade.high-value-transfer", 10 * MINUTE, _almost_million, Nature.NEAR_MISS),
    Scenario("transfer-treasury", "trade.high-value-transfer", 2 * DAY, _treasury, Nature.LOOK_ALIKE),
    Scenario("ltv-held", "trade.ltv-threshold", 10 * MINUTE, _loan_held, Nature.NEAR_MISS),
    Scenario("ltv-without-limit", "trade.ltv-threshold", 10 * MINUTE, _loan_repaid, Nature.LOOK_ALIKE),
    Scenario("deal-step-again", "trade.deal-failure", 5 * MINUTE, _step_again, Nature.NEAR_MISS),
    Scenario("deal-called-off", "trade.deal-failure", 1, _called_off, Nature.LOOK_ALIKE),
)
