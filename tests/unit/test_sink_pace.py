"""When a sink's consumer fetches, waits and pauses."""

from __future__ import annotations

import pytest

from streams.runtime.sink_pace import Move, Pace

FULL, ROOMY, BETWEEN = (True, False), (False, True), (False, False)
FETCH, WAIT, PAUSE, RESUME = Move.FETCH, Move.WAIT, Move.PAUSE, Move.RESUME


@pytest.mark.parametrize(
    ("steps", "moves"),
    [
        ([(0, *ROOMY), (9, *BETWEEN)], [FETCH, FETCH]),
        ([(0, *FULL), (1.9, *FULL), (1.95, *BETWEEN), (2, *FULL), (3.9, *FULL)], [WAIT, WAIT, FETCH, WAIT, WAIT]),
        ([(0, *FULL), (2, *FULL), (2.1, *FULL), (60, *FULL)], [WAIT, PAUSE, FETCH, FETCH]),  # once
        ([(0, *FULL), (2, *FULL), (3, *BETWEEN), (4, *ROOMY), (5, *ROOMY)], [WAIT, PAUSE, FETCH, RESUME, FETCH]),
        ([(0, *FULL), (2, *FULL), (3, *ROOMY), (4, *FULL), (6, *FULL)], [WAIT, PAUSE, RESUME, WAIT, PAUSE]),
    ],
    ids=["never full", "full again and again, but not for long", "full for good", "room again", "full once more"],
)
def test_a_pause_is_for_who_stays_full(steps: list[tuple[float, bool, bool]], moves: list[Move]) -> None:
    pace = Pace()
    assert [pace.move(*step) for step in steps] == moves
