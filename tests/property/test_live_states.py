"""States that live: every shipped detector that asks for it keeps what it promised, and finds the same wherever its
states are written and read again."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import msgspec
import pytest

from streams.detect.base import NEVER, Moment, State
from streams.detect.boxed import MAX_INNER
from streams.detect.detectors import UNCHANGED, Event
from streams.detect.kinds.python import Python, found
from streams.detect.living import Living, LivingInPlace, LivingTimed
from streams.model import Source
from streams.replay.rules.cases import test_rules as run_cases
from streams.rules.rule import RuleSet
from streams.simulate.registry import DOMAINS
from tests.scenes import shipped
from tests.stepping import HOSTILE

LIVE = {
    rule.id: rule
    for rule in shipped().rules
    if isinstance(rule.detect, Python) and getattr(found(rule.detect.target), "live", False)
}
_UNSET: tuple[Any, ...] = (msgspec.UNSET, msgspec.UNSET, 10**30, {"b": [1]}, ["0xa", None])
_NUMBERS = (1, 2, 5, 40, 100, 0.5, "100", "1e3", 2_000_000, 101)
_NAMES = ("a", "b", "0xAB", "0x" + "c" * 40, "0x" + "c" * 39 + "d")
#: By the last word of a path: what detectors look for in it.
_SENSIBLE: dict[str, tuple[Any, ...]] = {
    "type": (
        "order.placed", "order.cancelled", "order.replaced", "order.filled", "trade", "swap", "liquidity.mint",
        "liquidity.burn", "flash_loan", "bridge.deposit", "bridge.withdrawal", "approval", "transfer", "pool.created",
    ),
    "action": (
        "new", "cancel", "fill", "login", "export", "delete", "drop", "DescribeInstances", "ListBuckets", "GetObject",
    ),
    "status": ("filled", "open"), "outcome": ("success", "failure"), "side": ("buy", "sell", "B", 2),
    "source_ip": ("192.0.2.1", "198.51.100.9", "203.0.113.7", "10.1.2.3", "2001:db8::1"),
    "lat": (52.52, "40.7", -33), "lon": (13.4, "-74.0", 151), "approved": (True, False), "state": ("stopping", "up"),
    "tx_index": (1, 2, 3, 4, "5"), "log_index": (1, 2, 3), "decimals": (6, 18), "block": (7, 8, 9), "pool": ("p", "q"),
    "resource": ("a/b/c", "a/b", "x"), "hash": ("h1", "h2", "h3"), "prev_hash": ("h1", "h2", "", "0x00"),
    "key": ({"pool": "p"}, {"account": "a"}), "tags": (["disk"], ["latency", "risk.security"]),
    **dict.fromkeys(("token_in", "token_out", "token"), ("W", "X", "Y")),
    **dict.fromkeys(
        ("account", "counterparty", "buyer", "seller", "actor", "owner", "from", "to", "sender", "recipient", "spender",
         "provider", "caller", "pool_creator", "creator", "tx_from", "counterparty_owner", "order_id", "trade_id", "id", "rule"), _NAMES),
}  # fmt: skip


def test_those_of_the_packs_that_hold_much_live() -> None:
    assert {"trade.spoofing", "trade.layering", "trade.fat-finger", "trade.pump-and-dump"} <= LIVE.keys()


class Watched:
    """The detector, held to what ``live`` and ``steady`` promise of every step."""

    def __init__(self, inner: Any) -> None:
        self._inner, self._steady = inner, getattr(inner, "steady", False)
        if hasattr(inner, "due"):
            self.due = inner.due

    def step(self, state: Any, event: Event) -> Any:
        came = deepcopy(event)
        after, seen = self._inner.step(state, event)
        if self._steady:
            assert repr(came) == repr(event), "the event was changed, which others see too"
        kept = _promised(state if after is UNCHANGED else after)
        for value in event.fields.values():
            if isinstance(value, list | dict):
                value.clear()
        assert msgspec.json.encode(state if after is UNCHANGED else after) == kept, (
            "the state holds a part of the event"
        )
        return after, seen

    def expire(self, state: Any, now: int) -> Any:
        after, seen = self._inner.expire(state, now)
        _promised(state if after is UNCHANGED else after)
        return after, seen


def _promised(state: Any) -> bytes:
    raw = msgspec.json.encode(state)
    assert msgspec.json.decode(raw) == state, "the state does not come back from JSON as it was"
    assert len(raw) <= MAX_INNER
    return raw


def _cut(one: Living, state: State | None) -> Any:
    return None if state is None else msgspec.json.decode(msgspec.json.encode(one.written(state)))


def _timeline(rule: Python, rng: Random) -> list[tuple[Moment, int]]:
    """Events, and how far time is closed before each."""
    at, moments = 1_709_208_000_000, []
    pools = [_SENSIBLE.get(path.rpartition(".")[2], _NUMBERS) * 9 + HOSTILE + _UNSET for path in rule.watched]
    for number in range(rng.randint(1, 60)):
        at += rng.choice((0, 0, 500, 5_000, -1_000, 600_000, 7_200_000))
        values = tuple(rng.choice(pool) for pool in pools)
        arm = rng.randint(0, len(rule.also))
        moments.append((Moment(at, number, f"e{number}", values, NEVER, NEVER, (arm,)), at - 60_000))
    return moments


@pytest.mark.parametrize("rule", sorted(LIVE))
def test_what_lives_sees_what_is_written_and_read_again_sees(rule: str) -> None:
    detect = LIVE[rule].detect
    assert isinstance(detect, Python)
    ways = ("", *(name for name, _ in detect.also))
    for seed in range(6):
        watched = Watched(found(detect.target)(msgspec.json.decode(detect.settings)))
        one = (LivingTimed if detect.is_timed else Living)(watched, detect.watched, 1 << 40, ways)
        left: Any = None
        right: Any = None
        for moment, closed in _timeline(detect, Random(f"{rule} {seed}")):
            if isinstance(one, LivingTimed):
                while right is not None and (due := one.due(right)) is not None and due <= closed:
                    assert one.due(left) == due
                    (left, seen), (right, expected) = one.expire(left), one.expire(_cut(one, right))
                    assert seen == expected
            both = [moment._replace(values=deepcopy(moment.values)) for _ in range(2)]
            left, seen = one.step(left, both[0])
            right, expected = one.step(_cut(one, right), both[1])
            assert seen == expected
            assert one.written(left) == one.written(right)


@pytest.mark.parametrize("rule", sorted(LIVE))
def test_the_tests_of_the_rules_hold_with_states_that_are_cut_at_every_step(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, expire = Living.step, LivingTimed.expire
    monkeypatch.setattr(Living, "step", lambda self, state, moment: step(self, _cut(self, state), moment))
    monkeypatch.setattr(LivingTimed, "expire", lambda self, state: expire(self, _cut(self, state)))
    monkeypatch.setattr(LivingInPlace, "quick", lambda *_: False)  # what it sees is told without a cut in between
    sources = {name: Source(name, f"{name}.events", domain().partition_by) for name, domain in DOMAINS.items()}
    results = list(run_cases(RuleSet((LIVE[rule],)), sources))
    assert results
    assert [(result.case, result.problems) for result in results if result.problems] == []
