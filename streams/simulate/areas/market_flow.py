"""The bustle of markets: makers who quote, move and cancel, people who trade at their prices, collectors of tokens."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

from streams.simulate.people import TENANTS, busy, tenant
from streams.simulate.scene import Event, Scenario

SOURCE = "trade"
_MARKETS = (
    ("BTC-EUR", 58_000.0),
    ("ETH-EUR", 3_100.0),
    ("SOL-EUR", 140.0),
    ("ACME", 42.0),
    ("GLOBEX", 117.0),
    ("HOOLI", 8.4),
)
_VENUES = ("north", "harbor", "quay")
_LEVELS, _MAKERS, _ROUND = 5, 4, 100.0


def event(who: int, type_: str, account: str, instrument: str, **more: Any) -> Event:
    """An event of a market, of the tenant of ``who``."""
    return {
        "tenant": tenant(who), "source": "trade", "type": type_, "account": account, "instrument": instrument, **more,
    }  # fmt: skip


class _Walk:
    """Prices that go their own way: a step of a few hundredths of a percent at a time, now and then a larger one."""

    def __init__(self) -> None:
        self._at: dict[tuple[int, str], float] = {}

    def price(self, rng: Random, market: int, name: str, start: float) -> float:
        last = self._at.get((market, name), start)
        step = rng.gauss(0, 0.0004) * (4 if rng.random() < 0.02 else 1)
        now = last * (1 + step + 0.0005 * (start - last) / start)
        self._at[market, name] = now
        return now


class Makers:
    """Market makers: ladders on both sides, in round lots; a fill, and all of it is moved, cancelled or put anew.

    Some keep one side deeper than the other, as their inventory asks for. They also trade with each other, to and fro.
    """

    source = "trade"
    share = 14

    def __init__(self) -> None:
        self._walk = _Walk()
        self._due: dict[str, deque[Event]] = {}
        self._orders = 0

    def background(self, rng: Random, at: int) -> Event:
        who, maker = rng.randrange(len(TENANTS)), rng.randrange(_MAKERS)
        name, start = rng.choice(_MARKETS)
        account = f"maker-{maker}"
        due = self._due.setdefault(f"{who}/{account}/{name}", deque())
        if not due:
            due.extend(self._round(rng, who, maker, name, self._walk.price(rng, who, name, start)))
        return due.popleft()

    def _round(self, rng: Random, who: int, maker: int, name: str, price: float) -> list[Event]:
        account = f"maker-{maker}"
        book: dict[str, list[str]] = {"buy": [], "sell": []}
        events = []
        for side, sign in (("buy", -1), ("sell", 1)):
            for level in range(1, _LEVELS + 1 - (rng.random() < 0.3)):
                self._orders += 1
                book[side].append(f"q-{self._orders:x}")
                events.append(event(
                    who, "order.placed", account, name, order_id=book[side][-1], side=side, qty=_ROUND,
                    price=round(price * (1 + sign * 0.0004 * level), 4), venue=_VENUES[maker % 3], status="open",
                ))  # fmt: skip
        rng.shuffle(events)
        for _ in range(rng.randrange(3)):
            side = rng.choice(("buy", "sell"))
            other = f"maker-{(maker + 1 + rng.randrange(3)) % 4}" if rng.random() < 0.4 else f"client-{busy(rng):05d}"
            events.append(event(
                who, "order.filled", account, name, order_id=book[side][0], side=side, counterparty=other,
                qty=_ROUND if rng.random() < 0.6 else float(rng.randrange(1, 100)), venue=_VENUES[maker % 3],
                price=round(price * (1 - 0.0004 if side == "buy" else 1 + 0.0004), 4), status="filled",
            ))  # fmt: skip
        for side in rng.sample(("buy", "sell"), 2):
            for order_id in book[side]:
                moved = rng.random() < 0.3
                change = "order.replaced" if moved else "order.cancelled"
                more = {"qty": _ROUND, "price": round(price * 1.0001, 4)} if moved else {}
                events.append(event(who, change, account, name, order_id=order_id, side=side, **more))
        return events


class Clients:
    """People and funds that trade at market prices: sizes with a heavy tail, orders that wait, are moved or given up.

    Some buy and sell the same in minutes, and lose or win a little. A fund works its order in slices, one way.
    """

    source = "trade"
    share = 14

    def __init__(self) -> None:
        self._walk = _Walk()
        self._due: deque[Event] = deque()
        self._orders = 0

    def background(self, rng: Random, at: int) -> Event:
        if self._due and rng.random() < 0.6:
            return self._due.popleft()
        who = busy(rng)
        name, start = _MARKETS[who % len(_MARKETS)]
        price = self._walk.price(rng, who % len(TENANTS), name, start)
        qty = round(rng.lognormvariate(7, 1.1) / start, 4)
        side, account, dice = rng.choice(("buy", "sell")), f"client-{who:05d}", rng.random()
        first = self._placed(rng, who, account, name, side, qty, price)
        order = {"order_id": first["order_id"], "side": side}
        if dice < 0.55:
            self._due.append(self._filled(rng, who, account, name, order, qty, price))
        elif dice < 0.75:
            self._due.append(event(who, "order.cancelled", account, name, **order))
        elif dice < 0.85:
            self._due.append(event(who, "order.replaced", account, name, **order, qty=qty, price=round(price, 4)))
        elif dice < 0.9:  # a fund, slice by slice
            self._due.extend(
                self._filled(rng, who, account, name, order, qty / 8, price * (1 + 0.0001 * n)) for n in range(8)
            )
        elif dice < 0.95:  # in and out
            self._due.append(self._filled(rng, who, account, name, order, qty, price))
            back = {"order_id": order["order_id"] + "x", "side": "sell" if side == "buy" else "buy"}
            self._due.append(self._filled(rng, who, account, name, back, qty, price * rng.uniform(0.998, 1.002)))
        return first

    def _placed(self, rng: Random, who: int, account: str, name: str, side: str, qty: float, price: float) -> Event:
        self._orders += 1
        away = rng.choice((0.0, 0.0, 0.001, 0.01, 0.1, 0.3)) * (-1 if side == "buy" else 1)
        return event(
            who, "order.placed", account, name, order_id=f"c-{self._orders:x}", side=side, qty=qty,
            price=round(price * (1 + away), 4), venue=rng.choice(_VENUES), status="open",
        )  # fmt: skip

    def _filled(
        self, rng: Random, who: int, account: str, name: str, order: dict[str, Any], qty: float, price: float
    ) -> Event:
        maker = rng.randrange(_MAKERS)
        return event(
            who, "order.filled", account, name, **order, qty=round(qty, 4), price=round(price, 4), status="filled",
            counterparty=f"maker-{maker}", owner=f"lei-{who:05d}",
            counterparty_owner=f"lei-maker-{maker}",
        )  # fmt: skip


class Collectors:
    """Sales of unique tokens: from hand to hand, some back and forth between the same people with other tokens."""

    source = "trade"
    share = 4

    def __init__(self) -> None:
        self._owner: dict[str, int] = {}
        self._had: dict[str, set[int]] = {}
        self._minted = 0

    def background(self, rng: Random, at: int) -> Event:
        who = rng.randrange(len(TENANTS))
        if not self._owner or rng.random() < 0.4:
            self._minted += 1
            token = f"cats/{self._minted}"
            self._owner[token] = busy(rng)
            self._had[token] = {self._owner[token]}
        else:
            token = rng.choice(list(self._owner)[-400:])
        seller, buyer = self._owner[token], busy(rng)
        while buyer in self._had[token]:
            buyer = rng.randrange(10**9)
        self._owner[token] = buyer
        self._had[token].add(buyer)
        return event(
            who, "nft.sale", f"w{buyer}", token, token_id=token.partition("/")[2], seller=f"w{seller}",
            buyer=f"w{buyer}", qty=1, price=round(rng.lognormvariate(-1, 1.5), 4),
        )  # fmt: skip


BACKGROUNDS = (Makers, Clients, Collectors)
SCENARIOS: tuple[Scenario, ...] = ()
