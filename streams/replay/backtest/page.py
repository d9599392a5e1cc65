"""The report of a backtest as one HTML file: nothing is fetched, nothing runs, and whatever a title says is text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from streams.replay.pages import drawn
from streams.replay.report import value_text
from streams.rules.durations import format_duration

_MOST = 500  #: alerts in one table; the document holds all
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 956.0, 16.0, 160.0


def page(
    report: Mapping[str, Any],
    costs: Sequence[Mapping[str, Any]] = (),
    speed: str = "",
    budget: Sequence[tuple[str, str | None]] = (),
    told: Markup | None = None,
) -> str:
    """``budget``: each comparison, and what is wrong with it if anything is. ``told``: who would have been told what,
    as a section.
    """
    bars = report["over_time"]["bars"]
    sparks = {name: _spark(bars, name) for name in report["by_rule"]}
    chart = _chart(bars, report["over_time"]["width_ms"])
    return drawn(
        "backtest/page.html",
        {"share": _share, "wait": _wait, "key": _key},
        report=report,
        costs=costs,
        speed=speed,
        budget=budget,
        most=_MOST,
        chart=chart,
        sparks=sparks,
        told=told,
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _wait(ms: int | None) -> str:
    return "–" if ms is None else format_duration(ms) if ms > 0 else f"{ms} ms"


def _key(key: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value_text(value)}" for name, value in key.items())


def _chart(bars: Sequence[Mapping[str, Any]], width_ms: int) -> dict[str, Any]:
    """Bars stacked by severity, in the units of the drawing; none where nothing happened."""
    highest = max((sum(bar["severity"].values()) for bar in bars), default=0)
    if not highest:
        return {"bars": []}
    step = (_RIGHT - _LEFT) / len(bars)
    drawn = []
    for number, bar in enumerate(bars):
        foot, parts = _BOTTOM, []
        for name, n in bar["severity"].items():
            height = n / highest * (_BOTTOM - _TOP)
            foot -= height
            parts.append({
                "name": name, "x": round(_LEFT + number * step, 2), "y": round(foot, 2),
                "width": round(max(step * 0.85, 0.5), 2), "height": round(height, 2),
            })  # fmt: skip
        told = ", ".join(f"{name} {n}" for name, n in bar["rule"].items())
        drawn.append({"title": f"{bar['begin']}: {told or 'none'}", "parts": parts})
    return {
        "bars": drawn, "highest": highest, "begin": bars[0]["begin"], "end": bars[-1]["begin"],
        "width": format_duration(width_ms),
    }  # fmt: skip


def _spark(bars: Sequence[Mapping[str, Any]], rule: str) -> dict[str, Any]:
    counts = [bar["rule"].get(rule, 0) for bar in bars]
    highest = max(counts, default=0) or 1
    drawn = [
        {"x": number, "y": round(20 - 20 * n / highest, 2), "height": round(20 * n / highest, 2)}
        for number, n in enumerate(counts) if n
    ]  # fmt: skip
    return {"width": max(len(counts), 1), "bars": drawn}
