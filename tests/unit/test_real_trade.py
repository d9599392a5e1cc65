"""The published sales of tokens with wash trades planted among them: three shapes, one alert each, decoys silent."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from streams.codec.nft import nft
from streams.model import Alert
from tests.scenes import only, replayed

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "trade"
RULES = ("trade.wash-self-trade", "trade.wash-ping-pong", "trade.wash-ring", "trade.wash-linked-owner")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no real data at {FOLDER}")


def sales() -> list[dict[str, object]]:
    rows = [nft(line) for line in (FOLDER / "nft_wash_synthetic.jsonl").read_bytes().splitlines() if line.strip()]
    return sorted(({"tenant": "default", **row} for row in rows), key=lambda row: int(str(row["event_time"])))


def told(alerts: list[Alert]) -> list[tuple[str, str]]:
    """Each alert's rule and the sale that completed it."""
    return sorted((alert.rule, alert.first[-1].event_id) for alert in alerts)


EXPECTED = [
    ("trade.wash-ping-pong", "t_pp_b1"),
    ("trade.wash-ring", "t_r3"),
    ("trade.wash-self-trade", "t_self_1"),
]


def test_each_planted_shape_is_one_alert_on_the_sale_that_completes_it() -> None:
    truth = msgspec.json.decode((FOLDER / "nft_wash_synthetic_expected.json").read_bytes())
    assert {shape["pattern"] for shape in truth["expected"]} == {"self_sale", "ping_pong", "ring_3"}
    assert told(replayed(sales(), "trade", only(*RULES))) == EXPECTED


@pytest.mark.parametrize("seed", range(3))
def test_sales_of_one_second_may_come_in_any_order(seed: int) -> None:
    rows = [{**row, "event_time": int(str(row["event_time"])) // 86_400_000 * 86_400_000} for row in sales()]
    random.Random(seed).shuffle(rows)
    rows.sort(key=lambda row: int(str(row["event_time"])))
    rules = sorted(alert.rule for alert in replayed(rows, "trade", only(*RULES)))
    # All sales of a day at one time: the sales against the order of time are in order then, too.
    assert rules == ["trade.wash-ping-pong", "trade.wash-ring", "trade.wash-ring", "trade.wash-self-trade"]
