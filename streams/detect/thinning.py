"""Which entries of a sliding window can be done without, while what is counted stays exact up to a need."""

from __future__ import annotations

from bisect import bisect_right

from streams.detect.base import State


def thin(entries: State, stride: int, told: str, within: int) -> None:
    """Leave of one value (the last item of an entry) at most two entries in any window: the outer ones stand for what
    lies between them.
    """
    values = entries[stride - 1 :: stride]
    if values.count(told) <= 2:
        return
    times = entries[::stride]
    same = [index for index, value in enumerate(values) if value == told]
    middle = 1
    while middle < len(same) - 1:
        if times[same[middle + 1]] - times[same[middle - 1]] < within:
            drop = same.pop(middle)
            del entries[drop * stride : (drop + 1) * stride], times[drop]
            same[middle:] = [index - 1 for index in same[middle:]]
            middle = max(1, middle - 1)
        else:
            middle += 1


def cap(entries: State, stride: int, within: int, most: int, at: int) -> None:
    """Leave at most ``most`` entries in any window around ``at``: of more, half of them lie on either side of the
    middle one inside a window, and any window that holds it holds one of the halves.
    """
    if len(entries) <= most * stride:
        return
    times = entries[::stride]
    end = bisect_right(times, at - within) + most
    while end < len(times) and times[end - most] < at + within:
        if times[end] - times[end - most] < within:
            middle = end - most // 2
            del entries[middle * stride : (middle + 1) * stride], times[middle]
            end = max(most, end - 1)
        else:
            end += 1
