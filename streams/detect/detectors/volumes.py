"""Trading volume far from what it usually is: in how much, and in more than chance would have it.

The heuristic is the abnormal volume of event studies (Ajinkya and Jain, 1989; as used by market surveillance): a window
against windows of the same hour before it. A change of so many percent alone says nothing of a market with ten trades
an hour, so it must also lie outside what the market's own variation explains, taken as the larger of what earlier
windows varied by and what their trades' sizes alone make a sum vary by (compound Poisson: the sum of squares).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.measured import first
from streams.detect.detectors.trading import amount

HOUR = 3_600_000
DAY = 24 * HOUR
#: Earlier windows of one hour of the day before these are enough by themselves.
_SEASONAL = 5
_MOST = 1_000_000.0
#: Four deviations estimated from 5, 7 and 13 windows are then 12, 9 and 7, about what Student's t asks for.
_FEW = 8
_MAX_OPEN = 4
#: Of an open window; of a closed one the middle three are kept.
_NUMBER, _TRADES, _VOLUME, _SQUARES, _LARGEST = range(5)
_NAMES = ("qty", "quantity", "size", "amount", "volume")


class VolumeShift:
    """Fires where a window's volume is ``percent`` above (``direction: up``) or below (``down``) its baseline.

    Volume is without each window's largest trade: one block trade is no busy market, and one absurd one no baseline.
    The baseline is the average of the windows of the same hour of the day in the last ``days`` (14) days, or, while
    fewer than five of them are known, of all windows, once ``learn`` (24) are known. It must have ``min_trades`` (30)
    trades a window, and the window must be off by ``deviations`` (4) standard deviations, and by more of them where few
    windows are known, about as Student's t has it. Up is told by the trade that
    makes it so; down when a window that had trades is closed. A market that falls silent altogether is for an
    ``absence`` rule: nobody can tell it from a market that is gone. Clears with the first window that is not off.

    Settings: those, ``window`` (3,600,000 ms, must divide a day) and ``fields`` (the first with a number counts).
    Windows are closed by the watermark. Trades of a closed window do not count, nor those beyond four open windows.
    State: of each open window number, trades, volume, sum of squares and largest trade; of each closed one trades,
    volume and sum of squares, at most ``days`` of them and 700.
    """

    version = "1"
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.fields: Sequence[str] = tuple(map(str, settings.get("fields", _NAMES)))
        self._is_up = {"up": True, "down": False}[str(settings.get("direction", "up"))]
        self._percent, self._deviations = float(settings.get("percent", 50)), float(settings.get("deviations", 4))
        self._window, self._trades = int(settings.get("window", HOUR)), float(settings.get("min_trades", 30))
        self._learn = int(settings.get("learn", 24))
        if self._window <= 0 or DAY % self._window:
            raise ValueError("window must divide a day")
        self._season = DAY // self._window
        self._cells = int(settings.get("days", 14)) * self._season
        if not 2 <= self._learn <= self._cells <= 700 or min(self._percent, self._deviations, self._trades) <= 0:
            raise ValueError("needs 2 <= learn <= windows in days <= 700; percent, deviations and min_trades above 0")
        self.keeps = (self._cells + 1) * self._window

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        size = first(event.fields, self.fields, amount)
        if size is None or size <= 0:
            return state, ()
        number = event.time // self._window
        if state is None:
            state = {"next": number, "held": False, "first": True, "open": [], "before": [], "usual": None}
        window = self._opened(state, number)
        if window is None:
            return state, ()
        least = min(size, window[_LARGEST])
        window[_TRADES] += 1
        window[_VOLUME] += least
        window[_SQUARES] += least * least
        window[_LARGEST] = max(size, window[_LARGEST])
        if not self._is_up or state["held"]:
            return state, ()
        off = self._off(state, number, window[_VOLUME])
        state["held"] = off is not None
        return state, () if off is None else (off,)

    def _opened(self, state: Any, number: int) -> list[Any] | None:
        """The window of that number; None where it is closed, or too many are open."""
        windows: list[list[Any]] = state["open"]
        for window in windows:
            if window[_NUMBER] == number:
                return window
        if number < state["next"] or len(windows) >= _MAX_OPEN:
            return None
        window = [number, 0, 0.0, 0.0, 0.0]
        insort(windows, window)
        return window

    def due(self, state: Any) -> int | None:
        """The end of the first open window; of the next one, where a spike waits to be over."""
        if not state or not (state["open"] or (state["held"] and self._is_up)):
            return None
        number: int = state["next"] if state["held"] and self._is_up else state["open"][0][0]
        return (number + 1) * self._window - 1

    def expire(self, state: Any, now: int) -> tuple[Any, Sequence[Found]]:
        number = now // self._window
        window: list[Any] = [number, 0, 0.0, 0.0, 0.0]
        if state["open"] and state["open"][0][0] == number:
            window = state["open"].pop(0)
        off = self._off(state, number, window[_VOLUME])
        was, state["held"] = state["held"], off is not None
        missed = min(number - state["next"], self._cells)
        if not state["first"]:  # that one began before us
            state["before"] += [*[[0, 0.0, 0.0]] * missed, window[_TRADES:_LARGEST]]
            del state["before"][: -self._cells]
        state["next"], state["first"], state["usual"] = number + 1, False, None
        if was and off is None:
            return state, (Found(0, self._shown, clear=True),)
        return state, (off,) if off is not None and not was else ()

    @property
    def _shown(self) -> int | float:
        return int(self._percent) if self._percent.is_integer() else self._percent

    def _off(self, state: Any, number: int, volume: float) -> Found | None:
        """How many percent a window with this volume is off, where that is enough."""
        if len(state["before"]) < self._learn:
            return None
        if state["usual"] is None or state["usual"][0] != number:
            state["usual"] = [number, *self._usual(state, number)]
        _, usual, least, known = state["usual"]
        shift = volume - usual if self._is_up else usual - volume
        if not known or shift * 100 <= usual * self._percent or shift < least:
            return None
        percent = min(100 * shift / usual, _MOST) if usual else _MOST
        return Found(round(percent, 2), self._shown, detail={"volume": volume, "usual": usual, "windows": known})

    def _usual(self, state: Any, number: int) -> tuple[float, float, int]:
        """What a window of this number has, by how much one must be off, and of how many; none where they have too few
        trades. All of it is known once the window before it is closed."""
        before = state["before"]
        oldest = state["next"] - len(before)
        alike = before[(number - oldest) % self._season :: self._season]
        known = alike if len(alike) >= _SEASONAL else before
        if sum(cell[0] for cell in known) < self._trades * len(known):
            return 0.0, 0.0, 0
        usual = sum(cell[1] for cell in known) / len(known)
        varied = sum((cell[1] - usual) ** 2 for cell in known) / (len(known) - 1)
        by_chance = sum(cell[2] for cell in known) / len(known)
        least = max(sqrt(by_chance), sqrt(varied) * (1 + _FEW / (len(known) - 1)))
        return usual, self._deviations * least, len(known)
