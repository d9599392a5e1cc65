"""The shipped rules on real data beside the checkout (``../shared/data``), against what is known to be in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streams
from streams.codec.registry import mapping_named_or_file
from streams.errors import ConfigError
from streams.model import Alert, Source
from streams.replay.files import Merged, open_file
from streams.replay.moments import rfc3339
from streams.replay.report import evidence_of
from streams.replay.runner import PartitionLog, replay
from streams.rules.rule import RuleSet

DATA: Final = Path(streams.__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be found. ``of``: the names of the expected findings, out of the truth; ``by``: that of an alert."""

    what: str
    rules: tuple[str, ...]
    of: Callable[[Any], set[str]]
    by: Callable[[Alert], str]


@dataclass(frozen=True, slots=True)
class Known:
    """Files of one source, how they are read, and what is in them."""

    name: str
    source: str
    partition_by: tuple[str, ...]
    mapping: str
    files: tuple[str, ...]
    truth: str
    wanted: tuple[Wanted, ...]


def _completing(alert: Alert) -> str:
    return alert.first[-1].event_id if alert.first else ""


def _field(name: str) -> Callable[[Alert], str]:
    def of(alert: Alert) -> str:
        event = (alert.first[-1].event or {}) if alert.first else {}
        return str(alert.key.get(name, event.get(name, "?")))

    return of


def _shape(alert: Alert) -> str:
    """The events of a wash trade, which name its shape: the first of them."""
    return min((evidence.event_id for evidence in evidence_of(alert)), default="")


def _blocks(name: str, value: Callable[[Any], str]) -> Callable[[Any], set[str]]:
    return lambda truth: {value(one) for block in truth.values() for one in block[name]}


def _sales(pattern: str) -> Callable[[Any], set[str]]:
    return lambda truth: {min(one["sales"]) for one in truth["expected"] if one["pattern"].startswith(pattern)}


KNOWN = (
    Known(
        "Decentralised exchanges: 17 blocks of Ethereum", "chain", ("tenant", "pool"), "dex",
        ("chain/mev_swaps.jsonl", "chain/mev_liquidity_events.jsonl"), "chain/mev_expected.json",
        (
            Wanted("sandwiches, by the back-run's event", ("chain.sandwich",),
                   _blocks("sandwiches", lambda one: one["back"]), _completing),
            Wanted("just-in-time liquidity, by the burn's transaction", ("chain.just-in-time-liquidity",),
                   _blocks("jit", lambda one: one["burn_tx"]), _field("tx_hash")),
            Wanted("atomic arbitrages, by transaction", ("chain.atomic-arbitrage",),
                   _blocks("arbitrages", lambda one: one["tx"]), _field("tx_hash")),
        ),
    ),
    Known(
        "Sales of unique tokens (published, synthetic)", "trade", ("tenant", "account"), "nft",
        ("trade/nft_wash_synthetic.jsonl",), "trade/nft_wash_synthetic_expected.json",
        (
            Wanted("self-sales", ("trade.wash-self-trade",), _sales("self"), _completing),
            Wanted("ping-pong pairs", ("trade.wash-ping-pong",), lambda truth: {
                min(one["sales"][:2]) for one in truth["expected"] if one["pattern"] == "ping_pong"}, _shape),
            Wanted("rings", ("trade.wash-ring",), _sales("ring"), _shape),
            Wanted("linked owners (there are none)", ("trade.wash-linked-owner",), lambda _: set(), _shape),
        ),
    ),
    Known(
        "CloudTrail of a staged attack (103 events)", "audit", ("tenant", "actor"), "cloudtrail",
        ("audit/otrf_ec2_proxy_s3_exfil.jsonl",), "audit/otrf_ec2_proxy_s3_exfil_expected.json",
        (
            Wanted("instance credentials that look around, then exfiltrate", ("audit.instance-credential-recon-exfil",),
                   lambda truth: {one["complete"] for one in truth["expected"]},
                   lambda alert: rfc3339(alert.event_time).replace(".000Z", "Z")),
        ),
    ),
)  # fmt: skip


def measured(ruleset: RuleSet, before: Mapping[str, Any], today: str, data: Path = DATA) -> dict[str, Any]:
    """The figures; without the data those of ``before``. The date is of the day on which they became what they are."""
    if not data.is_dir():
        return dict(before)
    sets = [found for known in KNOWN if (found := _measure(known, ruleset, data)) is not None]
    return dict(before) if before.get("sets") == sets else {"date": today, "sets": sets}


def _measure(known: Known, ruleset: RuleSet, data: Path) -> dict[str, Any] | None:
    places = [data / file for file in (*known.files, known.truth)]
    if not all(place.exists() for place in places):
        return None
    try:
        mapping = mapping_named_or_file(known.mapping)
    except ConfigError as error:
        return {"name": known.name, "files": list(known.files), "problem": error.message}
    truth = json.loads(places[-1].read_bytes())
    source = Source(known.source, f"{known.source}.events", known.partition_by, mapping=mapping)
    merged = Merged([open_file(place) for place in places[:-1]], mapping)
    result = replay([PartitionLog(source, 0, merged.chunks(), merged.origin)], ruleset)
    about = {rule for wanted in known.wanted for rule in wanted.rules}
    return {
        "name": known.name,
        "files": list(known.files),
        "events": result.read,
        "refused": result.total("dead"),
        "wanted": [_compare(wanted, truth, result.alerts) for wanted in known.wanted],
        "also": dict(sorted(Counter(alert.rule for alert in result.alerts if alert.rule not in about).items())),
    }


def _compare(wanted: Wanted, truth: Any, alerts: Sequence[Alert]) -> dict[str, Any]:
    expected = wanted.of(truth)
    told = [wanted.by(alert) for alert in alerts if alert.rule in wanted.rules]
    return {
        "what": wanted.what,
        "rules": list(wanted.rules),
        "expected": len(expected),
        "found": len(expected & set(told)),
        "others": sum(name not in expected for name in told),
        "repeated": sum(name in expected for name in told) - len(expected & set(told)),
        "missed": sorted(expected - set(told))[:5],
    }


def section(real: Mapping[str, Any]) -> Iterator[str]:
    """The part of the page about them."""
    yield from ("", "## On real data", "")
    if not real.get("sets"):
        yield "Not measured: the data were not there when this page was made."
        return
    yield from (f"Measured on {real['date']}; the same figures stand until a measurement differs.", "")
    for one in real["sets"]:
        if "problem" in one:
            yield from (f"**{one['name']}**: not measured: {one['problem']}", "")
            continue
        yield from (f"**{one['name']}**: {one['events']} events, {one['refused']} refused.", "")
        yield "| what | rule | in them | found | others | repeated | missed |"
        yield "|---|---|---|---|---|---|---|"
        for row in one["wanted"]:
            rules = ", ".join(f"`{rule}`" for rule in row["rules"])
            cells = (row["what"], rules, row["expected"], row["found"], row["others"], row["repeated"])
            yield f"| {' | '.join(map(str, cells))} | {', '.join(row['missed'])} |"
        said = ", ".join(f"`{rule}` {n}" for rule, n in one["also"].items())
        yield from ("", f"Other rules spoke as well: {said}." if said else "No other rule spoke.", "")
