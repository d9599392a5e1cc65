"""Stages of an attack in their order, for logs whose clock has whole seconds.

The kind ``sequence`` takes what is of one moment in the order of arrival. CloudTrail stamps whole seconds and delivers
in no order, so here events of one moment may stand in any order. The stages are those of the staged attack "EC2 proxy
S3 exfiltration" of the OTRF Security-Datasets; MITRE ATT&CK T1580, T1619, T1530.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.rules.durations import parse_duration

_KEPT = 64


class Stages:
    """Fires on the event with which every stage has an event, each no earlier than that of the stage before.

    Settings: ``field`` (action), ``stages`` (two or more lists of its values, in order; a value stands in one of
    them), ``within`` (10m): from the first to the last it takes less. Events that come out of order count as if they
    had not. Once a match was told, nothing up to its end counts again. The state is the last 64 times of each stage.
    """

    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._field = str(settings.get("field", "action"))
        self.fields: Sequence[str] = (self._field,)
        stages = [[str(value) for value in stage] for stage in settings["stages"]]
        self._stage = {value: index for index, stage in enumerate(stages) for value in stage}
        self._count = len(stages)
        if self._count < 2 or len(self._stage) != sum(map(len, stages)) or not all(stages):
            raise ValueError("stages are two or more lists of values, and a value stands in one of them")
        self._within = parse_duration(str(settings.get("within", "10m")))
        self.keeps: str | int = 2 * self._within

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        value = event.fields.get(self._field)
        stage = self._stage.get(value) if isinstance(value, str) else None
        state = state or [-1, [[] for _ in range(self._count)]]
        told, times = state
        if stage is None or event.time <= told:
            return state, ()
        insort(times[stage], event.time)
        around = self._around(times, stage, event.time)
        if around is None or around[1] - around[0] >= self._within:
            newest = max(one[-1] for one in times if one)
            for one in times:
                del one[: max(bisect_right(one, newest - 2 * self._within), len(one) - _KEPT)]
            return state, ()
        begin, state[0] = around
        state[1] = [one[bisect_right(one, state[0]) :] for one in times]
        return state, [Found(self._count, self._count, detail={"seconds": (state[0] - begin) // 1000})]

    def _around(self, times: list[list[int]], stage: int, at: int) -> tuple[int, int] | None:
        """The latest begin and the earliest end of the stages with this event in its place; None where one lacks."""
        begin = end = at
        for earlier in reversed(times[:stage]):
            place = bisect_right(earlier, begin)
            if not place:
                return None
            begin = earlier[place - 1]
        for later in times[stage + 1 :]:
            place = bisect_left(later, end)
            if place == len(later):
                return None
            end = later[place]
        return begin, end
