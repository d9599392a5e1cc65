"""The figures for people: a table, and the page ``streams/docs/quality.md`` with what it is made from beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from streams.reference.committed import DOCS, write_into
from streams.replay.scoring import realdata
from streams.replay.scoring.figures import false_alerts, weak, why_weak
from streams.replay.scoring.regimes import Ran, natures
from streams.rules.durations import format_duration
from streams.rules.rule import RuleSet

PAGE, FIGURES = "quality.md", "quality.json"
TARGET = 20  #: alerts a million background events, all rules together

_HEADS = ("rule", "attacks", "found", "recall", "alerts", "true", "near miss", "look-alike", "wrong key", "background",
          "a million", "by-catch", "precision", "to detect", "since the first event")  # fmt: skip


def told(ran: Ran) -> str:
    """One line about a run."""
    return (
        f"{ran.regime.name}: {ran.background:,} background events, {natures(ran.played)} "
        f"in {ran.labelled:,} events, {len(ran.left_out)} scenarios did not fit"
    )


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    wrong = one["false"]
    return (
        one["rule"], str(one["attacks"]), str(one["found"]), _share(one["recall"]), str(one["alerts"]),
        str(one["true"]),
        *(str(wrong[name]) for name in ("near_miss", "look_alike", "wrong_key", "background")),
        "" if one["per_million"] is None else f"{one['per_million']:g}", str(one["by_catch"]), _share(one["precision"]),
        _wait(one["wait_ms"], one["wait_events"]), _times(one["since_first_ms"]),
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _wait(ms: Mapping[str, int | None], events: Mapping[str, int | None]) -> str:
    """What passes between the completing event and the alert's; mostly nothing."""
    if ms["p95"] is None:
        return ""
    count = f", {events['p95']} events" if events["p95"] else ""
    return "at once" if not ms["p95"] and not count else f"{_times(ms)}{count}"


def _times(ms: Mapping[str, int | None]) -> str:
    if ms["p50"] is None or ms["p95"] is None:
        return ""
    return f"{_time(ms['p50'])} / {_time(ms['p95'])}"


def _time(ms: int) -> str:
    """To three figures or so: nobody reads 3m41s207ms."""
    if ms < 0:
        return f"-{_time(-ms)}"
    for unit, of in ((86_400_000, 3_600_000), (3_600_000, 60_000), (60_000, 1_000)):
        if ms >= unit:
            return format_duration(ms // of * of)
    return format_duration(ms // 100 * 100 if ms >= 1_000 else ms)


def print_table(figures: Mapping[str, Any], console: Console) -> None:
    """A row a rule; totals last."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _HEADS:
        table.add_column(name, justify="left" if name == "rule" else "right", overflow="fold")
    for one in figures["rules"]:
        style = "red" if one["attacks"] > one["found"] or false_alerts(one) else ""
        table.add_row(*_cells(one), style=style)
    console.print(table)
    for line in _totals(figures):
        console.print(line)


def _totals(figures: Mapping[str, Any]) -> Iterator[str]:
    total = figures["totals"]
    yield (
        f"{total['rules']} rules: {total['found']} of {total['attacks']} attacks found; {total['alerts']} alerts, "
        f"{total['true']} true, {false_alerts(total)} false, {total['by_catch']} by-catch"
    )
    if total["per_million"] is not None:
        yield (
            f"{total['per_million']:g} alerts a million background events, over {figures['background_events']:,} "
            f"(target: below {TARGET})"
        )
    if figures["left_out"]:
        yield f"never played: {', '.join(figures['left_out'])}"


def page(figures: Mapping[str, Any], real: Mapping[str, Any]) -> str:
    """The page. A function of its arguments."""
    return "\n".join(_page(figures, real)) + "\n"


def _page(figures: Mapping[str, Any], real: Mapping[str, Any]) -> Iterator[str]:
    yield from _PREFACE
    yield from ("", "## What ran", "")
    yield from _rows(
        ("regime", "seed", "from", "for", "each scenario every", "background events", "labelled events", "attacks",
         "near misses", "look-alikes", "false on background"),
        ((one["regime"], one["seed"], one["start"], one["duration"], one["each_scenario_every"],
          f"{one['background_events']:,}", f"{one['labelled_events']:,}", one["played"].get("attack", 0),
          one["played"].get("near_miss", 0), one["played"].get("look_alike", 0), one["false_on_background"])
         for one in figures["ran"]),
    )  # fmt: skip
    yield from ("", "## Totals", "")
    yield from (f"- {line}" for line in _totals(figures))
    yield from ("", "## Rule by rule", "", _LEGEND, "")
    yield from _rows(_HEADS, (_cells({**one, "rule": f"`{one['rule']}`"}) for one in figures["rules"]))
    yield from ("", "## What is weak", "")
    if found := weak(figures["rules"]):
        yield from (f"- `{one['rule']}`: {why_weak(one)}" for one in found)
    else:
        yield "Nothing, on this traffic: every attack was found, and nothing else was said."
    if caught := [one for one in figures["rules"] if one["by_catch_on_look_alikes"]]:
        yield from ("", "Rules that spoke about look-alikes of other rules, which may be right or noise:", "")
        yield from (
            f"- `{one['rule']}`: {one['by_catch_on_look_alikes']} of {one['by_catch']} ({_listed(one['caught'])})"
            for one in caught
        )
    yield from realdata.section(real)


def _listed(caught: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in caught.items())


def _rows(heads: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


_LEGEND = (
    "*near miss* to *background* are false alerts, by what they were about. *a million*: those on the background, over "
    "a million background events. *by-catch*: about scenarios of other rules, neither true nor false. *to detect*: "
    "from the event that completes the attack to the alert's own; *since the first event*: from its first one. Both "
    "are median / 95th percentile, in event time."
)

_PREFACE = (
    "# Measured quality",
    "",
    "Made by `make score`; do not edit. `tocsin score` prints the same for rules of your own. The default packs ran",
    "together, at their defaults, over labelled traffic that `tocsin simulate --scenarios all --areas` grows: ordinary",
    "work of all areas, and among it, for every rule, attacks, near misses (just short of what it asks for) and",
    "look-alikes (harmless, but similar). Attacks and rules were written by the same people: this shows that rules do",
    "what they say and keep silent otherwise, not how the world behaves. For that see the real data below.",
)


def write(figures: Mapping[str, Any], ruleset: RuleSet, today: str) -> list[Path]:
    """Page and figures into a checkout; real data measured where they are, else as last time. Raises ConfigError."""
    before = read()
    real = realdata.measured(ruleset, before.get("real", {}), today)
    document = {**figures, "real": real}
    texts = {
        FIGURES: msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n",
        PAGE: page(figures, real),
    }
    return write_into(DOCS, texts)


def read() -> dict[str, Any]:
    """The committed figures; empty where there are none."""
    try:
        return dict(msgspec.json.decode((DOCS / FIGURES).read_bytes()))
    except FileNotFoundError:
        return {}
