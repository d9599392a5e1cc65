"""Labelled traffic grown and replayed, in two regimes: busy hours, and months in which rules can learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from streams.model import Source
from streams.replay.recorded import Recorded
from streams.replay.runner import Replayed, replay
from streams.replay.scoring.score import RuleScore, score
from streams.rules.rule import RuleSet
from streams.simulate.cast import ALL, cast
from streams.simulate.scene import Label, Nature, Simulated
from streams.simulate.traffic import generate

HOUR = 3_600_000
DAY = 24 * HOUR
#: 2024-02-29T12:00:00Z, a Thursday noon.
BEGIN = 1_709_208_000_000
_encode = msgspec.json.Encoder().encode
_TOLD = 5_000  #: events between two words about the progress

Progress = Callable[[str, int, int], None]  #: told what is done, how much of it, and of how much


@dataclass(frozen=True, slots=True)
class Regime:
    """How traffic is grown. ``background``: events; each scenario is played once in ``every`` ms, where it fits."""

    name: str
    seed: int
    start: int
    duration: int
    background: int
    every: int
    margin: int  #: at the end, without attacks, so that what waits for time comes about
    population: int | None = None  #: so many people, in hours of their own; without one all, at any time

    @property
    def rate(self) -> float:
        """Background events a second; a millionth part more, against rounding."""
        return self.background * 1000 / self.duration * (1 + 1e-9)


#: A million events from noon into the evening; and eighteen weeks, in which scenarios have time for a history.
REGIMES = (
    Regime("dense", 1, BEGIN, 8 * HOUR, 1_000_000, 2 * HOUR, HOUR),
    Regime("long", 2, BEGIN, 126 * DAY, 300_000, 28 * DAY, 3 * DAY, 200),
)


@dataclass(frozen=True)
class Ran:
    """What one regime came to. ``left_out``: scenarios that did not fit into it."""

    regime: Regime
    background: int
    labelled: int
    played: Mapping[str, int]  #: nature -> scenarios played
    left_out: tuple[str, ...]
    refused: int
    scores: dict[str, RuleScore]


def scaled(regime: Regime, factor: float) -> Regime:
    """The same with so many times the background, and people where those are few. Scenarios stay as they are."""
    people = regime.population and max(20, round(regime.population * min(1.0, factor)))
    return replace(regime, background=max(1, round(regime.background * factor)), population=people)


def run(
    regime: Regime, ruleset: RuleSet, sources: Iterable[Source], policy: Mapping[str, Any] | None = None, *,
    scenarios: str | Sequence[str] = ALL, progress: Progress | None = None,
) -> Ran:  # fmt: skip
    """Grow the traffic of a regime, replay it with these rules, and hold the alerts against the labels."""
    tell = progress or (lambda _what, _done, _all: None)
    traffic = generate(
        regime.seed, regime.start, regime.duration, regime.rate,
        every_ms=regime.every, scenarios=scenarios, areas=True, margin_ms=regime.margin,
        population=regime.population,
    )  # fmt: skip
    with Recorded() as recorded:
        labels, background = _record(traffic, recorded, lambda n: tell(f"{regime.name}: growing", n, regime.background))
        result = _replayed(
            recorded, ruleset, sources, policy, lambda n: tell(f"{regime.name}: replaying", n, len(recorded))
        )
        labelled = len(recorded) - background
    played = {(label.scenario, label.rule) for label in labels}
    wanted = {(part.scenario.name, part.scenario.rule) for part in cast(None, scenarios, with_areas=True).parts}
    return Ran(
        regime, background, labelled,
        {nature.value: n for nature, n in Counter(label.nature for label in labels).items()},
        tuple(sorted(f"{rule}: {name}" for name, rule in wanted - played)),
        result.total("dead"),
        score(result.alerts, labels, [rule.id for rule in ruleset.rules if rule.enabled]),
    )  # fmt: skip


def _record(traffic: Iterable[Simulated], recorded: Recorded, tell: Callable[[int], None]) -> tuple[list[Label], int]:
    """The labels, and how many events are background."""
    labels: dict[str, Label] = {}
    background = 0
    for simulated in traffic:
        recorded.append(simulated.source, simulated.event["event_time"], _encode(simulated.event))
        if simulated.label is None:
            background += 1
            if background % _TOLD == 0:
                tell(background)
        else:
            labels[simulated.label.attack] = simulated.label
    return list(labels.values()), background


def _replayed(
    recorded: Recorded, ruleset: RuleSet, sources: Iterable[Source], policy: Mapping[str, Any] | None,
    tell: Callable[[int], None],
) -> Replayed:  # fmt: skip
    read = {source.name: source for source in sources if ruleset.reading(source.name)}
    return replay(recorded.logs(read), ruleset, policy, progress=tell)


def natures(played: Mapping[str, int]) -> str:
    """``12 attacks, 9 near misses, 10 look-alikes``."""
    words = {Nature.ATTACK: "attacks", Nature.NEAR_MISS: "near misses", Nature.LOOK_ALIKE: "look-alikes"}
    return ", ".join(f"{played.get(nature, 0):,} {word}" for nature, word in words.items())
