"""A sketch of a distribution that merges: values counted in buckets whose width is at most 1/64 of their value.

A quantile is told as the middle of the bucket that holds it: off by at most 0.8 % of the value (``RELATIVE_ERROR``
promises 1 %). Buckets are cut by exact operations on doubles, so every machine makes the same ones. Values beyond
doubles (1e308) lie in the outermost buckets, those nearer to 0 than 1e-300 count as 0.

Flat and ordered: ``[bucket, count, bucket, count, …]``; buckets of negative values are negative, that of zero is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

RELATIVE_ERROR = Fraction(1, 100)

_LARGEST = 1.7976931348623157e308
_SMALLEST = 1e-300
_OFFSET = 2_000 * 64  # makes every bucket of a positive value positive

Sketch = list[int]


def bucket_of(number: Fraction | int) -> int:
    """The bucket that a number is counted in; larger numbers never lie in lower ones."""
    try:
        value = float(number)
    except OverflowError:
        value = _LARGEST if number > 0 else -_LARGEST
    size = abs(value)
    if size < _SMALLEST:
        return 0
    mantissa, exponent = math.frexp(size)
    place = _OFFSET + exponent * 64 + int((mantissa - 0.5) * 128)
    return place if value > 0 else -place


def middle(bucket: int) -> Fraction:
    """The number that stands for a bucket."""
    if not bucket:
        return Fraction(0)
    exponent, part = divmod(abs(bucket) - _OFFSET, 64)
    size = Fraction(2 * part + 129, 256) * Fraction(2) ** exponent
    return size if bucket > 0 else -size


def counted(sketch: Sequence[int], number: Fraction | int, most: int) -> Sketch:
    """A copy with one number more. Above ``most`` buckets the two lowest become one: low quantiles lose precision."""
    bucket, at = bucket_of(number), len(sketch)
    while at and sketch[at - 2] > bucket:
        at -= 2
    made = list(sketch)
    if at and made[at - 2] == bucket:
        made[at - 1] += 1
    else:
        made[at:at] = (bucket, 1)
    return narrowed(made, most)


def merged(sketches: Iterable[Sequence[int]]) -> Sketch:
    """All of them as one."""
    counts: dict[int, int] = {}
    for sketch in sketches:
        for at in range(0, len(sketch), 2):
            bucket = sketch[at]
            counts[bucket] = counts.get(bucket, 0) + sketch[at + 1]
    return [part for bucket in sorted(counts) for part in (bucket, counts[bucket])]


def narrowed(sketch: Sketch, most: int) -> Sketch:
    """With at most ``most`` buckets, the lowest made one. May change the list that it is given."""
    over = len(sketch) // 2 - most
    if over > 0:
        low = sum(sketch[1 : 2 * over + 2 : 2])
        del sketch[: 2 * over]
        sketch[1] = low
    return sketch


def quantile(sketch: Sequence[int], share: Fraction) -> Fraction | None:
    """The number at or below which ``share`` of them lie (nearest rank); None of nothing."""
    left = rank(sum(sketch[1::2]), share)
    for at in range(0, len(sketch), 2):
        left -= sketch[at + 1]
        if left <= 0:
            return middle(sketch[at])
    return None


def rank(count: int, share: Fraction) -> int:
    """Which of ``count`` ordered numbers is the quantile, from 1."""
    return max(1, math.ceil(share * count))
