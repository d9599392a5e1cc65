"""The suggestion: not the single best setting, which the next week may not repeat, but the middle of a plateau."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.replay.tuning.asked import Param, Value
from streams.replay.tuning.curve import Point, Step, in_order, step

#: F1 so far below the best is as good as the best.
TOLERANCE: Final = 0.01

_Place = tuple[int, ...]


@dataclass(frozen=True)
class Suggestion:
    """``plateau``: the settings around it that do as well. ``ends``: how far it goes is not known, for it reaches the
    end of what was tried. ``nearest``: the step to each neighbour, the next one up and down of every setting, and from
    how the rule stands now.
    """

    point: Point
    plateau: tuple[Point, ...]
    ends: bool
    nearest: tuple[Step, ...]
    from_now: Step | None


def suggestion(found: Sequence[Point], params: Sequence[Param]) -> Suggestion | None:
    """None where no labels decide: without any, or where none of them is an attack, or nothing was said of one."""
    asked = in_order(found)
    scores = [point.f1 for point in asked if point.f1 is not None]
    if not scores or not max(scores):
        return None
    places = {_place(point, params): point for point in asked}
    good = {place for place, point in places.items() if point.f1 is not None and point.f1 >= max(scores) - TOLERANCE}
    region = max(_regions(good), key=lambda one: (max(places[place].f1 or 0 for place in one), len(one), -min(one)[0]))
    chosen = min(region, key=lambda place: (-_depth(place, region), -len(places[place].found), place))
    point = places[chosen]
    near = [places[place] for place in _around(chosen) if place in places]
    now = next((one for one in found if one.variant.is_current), None)
    return Suggestion(
        point, tuple(places[place] for place in sorted(region)),
        any(at in (0, len(param.values) - 1) for place in region for at, param in zip(place, params, strict=True)),
        tuple(step(point, one) for one in near),
        None if now is None or now is point else step(now, point),
    )  # fmt: skip


def _place(point: Point, params: Sequence[Param]) -> _Place:
    return tuple(param.values.index(_given(value)) for value, param in zip(point.values, params, strict=True))


def _given(value: Value | None) -> Value:
    assert value is not None  # what was asked for has values
    return value


def _around(place: _Place) -> list[_Place]:
    return [
        (*place[:axis], place[axis] + by, *place[axis + 1 :]) for axis in range(len(place)) for by in (-1, 1)
    ]  # fmt: skip


def _regions(good: set[_Place]) -> list[frozenset[_Place]]:
    """What hangs together."""
    left, regions = set(good), []
    while left:
        waiting = [left.pop()]
        region = set(waiting)
        while waiting:
            near = set(_around(waiting.pop())) & left
            left -= near
            region |= near
            waiting += near
        regions.append(frozenset(region))
    return sorted(regions, key=min)


def _depth(place: _Place, region: frozenset[_Place]) -> int:
    """Steps to the nearest setting that is not of the region, or was not tried."""
    seen, edge, depth = {place}, [place], 1
    while True:
        around = {near for one in edge for near in _around(one)} - seen
        if not around <= region:
            return depth
        seen |= around
        edge, depth = sorted(around), depth + 1


def steps(found: Sequence[Point], params: Sequence[Param]) -> list[Step]:
    """From each setting to the next one up: along one setting; of two, along the last."""
    asked = in_order(found)
    places: Mapping[_Place, Point] = {_place(point, params): point for point in asked}
    nexts = ((place, (*place[:-1], place[-1] + 1)) for place in sorted(places))
    return [step(places[one], places[other]) for one, other in nexts if other in places]
