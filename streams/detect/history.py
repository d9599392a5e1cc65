"""The windows of one key: those that are closed, as one number each, and those that still fill."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from streams.detect.base import State, Witness
from streams.detect.exact import plain, together

Number = int | Fraction
#: A number as two integers: so many parts, and what each of them is a part of.
Parts = tuple[int, int]

#: Windows that fill at one time.
MAX_OPEN = 64
MAX_IDS = 32
_HEAD = 14
_LARGEST, _LARGEST_BITS = 10**300, 990
_LARGEST_INT = 2**63


class Known(NamedTuple):
    """Of the closed windows that one is compared with: how many, the sum of their numbers and of the squares."""

    windows: int
    total: Number
    squares: Number


class History:
    """State: ``[next, held, newest, fired (3), spare (3), known (4), cells, …cells, ids…, window, events, total, …]``.

    ``next``: the first window that is not closed; the cells are those before it, None where nothing is known.
    ``fired``: the event that the last ``fire`` is named after; ``spare``: the latest that none is. ``known``: for which
    window it was worked out (or -1), then ``Known``. Changes of a history are changes of a copy.
    """

    __slots__ = ("cells", "fired", "held", "ids", "known_of", "newest", "next", "opened", "spare", "worked_out")

    def __init__(self, state: State) -> None:
        self.next, self.held, self.newest = state[:3]
        self.fired: list[Any] = state[3:6]
        self.spare: list[Any] = state[6:9]
        self.known_of: int = state[9]
        self.worked_out: list[Any] = state[10:13]
        begin = _HEAD + 1
        end = begin + state[_HEAD - 1]
        self.cells: list[Any] = state[begin:end]
        ids = end + state[_HEAD]
        self.ids: list[str] = state[end:ids]
        self.opened: list[Any] = state[ids:]

    @classmethod
    def of(cls, first: int) -> History:
        """Of a key that is new; ``first``: the window of its first event."""
        return cls([first, 0, first, None, None, None, None, None, None, -1, 0, 0, 0, 0, 0])

    def state(self) -> State:
        return [
            self.next, self.held, self.newest, *self.fired, *self.spare,
            self.known_of, *self.worked_out, len(self.cells), len(self.ids), *self.cells, *self.ids, *self.opened,
        ]  # fmt: skip

    @property
    def known(self) -> Known:
        """What was worked out last."""
        windows, total, squares = self.worked_out
        return Known(windows, unpacked(total), unpacked(squares))

    @property
    def first_open(self) -> int | None:
        """The first window that fills; None without one."""
        return self.opened[0] if self.opened else None

    def has_room(self, window: int) -> bool:
        return len(self.opened) < MAX_OPEN * 3 or window in self.opened[::3]

    def add(self, window: int, number: Parts) -> tuple[int, Number]:
        """One more event of a window; its events and the total of their numbers."""
        index = bisect_left(self.opened[::3], window) * 3
        if index == len(self.opened) or self.opened[index] != window:
            self.opened[index:index] = (window, 0, 0)
        events, total = self.opened[index + 1] + 1, plus(self.opened[index + 2], number)
        self.opened[index + 1 : index + 3] = (events, total)
        return events, unpacked(total)

    def take(self, window: int) -> tuple[int, Parts]:
        """Events and total of the window that closes."""
        if not self.opened or self.opened[0] != window:
            return 0, (0, 1)
        _, events, total = self.opened[:3]
        del self.opened[:3]
        return events, _parts(total)

    def close(self, cells: list[Any], most: int) -> None:
        """The next windows are closed, with these numbers; the latest ``most`` of all are kept."""
        self.next += len(cells)
        self.cells = [*self.cells, *cells][-most:]
        self.known_of = -1

    def baseline(self, window: int, reach: int, alike: Sequence[int] | None) -> Known:
        """What is known for ``window`` of the ``reach`` windows before it, or only of those that are ``alike``."""
        if self.known_of != window:
            first = self.next - len(self.cells)
            if alike is None:
                cells = self.cells[max(0, window - reach - first) :]
            else:
                cells = [self.cells[number - first] for number in alike if first <= number < self.next]
            numbers, one = together([known for known in cells if known is not None])
            total, squares = sum(numbers), sum([number * number for number in numbers])
            self.worked_out = [len(numbers), plus(0, (total, one)), plus(0, (squares, one * one))]
            self.known_of = window
        return self.known

    def witness(self, event: list[Any]) -> Witness:
        return Witness(*event)


def filling(state: State, window: int) -> bool:
    """Whether this is the latest window that fills."""
    return len(state) > _HEAD + 1 + state[_HEAD - 1] + state[_HEAD] and bool(state[-3] == window)


def first_filling(state: State) -> int | None:
    """The first window that fills; None without one."""
    begin = _HEAD + 1 + state[_HEAD - 1] + state[_HEAD]
    return state[begin] if len(state) > begin else None


def known_for(state: State, window: int) -> Known | None:
    """What has been worked out for the window."""
    return Known(state[10], unpacked(state[11]), unpacked(state[12])) if state[9] == window else None


def begun(window: int, event: list[Any], number: Parts) -> State:
    """The state of a key with its first event, which is nothing to tell."""
    ids = event[2:] if event[2] else []
    return [
        window, 0, window, None, None, None, *event, -1, 0, 0, 0, 0, len(ids), *ids, window, 1, plus(0, number),
    ]  # fmt: skip


def grown(state: State, event: list[Any], total: int | str) -> State:
    """A copy of the state with one more event in the latest window that fills, which is nothing to tell."""
    after = state[:]
    after[6:9] = event
    after[-2] += 1
    after[-1] = total
    if event[2]:
        end = _HEAD + 1 + after[_HEAD - 1] + after[_HEAD]
        after.insert(end, event[2])
        if after[_HEAD] < MAX_IDS:
            after[_HEAD] += 1
        else:
            del after[end - MAX_IDS]
    return after


def is_known_id(state: State, event_id: str) -> bool:
    begin = _HEAD + 1 + state[_HEAD - 1]
    return event_id in state[begin : begin + state[_HEAD]]


def cell(number: Number | None) -> Any:
    """A closed window's number as it is kept: an integer of 64 bits or the nearest double."""
    if type(number) is int and -_LARGEST_INT <= number < _LARGEST_INT:
        return number
    if type(number) is Fraction and number.numerator.bit_length() < _LARGEST_BITS:
        return plain(number)
    return None if number is None else plain(Fraction(max(-_LARGEST, min(_LARGEST, number))))


def unpacked(packed: int | str) -> Number:
    """What is kept of a total, as a number."""
    return packed if isinstance(packed, int) else Fraction(*_parts(packed))


def _parts(packed: int | str) -> Parts:
    if isinstance(packed, int):
        return packed, 1
    number, _, parts = packed.partition("/")
    return int(number, 16), int(parts, 16)


def plus(packed: int | str, number: Parts) -> int | str:
    """A packed number and another one, in integers: fractions cost five times as much. Not reduced."""
    more, parts = number
    if parts == 1 and packed.__class__ is int and -_LARGEST_INT <= (total := packed + more) < _LARGEST_INT:
        return total
    total, of = _parts(packed)
    common = max(of, parts)
    if of != parts:
        if common % min(of, parts):
            common = of * parts
        total, more = total * (common // of), more * (common // parts)
    total += more
    if total % common == 0:
        total, common = total // common, 1
    return total if common == 1 and -_LARGEST_INT <= total < _LARGEST_INT else f"{total:x}/{common:x}"
