"""``spike: {window: 10m, baseline: 24h, ratio: 3}``: fires where a window is far from what is usual for the key.

spike: {window: 10m, baseline: 24h, z_score: 4, direction: both}                    # in standard deviations
spike: {window: 1h, baseline: 4w, ratio: 3, season: hour_of_week, min_baseline: 3}  # Monday 9 o'clock against its like
spike: {window: 5m, baseline: 6h, function: avg, field: latency_ms, ratio: 2}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from streams.detect.base import Option, Settings
from streams.detect.baseline import Against
from streams.detect.edge import Edge, Threshold
from streams.detect.exact import exact
from streams.detect.seasons import HOUR, Season
from streams.rules.active import parse_zone
from streams.rules.block import Block
from streams.rules.durations import format_duration
from streams.rules.rule import Ladder

#: Four weeks of ten minutes. Each window is state.
MAX_WINDOWS = 4_032
#: Of sums and averages, whose exact arithmetic costs more: a day of minutes.
MAX_NUMBERS = 1_440
_BASELINE = 86_400_000
_FLOOR = 20

OPTIONS = (
    Option("window", "duration", None, "length of the windows that are compared; they begin at its multiples"),
    Option("baseline", "duration", "1d", "how far back windows are compared with"),
    Option("function", "one of count, sum, avg", "count", "what is measured of a window"),
    Option("field", "field", "", "the number that is summed or averaged"),
    Option("ratio", "number", "", "so many times the average of the baseline fires; this or ``z_score``"),
    Option("z_score", "number", "", "so many standard deviations from the average of the baseline fire"),
    Option("direction", "one of up, down, both", "up", "whether more, less or either is told"),
    Option(
        "floor", "number", "20 for count, else 0", "below it no window is high, and no baseline's average is missed"
    ),
    Option("min_baseline", "integer", "6", "so many windows must be known"),
    Option("season", "one of none, hour_of_day, hour_of_week", "none", "which earlier windows are its like"),
    Option("timezone", "text", "UTC", "whose hours"),
    Option("adapt", "flag", "false", "let windows that fired into the baseline as they were, not cut to the threshold"),
)

EXAMPLE = """
id: example.traffic-spike
title: "{host}: {current} requests in {within}, usually {baseline}"
source: metric
where: {name: request}
group_by: [host]
detect: {spike: {window: 10m, baseline: 2h, ratio: 3, floor: 20, min_baseline: 6}}
severity: {medium: 3, critical: 10}
type: metrics
tests:
  - name: three times the usual fires at once
    events:
      - {at: 0s, host: a, name: request, times: 70, every: 1m}
      - {at: 1h10m, host: a, name: request, times: 40, every: 1s}
    expect: [{at: 1h10m29s, host: a, severity: medium}]
"""


@dataclass(frozen=True, slots=True)
class Spike(Settings):
    """Fires where a window of a key is ``limit`` times (or standard deviations) off the average of its baseline.

    The baseline are the windows of the last ``baseline`` ms that are closed and of the same season; a window without
    events is 0 for count and sum, unknown for avg. High counts and sums are told by the event that makes them so, low
    ones and averages when the window is closed. One finding, then one for each higher rung, until the first window
    closes that is not off any more. From high straight to low (or back) takes one window (or event) in between.

    Sums and comparisons are exact; a closed window's sum or average is kept as an integer or the nearest double. A
    deviation is taken to be at least the root of the average for counts, and 1 % of the average otherwise. What is
    observed is how many times (or deviations) it was off, at most a million.
    """

    window: int
    limit: Fraction
    is_z_score: bool = False
    baseline: int = _BASELINE
    function: str = "count"
    field: str = ""
    direction: str = "up"
    floor: Fraction = Fraction(_FLOOR)
    min_baseline: int = 6
    season: Season = Season.NONE
    timezone: str = "UTC"
    adapt: bool = False

    @property
    def name(self) -> str:
        return "spike"

    @property
    def within(self) -> int | None:
        return self.window

    @property
    def keeps(self) -> int:
        return self.baseline + self.window

    @property
    def timed(self) -> bool:
        return True

    @property
    def windows(self) -> int:
        """In a whole baseline."""
        return self.baseline // self.window

    @property
    def edge(self) -> Edge:
        return Edge("at_least", Threshold(self.limit))

    def fields(self) -> tuple[str, ...]:
        return (self.field,) if self.field else ()

    def document(self) -> dict[str, Any]:
        return {
            "window": format_duration(self.window), "baseline": format_duration(self.baseline),
            "function": self.function, "field": self.field, "z_score" if self.is_z_score else "ratio": str(self.limit),
            "direction": self.direction, "floor": str(self.floor), "min_baseline": self.min_baseline,
            "season": self.season.value, "timezone": self.timezone, "adapt": self.adapt,
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        return self.edge.against(ladder)

    def detector(self, ladder: Ladder) -> Against:
        return Against(self, ladder)


def parse(block: Mapping[str, Any]) -> Spike:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    window, baseline = read.duration("window", least=1_000), read.duration("baseline", _BASELINE, least=1)
    function = read.choice("function", ("count", "sum", "avg"), "count")
    path = read.path("field", "")
    if bool(path) == (function == "count"):
        read.problem(
            "field", "is counted by nothing: say function: sum or avg" if path else f"is what {function} needs"
        )
    is_z_score, limit = read.has("z_score"), None
    if read.has("ratio") == is_z_score:
        read.problem("", "takes either 'ratio' or 'z_score'")
    else:
        limit = exact(read.number("z_score" if is_z_score else "ratio"))
    if limit is not None and limit <= (0 if is_z_score else 1):
        read.problem("z_score" if is_z_score else "ratio", f"must be more than {0 if is_z_score else 1}")
    direction = read.choice("direction", ("up", "down", "both"), "up")
    floor = exact(read.number("floor", _FLOOR if function == "count" else 0))
    min_baseline = read.integer("min_baseline", 6, least=2, most=MAX_WINDOWS)
    season = Season(read.choice("season", [known.value for known in Season], "none"))
    zone = read.read("timezone", parse_zone, ZoneInfo("UTC"))
    adapt = read.flag("adapt", False)
    if window and baseline:
        windows, most = baseline // window, MAX_WINDOWS if function == "count" else MAX_NUMBERS
        if windows > most:
            read.problem("baseline", f"holds {windows} windows; at most {most} are kept")
        if season is not Season.NONE and HOUR % window:
            read.problem("window", f"must divide an hour for a season of {season.value}")
        elif min_baseline and (alike := windows // season.every) < min_baseline:
            read.problem("min_baseline", f"is never reached: the baseline holds {alike} windows that are alike")
    read.check()
    return Spike(
        window, limit or Fraction(0), is_z_score, baseline, function, path, direction, floor or Fraction(0),
        min_baseline, season, zone.key, adapt,
    )  # fmt: skip
