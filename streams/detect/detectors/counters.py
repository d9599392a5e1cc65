"""How much a counter grew: Prometheus' ``increase``, with each rise counted at the sample that shows it.

Nothing is extrapolated: a rise belongs to the later of the two samples between which it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.rows import Row, after
from streams.detect.exact import exact, plain

#: Samples of a key that are kept. Beyond it every second one goes, and its rise is counted at the next.
MAX_SAMPLES = 512
_LARGEST = Fraction(2**63)
_MINUTE = 60_000


class Increase:
    """Settings: ``field``, ``at_least``, ``within_minutes``. Fires at each rise that makes so much in the window.

    The window is (t − within, t], t being the time of the newest sample. A counter that fell was set back, and grew
    from 0. The first sample of a key is no rise. Samples count by event time, whenever they arrive, as long as the
    window is kept; of one time the larger is the later. What is no number from 0 up to 2**63 is not looked at.
    """

    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        limit = exact(settings["at_least"])
        self._within = int(settings["within_minutes"]) * _MINUTE
        if limit is None or limit <= 0 or self._within <= 0:
            raise ValueError("at_least and within_minutes must be more than 0")
        self._field, self._limit = str(settings["field"]), limit
        self.fields: Sequence[str] = (self._field,)
        self.keeps: str | int = 2 * self._within

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        value = exact(event.fields.get(self._field))
        if value is None or not 0 <= value < _LARGEST:
            return state, ()
        samples: list[Row] = state or []
        sample = [event.time, plain(value)]
        if samples and samples[-1][1] == sample[1] and samples[-1][0] < event.time:  # most: nothing grew
            samples.append(sample)
            self._forget(samples)
            return samples, ()
        before = self._grown(samples)
        samples.append(sample)
        samples.sort()
        self._forget(samples)
        grown = self._grown(samples)
        if sample not in samples or grown <= before or grown < self._limit:
            return samples, ()
        detail = {"within_minutes": self._within // _MINUTE, "current": samples[-1][1]}
        return samples, [Found(plain(grown), plain(self._limit), detail=detail)]

    def _grown(self, samples: list[Row]) -> Fraction:
        """The rises whose later sample lies in the window of the newest."""
        total = Fraction(0)
        start = samples[-1][0] - self._within if samples else 0
        for (_, earlier), (at, later) in pairwise(samples):
            if at > start:
                was, now = exact(earlier) or Fraction(0), exact(later) or Fraction(0)
                total += now - was if now >= was else now
        return total

    def _forget(self, samples: list[Row]) -> None:
        """All but the window, and the last sample before it."""
        outside = after(samples, samples[-1][0] - self._within)
        del samples[: max(0, outside - 1)]
        if len(samples) > MAX_SAMPLES:
            del samples[1:-1:2]
