"""How long a source waits for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A transaction ends after ``linger``, or ``calm`` where it carries positions alone. With something urgent
    it ends at once, but leaves after the last commit ``factor`` times what that took, at least ``pause`` and at most
    ``spread``: one slow commit must not hold back what comes next. While much waits to be read, it takes in any case a
    quarter of the time by which the reader is late, ``longest`` at the most: each key is written once a transaction.
    """

    linger: float = 0.1
    longest: float = 3.0
    calm: float = 1.0
    pause: float = 0.010
    factor: float = 4.0
    spread: float = 0.05
    ticking: float = 0.05  #: what waits to be read has its turn after so long
    answer: float = 30.0  #: the longest the core may take for one batch
    session: float = 6.0
    transaction: float = 12.0
    batch: int = 5000


STANDARD: Final = Timing()
