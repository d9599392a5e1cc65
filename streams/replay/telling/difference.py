"""What one policy tells that another does not, or at another time: alert by alert, receiver by receiver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streams.model import SEVERITIES
from streams.replay.scoring.score import quantile
from streams.replay.telling.heard import Fared, Heard, Told

#: Two that are told within it are told at the same time: so long a worker may take to come round, ms.
AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Hearing:
    """That ``receiver`` hears of one alert, with a message that may speak of others as well."""

    alert: str
    receiver: str
    reason: str
    at: int
    told: Told


@dataclass(frozen=True, slots=True)
class Difference:
    """Each list in order of time. ``later`` and ``earlier`` are pairs: (today's, the candidate's)."""

    new: list[Hearing]
    gone: list[Hearing]
    later: list[tuple[Hearing, Hearing]]
    earlier: list[tuple[Hearing, Hearing]]
    same: int


def hearings(told: Iterable[Told]) -> list[Hearing]:
    """One for each alert of each message."""
    return [Hearing(one.id, said.receiver, one.reason, said.at, said) for said in told for one in said.about]


def difference(before: Iterable[Told], after: Iterable[Told]) -> Difference:
    """Of one alert, receiver and reason those of one time are one; then the first is the first, and so on."""
    olds, news = _by_what(before), _by_what(after)
    found = Difference([], [], [], [], 0)
    same = 0
    for what in sorted(olds.keys() | news.keys()):
        one, other = _apart(olds.get(what, []), news.get(what, []))
        same += len(olds.get(what, ())) - len(one)
        pairs = list(zip(one, other, strict=False))
        found.later.extend(pair for pair in pairs if pair[1].at > pair[0].at)
        found.earlier.extend(pair for pair in pairs if pair[1].at < pair[0].at)
        found.gone.extend(one[len(pairs) :])
        found.new.extend(other[len(pairs) :])
    for single in (found.new, found.gone):
        single.sort(key=_place)
    for paired in (found.later, found.earlier):
        paired.sort(key=lambda pair: _place(pair[1]))
    return Difference(found.new, found.gone, found.later, found.earlier, same)


def _by_what(told: Iterable[Told]) -> dict[tuple[str, str, str], list[Hearing]]:
    found: dict[tuple[str, str, str], list[Hearing]] = defaultdict(list)
    for one in sorted(hearings(told), key=_place):
        found[one.alert, one.receiver, one.reason].append(one)
    return found


def _apart(before: Sequence[Hearing], after: Sequence[Hearing]) -> tuple[list[Hearing], list[Hearing]]:
    """Those of each that have no twin at the same time."""
    old, new, waiting = [], [], list(after)
    for one in before:
        while waiting and waiting[0].at < one.at - AT_ONCE:
            new.append(waiting.pop(0))
        if waiting and waiting[0].at <= one.at + AT_ONCE:
            waiting.pop(0)
        else:
            old.append(one)
    return old, new + waiting


def _place(one: Hearing) -> tuple[int, str, str, str]:
    return one.at, one.alert, one.receiver, one.reason


# --- how soon, and whether at all


def first_heard(told: Iterable[Told]) -> dict[str, int]:
    """When anybody first heard of each alert, ms."""
    found: dict[str, int] = {}
    for one in hearings(told):
        found[one.alert] = min(one.at, found.get(one.alert, one.at))
    return found


@dataclass(frozen=True, slots=True)
class Waits:
    """Of the alerts of one severity, ms from opening to when somebody first heard of it."""

    severity: str
    alerts: int
    told: int
    p50: int | None
    p95: int | None
    longest: int | None


def waits(heard: Heard) -> list[Waits]:
    """The worst severity first, as alerts stood last; those opened since ``heard.begin``."""
    first, opened = first_heard(heard.told), heard.opened()
    found = []
    for severity in SEVERITIES:
        own = [one for one in opened if one.severity == severity.value]
        times = [first[one.id] - one.created_at for one in own if one.id in first]
        if own:
            found.append(
                Waits(
                    severity.value, len(own), len(times), quantile(times, 0.5), quantile(times, 0.95),
                    max(times, default=None),
                )
            )  # fmt: skip
    return found


def untold(heard: Heard) -> list[Fared]:
    """Alerts opened since ``heard.begin`` that nobody has heard of."""
    known = first_heard(heard.told)
    return [one for one in heard.opened() if one.id not in known]
