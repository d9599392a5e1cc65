"""The report of a sweep as one HTML file: nothing is fetched, nothing runs, and whatever a key says is text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.replay.pages import drawn
from streams.replay.report import value_text

_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 920.0, 16.0, 210.0
_MOST = 200  #: attacks or alerts in one list; the document holds all


def page(report: Mapping[str, Any], speed: str = "") -> str:
    return drawn(
        "tuning/page.html",
        {"share": _share, "values": _values, "key": _key},
        report=report,
        speed=speed,
        chart=_chart(report),
        most=_MOST,
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _values(values: Sequence[Any]) -> str:
    return ", ".join("not set" if value is None else str(value) for value in values)


def _key(key: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value_text(value)}" for name, value in key.items())


def _chart(report: Mapping[str, Any]) -> dict[str, Any]:
    """Alerts as bars, shares as lines, in the units of the drawing; points of a grid one after the other."""
    asked = [point for point in report["points"] if point["asked"]]
    highest = max((point["alerts"] for point in asked), default=0) or 1
    step = (_RIGHT - _LEFT) / len(asked)
    chosen = report["suggestion"]
    bars = []
    for number, point in enumerate(asked):
        height = point["alerts"] / highest * (_BOTTOM - _TOP)
        told = f"{_values(point['values'])}: {point['alerts']} alerts"
        if point["labels"]:
            told += ", " + ", ".join(
                f"{name} {_share(point['labels'][name])}" for name in ("precision", "recall", "f1")
            )
        bars.append({
            "x": round(_LEFT + number * step + step * 0.1, 2), "y": round(_BOTTOM - height, 2),
            "width": round(step * 0.8, 2), "height": round(height, 2), "told": told,
            "middle": round(_LEFT + (number + 0.5) * step, 2), "left": round(_LEFT + number * step, 2),
            "step": round(step, 2), "values": _values(point["values"]),
            "named": number % (len(asked) // 25 + 1) == 0,
            "chosen": chosen is not None and chosen["values"] == point["values"],
            "plateau": chosen is not None and point["values"] in chosen["plateau"], "now": point["is_current"],
        })  # fmt: skip
    lines = {name: _line(asked, name, step) for name in ("precision", "recall", "f1")}
    return {"bars": bars, "highest": highest, "lines": {name: line for name, line in lines.items() if line}}


def _line(asked: Sequence[Mapping[str, Any]], name: str, step: float) -> str:
    """The points of a line through a share at each setting where there is one."""
    shares = [(number, point["labels"][name]) for number, point in enumerate(asked) if point["labels"]]
    places = [
        f"{_LEFT + (number + 0.5) * step:.2f},{_BOTTOM - share * (_BOTTOM - _TOP):.2f}"
        for number, share in shares if share is not None
    ]  # fmt: skip
    return " ".join(places)
