"""The machine of ``spike``: each window of a key against those before it."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from streams.detect.base import Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.edge import Change, Rungs
from streams.detect.entries import kept_id
from streams.detect.exact import parts, plain
from streams.detect.history import (
    MAX_IDS,
    MAX_OPEN,
    History,
    Known,
    Number,
    begun,
    cell,
    filling,
    first_filling,
    grown,
    is_known_id,
    known_for,
    plus,
    unpacked,
)
from streams.detect.seasons import Season
from streams.model import FindingKind
from streams.rules.rule import Ladder

if TYPE_CHECKING:
    from streams.detect.kinds.spike import Spike

#: Nothing is further off: where the baseline's average or deviation is 0.
MOST = 1_000_000
_LARGEST = 10**300
_ID_LIMIT = 32


class Against:
    """Scores are ratios, or squares of z-scores. What is held is a rung, negative for a low window."""

    stride = 1

    def __init__(self, spike: Spike, ladder: Ladder) -> None:
        self._spike, self._zone = spike, ZoneInfo(spike.timezone)
        self._rungs = Rungs(spike.edge, ladder, _square if spike.is_z_score else Fraction)
        self._limit = spike.limit**2 if spike.is_z_score else spike.limit
        self._floor: Number = spike.floor if spike.floor.denominator > 1 else spike.floor.numerator
        self._tells_high = spike.direction != "down"
        self._tells_low = spike.direction != "up"
        self._alike = lru_cache(maxsize=256)(self._find_alike)  # one answer for all keys
        #: High counts and sums are told before their window is closed.
        self._at_once = self._tells_high and spike.function != "avg"
        self._at_close = self._tells_low or spike.function == "avg"
        self.max_items = 20 + spike.windows + MAX_IDS + 3 * MAX_OPEN

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, closed, _ = moment
        number = parts(values[0]) if values else (1, 1)
        if number is None:
            return state, Skipped.UNUSABLE
        spike = self._spike
        window = at // spike.window
        if (window + 1) * spike.window - 1 <= closed:
            return state, Skipped.STALE
        kept, until = kept_id(event_id, _ID_LIMIT), (closed + 1) // spike.window
        if state is not None and state[0] >= until and horizon < at and filling(state, window):
            if kept and is_known_id(state, kept):
                return state, Skipped.DUPLICATE
            total = plus(state[-1], number)
            if not (self._at_once and self._may_be_high(state, window, unpacked(total))):
                return grown(state, [at, ref, kept], total), None
        if state is None and not (self._at_once and unpacked(plus(0, number)) >= self._floor):
            return begun(window, [at, ref, kept], number), None
        if state is None or (self.newest(state) <= horizon and not self.holds(state)):
            history = History.of(window)
        else:
            history = History(state)
        if kept and kept in history.ids:
            return state, Skipped.DUPLICATE
        self._catch_up(history, until)
        if window < history.next:
            if history.cells:
                return state, Skipped.STALE
            history.next = window
        if not history.has_room(window):
            return state, Skipped.UNUSABLE
        history.newest = max(history.newest, window)
        if kept:
            history.ids = [*history.ids[-MAX_IDS + 1 :], kept]
        _, value = history.add(window, number)
        change = self._judge_at_once(history, window, value) if self._at_once else None
        if change is None:
            history.spare = [at, ref, kept]
            return history.state(), None
        if change.kind is FindingKind.FIRE:
            history.fired = [at, ref, kept]
        witness = (Witness(at, ref, event_id),)
        return history.state(), self._observed(change, witness, value, history.known, None)

    def _may_be_high(self, state: State, window: int, value: Number) -> bool:
        """Whether the value has to be judged; False wherever ``_judge_at_once`` would tell nothing."""
        if value < self._floor:
            return False
        spike, known = self._spike, known_for(state, window)
        if known is None:
            return True
        windows, total, _ = known
        if windows < spike.min_baseline:
            return False
        if not spike.is_z_score:
            return value * windows * spike.limit.denominator >= spike.limit.numerator * total
        off = value * windows - total
        return off > 0 and off * off * self._limit.denominator >= self._limit.numerator * self._spread(known)

    def _judge_at_once(self, history: History, window: int, value: Number) -> Change | None:
        if value < self._floor:
            return None
        known = self._baseline(history, window)
        high = self._high(value, known)
        if high < self._limit:
            return None
        if history.held < 0:  # low before, high now: the one ends with this event, the other begins with the next
            change = self._rungs.judge(Fraction(0), -history.held)[1]
            history.held = 0
            return change
        history.held, change = self._rungs.judge(high, history.held)
        return change

    def newest(self, state: State) -> int:
        """The end of the window of the latest event."""
        newest: int = (state[2] + 1) * self._spike.window - 1
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[1])

    def due(self, state: State) -> int | None:
        """The end of the next window to close, where that may bring something about."""
        following, held, newest = state[:3]
        if not held and (not self._at_close or following > newest + self._spike.windows):
            return None
        if not held and self._spike.function == "avg":
            # A window without events has no average to be off: the next one that has is the next to tell anything.
            opened = first_filling(state)
            if opened is None:
                return None
            following = max(following, opened)
        return int((following + 1) * self._spike.window - 1)

    def expire(self, state: State) -> tuple[State | None, Seen]:
        history = History(state)
        due = self.due(state)
        if due is not None:
            self._catch_up(history, due // self._spike.window)
        seen = self._close(history, due)
        self._pass_over(history)
        return history.state(), seen

    def _pass_over(self, history: History) -> None:
        """Windows without events, once all that they are compared with is as empty, up to the next one with any."""
        following, windows = history.first_open, self._spike.windows
        empty = None if self._spike.function == "avg" else 0
        if following is None or following <= history.next or history.held:
            return
        if history.cells.count(empty) == len(history.cells) == windows:
            history.next, history.known_of = following, -1

    def _catch_up(self, history: History, until: int) -> None:
        """Close what is closed; nothing that could be told is among it, or ``expire`` would have come before."""
        empty = None if self._spike.function == "avg" else 0
        while history.next < until:
            filled = until if history.first_open is None else min(until, history.first_open)
            if filled > history.next:
                missed = filled - history.next
                kept = min(missed, self._spike.windows)
                history.next += missed - kept
                history.close([empty] * kept, self._spike.windows)
            if history.next < until:
                self._close(history, None)

    def _close(self, history: History, due: int | None) -> Seen:
        """Close the next window. ``due``: None where nothing is to be told."""
        spike, window = self._spike, history.next
        events, (total, of) = history.take(window)
        value: Number | None = total if of == 1 else Fraction(total, of)
        if spike.function == "avg":
            value = Fraction(total, of * events) if events else None
        if not history.held and len(history.cells) < spike.min_baseline:
            history.close([cell(value)], spike.windows)
            return None
        known = self._baseline(history, window)
        high = low = Fraction(0)
        if value is not None and known.windows >= spike.min_baseline:
            high = self._high(value, known) if self._tells_high else high
            low = self._low(value, known) if self._tells_low else low
        is_off = bool(high or low) and max(high, low) >= self._limit
        history.close(
            [cell(value if spike.adapt or not is_off else self._cut(known, is_high=high >= low))], spike.windows
        )
        if due is None:
            return None
        if history.held:
            rung, change = self._rungs.judge(high if history.held > 0 else low, abs(history.held))
            if change is None:
                return None
            if change.kind is FindingKind.CLEAR:
                history.held = 0
                return self._observed(change, (Witness(*history.fired),), value, known, due)
            rung = rung if history.held > 0 else -rung
        elif self._at_close and is_off:
            rung, change = self._rungs.judge(max(high, low), 0)
            rung = rung if high >= low else -rung
        else:
            return None
        if change is None or history.spare[1] is None:
            return None  # the last events have had their say
        history.held, history.fired, history.spare = rung, history.spare, [None, None, None]
        return self._observed(change, (Witness(*history.fired),), value, known, due)

    def _baseline(self, history: History, window: int) -> Known:
        is_alone = self._spike.season is Season.NONE
        return history.baseline(window, self._spike.windows, None if is_alone else self._alike(window))

    def _find_alike(self, window: int) -> tuple[int, ...]:
        """The windows of its season in a whole baseline before it."""
        spike, zone = self._spike, self._zone
        slot = spike.season.slot(window * spike.window, zone)
        before = range(window - spike.windows, window)
        return tuple(number for number in before if spike.season.slot(number * spike.window, zone) == slot)

    def _high(self, value: Number, known: Known) -> Fraction:
        """How far above the average; 0 where it is not, or too little is known or going on."""
        windows, total, _ = known
        if windows < self._spike.min_baseline or value < self._spike.floor or value * windows <= total:
            return Fraction(0)
        if self._spike.is_z_score:
            return self._squared(value, known)
        if total < 0:
            return Fraction(0)
        return min(Fraction(MOST), Fraction(value * windows) / total) if total else Fraction(MOST)

    def _low(self, value: Number, known: Known) -> Fraction:
        windows, total, _ = known
        if windows < self._spike.min_baseline or total < self._spike.floor * windows or value * windows >= total:
            return Fraction(0)
        if self._spike.is_z_score:
            return self._squared(value, known)
        if total <= 0:
            return Fraction(0)
        return min(Fraction(MOST), Fraction(total) / (value * windows)) if value > 0 else Fraction(MOST)

    def _squared(self, value: Number, known: Known) -> Fraction:
        """The square of the z-score."""
        off = Fraction(value * known.windows - known.total)
        spread = self._spread(known)
        return min(Fraction(MOST**2), off * off / spread) if spread else Fraction(MOST**2)

    def _spread(self, known: Known) -> Number:
        """The variance, at least what is taken for it, times the square of the number of windows."""
        windows, total, squares = known
        least: Number = windows * max(total, -total)
        if self._spike.function != "count":
            least = Fraction(total * total) / 10_000
        return max(windows * squares - total * total, least)

    def _cut(self, known: Known, *, is_high: bool) -> Number:
        """The value at which a window would just have been off. A double where a root is taken."""
        spike, mean = self._spike, Fraction(known.total) / known.windows
        if spike.is_z_score:
            deviation = Fraction(math.sqrt(min(self._spread(known), _LARGEST))) / known.windows * spike.limit
            return max(spike.floor, mean + deviation) if is_high else mean - deviation
        return max(spike.floor, mean * spike.limit) if is_high else mean / spike.limit

    def _observed(
        self, change: Change, evidence: tuple[Witness, ...], value: Number | None, known: Known, at: int | None
    ) -> Observed:
        mean = Fraction(known.total) / known.windows if known.windows else None
        detail: dict[str, Any] = {
            "current": None if value is None else plain(Fraction(value)),
            "baseline": None if mean is None else plain(mean),
            "windows": known.windows,
        }
        if value is not None and mean is not None:
            detail["direction"] = "up" if value > mean else "down"
        return change.observed(evidence, at, detail, _root if self._spike.is_z_score else plain)


def _square(number: Fraction) -> Fraction:
    return number * number


def _root(number: Fraction) -> Any:
    return plain(Fraction(repr(math.sqrt(number))))
