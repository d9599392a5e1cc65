"""Real blocks of Ethereum through the shipped rules: what is known to be in them, and nothing else."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.codec.dex import dex
from streams.model import Alert, Record, Source
from streams.replay.runner import PartitionLog, replay
from tests.scenes import only

DATA = Path(__file__).parents[3] / "shared" / "data" / "chain"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the real blocks in {DATA}")
RULES = ("chain.sandwich", "chain.just-in-time-liquidity", "chain.atomic-arbitrage", "chain.flash-loan-attack")
FILES = ("mev_swaps.jsonl", "mev_liquidity_events.jsonl")


@cache
def truth() -> dict[str, Any]:
    return json.loads((DATA / "mev_expected.json").read_text())  # type: ignore[no-any-return]  # an object


def rows() -> list[bytes]:
    """Swaps, mints and burns, block by block; of a block as the files have them."""
    lines = [line for name in FILES for line in (DATA / name).read_bytes().splitlines()]
    return sorted(lines, key=lambda line: json.loads(line)["block_number"])


def found(lines: list[bytes], rule: str, max_disorder: int = 0) -> list[Alert]:
    last = max(json.loads(line)["ts"] for line in lines) * 1_000
    log: list[Record] = [(number, line, last) for number, line in enumerate(lines)]
    source = Source("chain", "chain.events", ("tenant", "pool"), mapping=dex, max_disorder=max_disorder)
    result = replay([PartitionLog(source, 0, [log])], only(*RULES))
    assert not result.refused, result.refused
    assert not result.late
    return [alert for alert in result.alerts if alert.rule == rule]


def carriers(lines: list[bytes], rule: str) -> set[str]:
    alerts = found(lines, rule)
    ids = [alert.last[-1].event_id for alert in alerts]
    assert len(set(ids)) == len(ids)
    return set(ids)


def shuffled(seed: int) -> list[bytes]:
    """Blocks in their order; what is in a block in any, and one row in eight twice."""
    rng = Random(seed)
    twice = [line for line in rows() for _ in range(1 + (rng.random() < 0.125))]
    return sorted(twice, key=lambda line: (json.loads(line)["block_number"], rng.random()))


def test_all_five_sandwiches_and_no_other_each_carried_by_its_back_run() -> None:
    wanted = {one["back"]: one for block in truth().values() for one in block["sandwiches"]}
    alerts = {alert.last[-1].event_id: alert for alert in found(rows(), "chain.sandwich")}
    assert alerts.keys() == wanted.keys()
    for back, alert in alerts.items():
        assert [one.event_id for one in alert.last] == [wanted[back]["front"], *wanted[back]["victims"], back]
        assert alert.metadata["attacker"] == wanted[back]["sandwicher"]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_inside_a_block_and_duplicates_change_nothing(seed: int) -> None:
    lines = shuffled(seed)
    for rule in RULES[:2]:
        assert carriers(lines, rule) == carriers(rows(), rule), rule
    transactions = [{str(one.key["tx_hash"]) for one in found(order, RULES[2])} for order in (rows(), lines)]
    assert transactions[0] == transactions[1]


def test_both_cases_of_just_in_time_liquidity_and_no_other_each_carried_by_its_burn() -> None:
    alerts = found(rows(), "chain.just-in-time-liquidity")
    wanted = {(one["mint_tx"], one["burn_tx"]) for block in truth().values() for one in block["jit"]}
    assert {(alert.metadata["mint_tx"], alert.metadata["burn_tx"]) for alert in alerts} == wanted
    assert len(alerts) == len(wanted) == 2


def test_every_known_arbitrage_is_found_and_what_else_is_found_gains_in_a_circle_too() -> None:
    wanted = {one["tx"] for block in truth().values() for one in block["arbitrages"]}
    alerts = {str(alert.key["tx_hash"]): alert for alert in found(rows(), "chain.atomic-arbitrage")}
    assert wanted <= alerts.keys()
    assert len(wanted) == 16
    others = [alerts[tx] for tx in alerts.keys() - wanted]
    assert len(others) == 3  # through pools that the labels do not follow: a curve pool, an exchange's own stock
    assert all(float(alert.metadata["gain_percent"]) > 0.1 for alert in others)


def test_no_flash_loan_attack_is_seen_where_there_is_none() -> None:
    assert found(rows(), "chain.flash-loan-attack") == []
