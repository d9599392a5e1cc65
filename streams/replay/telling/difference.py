"""What one policy tells that another does not, or at another time: alert by alert, receiver by receiver."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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
    """Each list in order of time. Pairs are (today's, the candidate's). ``reassigned``: told at the same time, but for
    somebody else who is on call.
    """

    new: list[Hearing]
    gone: list[Hearing]
    later: list[tuple[Hearing, Hearing]]
    earlier: list[tuple[Hearing, Hearing]]
    reassigned: list[tuple[Hearing, Hearing]]
    same: int


def hearings(told: Iterable[Told]) -> list[Hearing]:
    """One for each alert of each message."""
    return [Hearing(one.id, said.receiver, one.reason, said.at, said) for said in told for one in said.about]


def difference(before: Iterable[Told], after: Iterable[Told]) -> Difference:
    """Of one alert, receiver and reason those of one time are one; then the first is the first, and so on."""
    olds, news = _by_what(before), _by_what(after)
    found = Difference([], [], [], [], [], 0)
    same = 0
    for what in sorted(olds.keys() | news.keys()):
        twins, one, other = _apart(olds.get(what, []), news.get(what, []))
        moved = [pair for pair in twins if pair[0].told.to != pair[1].told.to]
        found.reassigned.extend(moved)
        same += len(twins) - len(moved)
        pairs = list(zip(one, other, strict=False))
        found.later.extend(pair for pair in pairs if pair[1].at > pair[0].at)
        found.earlier.extend(pair for pair in pairs if pair[1].at < pair[0].at)
        found.gone.extend(one[len(pairs) :])
        found.new.extend(other[len(pairs) :])
    for single in (found.new, found.gone):
        single.sort(key=_place)
    for paired in (found.later, found.earlier, found.reassigned):
        paired.sort(key=lambda pair: _place(pair[1]))
    return replace(found, same=same)


def _by_what(told: Iterable[Told]) -> dict[tuple[str, str, str], list[Hearing]]:
    found: dict[tuple[str, str, str], list[Hearing]] = defaultdict(list)
    for one in sorted(hearings(told), key=_place):
        found[one.alert, one.receiver, one.reason].append(one)
    return found


def _apart(
    before: Sequence[Hearing], after: Sequence[Hearing]
) -> tuple[list[tuple[Hearing, Hearing]], list[Hearing], list[Hearing]]:
    """Twins at the same time; and those of each that have none."""
    twins, old, new, waiting = [], [], [], deque(after)
    for one in before:
        while waiting and waiting[0].at < one.at - AT_ONCE:
            new.append(waiting.popleft())
        if waiting and waiting[0].at <= one.at + AT_ONCE:
            twins.append((one, waiting.popleft()))
        else:
            old.append(one)
    return twins, old, [*new, *waiting]


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
