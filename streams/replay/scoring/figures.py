"""What runs came to, as one document: for programs, for tables, and for the committed page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streams.replay.moments import rfc3339
from streams.replay.scoring.regimes import Ran
from streams.replay.scoring.score import FALSE, RuleScore, Verdict, added, quantile, total
from streams.rules.durations import format_duration

MILLION = 1_000_000


def document(runs: Sequence[Ran]) -> dict[str, Any]:
    """Figures of all runs together, and what exactly ran. A function of the runs; no clock is in it."""
    background = sum(ran.background for ran in runs)
    scores = added(ran.scores for ran in runs)
    return {
        "ran": [_ran(ran) for ran in runs],
        "background_events": background,
        "left_out": sorted(set.intersection(*(set(ran.left_out) for ran in runs))) if runs else [],
        "totals": _totals(scores.values(), background),
        "rules": [rule_figures(one, background) for one in scores.values()],
    }


def _ran(ran: Ran) -> dict[str, Any]:
    regime = ran.regime
    return {
        "regime": regime.name,
        "seed": regime.seed,
        "start": rfc3339(regime.start),
        "duration": format_duration(regime.duration),
        "each_scenario_every": format_duration(regime.every),
        "background_events": ran.background,
        "labelled_events": ran.labelled,
        "played": dict(sorted(ran.played.items())),
        "refused": ran.refused,
        "false_on_background": sum(one.verdicts[Verdict.BACKGROUND] for one in ran.scores.values()),
    }


def rule_figures(one: RuleScore, background: int) -> dict[str, Any]:
    """The figures of one rule over so many background events."""
    return {
        "rule": one.rule,
        **_counted(one),
        "by_catch_on_look_alikes": one.caught_harmless,
        "caught": dict(sorted(one.caught.items())),
        "precision": _rounded(one.precision),
        "per_million": _per_million(one.verdicts[Verdict.BACKGROUND], background),
        "wait_ms": _quantiles(one.waits_ms),
        "wait_events": _quantiles(one.waits_events),
        "since_first_ms": _quantiles(one.since_first_ms),
        "missed": one.missed,
        "wrong": one.wrong,
    }


def _totals(scores: Iterable[RuleScore], background: int) -> dict[str, Any]:
    scores = list(scores)
    together = total(scores)
    return {
        "rules": len(scores),
        "rules_with_attacks": sum(one.attacks > 0 for one in scores),
        **_counted(together),
        "precision": _rounded(together.precision),
        "per_million": _per_million(together.verdicts[Verdict.BACKGROUND], background),
    }


def _counted(one: RuleScore) -> dict[str, Any]:
    """What a rule, or several together, found, and what else they told."""
    return {
        "attacks": one.attacks,
        "found": one.found,
        "recall": _rounded(one.recall),
        "near_misses": one.near_misses,
        "look_alikes": one.look_alikes,
        "alerts": one.alerts,
        "true": one.true,
        "false": {verdict.value: one.verdicts[verdict] for verdict in FALSE},
        "by_catch": one.verdicts[Verdict.BY_CATCH],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _per_million(alerts: int, background: int) -> float | None:
    return round(alerts * MILLION / background, 2) if background else None


def _quantiles(values: Sequence[int]) -> dict[str, int | None]:
    return {"p50": quantile(values, 0.5), "p95": quantile(values, 0.95)}


def false_alerts(figures: Mapping[str, Any]) -> int:
    """Of one rule, or of the totals."""
    return sum(figures["false"].values())


def weak(rules: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that missed an attack, said something false, or that no attack, near miss and look-alike tried."""
    return [
        one for one in rules
        if (one["attacks"] and one["found"] < one["attacks"]) or false_alerts(one)
        or not (one["attacks"] and one["near_misses"] and one["look_alikes"])
    ]  # fmt: skip


def why_weak(one: Mapping[str, Any]) -> str:
    """What a person would say of it."""
    said = []
    if lost := one["attacks"] - one["found"]:
        said.append(f"missed {lost} of {one['attacks']} ({', '.join(sorted(set(one['missed'])))})")
    said += (f"{n} false {_ABOUT[name]}" for name, n in one["false"].items() if n)
    if lacking := [word for name, word in _PLAYED.items() if not one[name]]:
        said.append(f"no {' and no '.join(lacking)} was played")
    return "; ".join(said)


_PLAYED = {"attacks": "attack", "near_misses": "near miss", "look_alikes": "look-alike"}
_ABOUT = {
    "near_miss": "on a near miss",
    "look_alike": "on a look-alike",
    "wrong_key": "about the wrong key",
    "background": "on the background",
}
