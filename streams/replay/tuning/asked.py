"""Which settings a sweep tries: ``detect.count.at_least=3..30``, ``detect.count.within=5m..30m/5m``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from streams.errors import ConfigError
from streams.rules.durations import PATTERN, format_duration, parse_duration

#: Settings that are tried together: each is a rule of its own in memory.
MOST = 200
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,9})?")
_FORMS = "3..30, 3..30/3, 0.5..2/0.25, 10%..60%/5%, 5m..1h/5m, or 3,5,8"

#: A value as a rule file has it.
Value = int | float | str


@dataclass(frozen=True, slots=True)
class Param:
    """A setting, by its path in the rule, or several that move together; and what to try, ascending, none twice."""

    paths: tuple[tuple[str, ...], ...]
    values: tuple[Value, ...]

    @property
    def name(self) -> str:
        return "+".join(".".join(path) for path in self.paths)


@dataclass(frozen=True, slots=True)
class _Amount:
    """``unit``: empty, ``%``, or ``ms`` for a duration."""

    number: Decimal
    unit: str

    def written(self) -> Value:
        if self.unit == "ms":
            return format_duration(int(self.number))
        whole = self.number == self.number.to_integral_value()
        if self.unit == "%":
            return f"{self.number.normalize():f}%"
        return int(self.number) if whole else float(self.number)


def parse_param(text: str) -> Param:
    """One ``--param``. Raises ConfigError that says what to write."""
    name, equals, values = text.partition("=")
    paths = tuple(tuple(one.strip().split(".")) for one in name.split("+"))
    if not equals or not all(map(all, paths)) or not values.strip():
        raise ConfigError(f"--param {text!r:.80} names no setting with values", "write detect.count.at_least=3..30")
    amounts = [amount for part in values.split(",") for amount in _part(text, part.strip())]
    if len({amount.unit for amount in amounts}) > 1:
        raise ConfigError(f"--param {text!r:.80} mixes numbers, percentages and durations")
    unique = sorted({amount.number: amount for amount in amounts}.values(), key=lambda amount: amount.number)
    if len(unique) > MOST:
        raise _too_many(len(unique))
    return Param(paths, tuple(amount.written() for amount in unique))


def grid(params: Sequence[Param]) -> list[tuple[Value, ...]]:
    """Every combination, the last setting running fastest. Raises ConfigError where it is none, or too many."""
    names = [param.name for param in params]
    if not 1 <= len(names) <= 2:
        raise ConfigError("a sweep is over one setting, or over two", "--param detect.count.at_least=3..30")
    if len(set(names)) < len(names):
        raise ConfigError(f"--param names {names[0]} twice", "write its values in one: 3..5,8")
    points = list(product(*(param.values for param in params)))
    if len(points) > MOST:
        raise _too_many(len(points))
    return points


def magnitude(value: Value) -> Decimal:
    """A written value as a number to compare by: ms of a duration, percent of a percentage."""
    return _amount("", str(value)).number


def _too_many(n: int) -> ConfigError:
    return ConfigError(f"that is {n} settings to try, and {MOST} are the most", "take a larger step: 10..1000/10")


def _part(text: str, part: str) -> Iterator[_Amount]:
    """One value, or the values of a range."""
    ends, slash, step = part.partition("/")
    low, dots, high = ends.partition("..")
    if not dots:
        if slash:
            raise ConfigError(f"--param {text!r:.80}: {part!r:.40} has a step but no range", f"write {_FORMS}")
        yield _amount(text, low)
        return
    first, last = _amount(text, low), _amount(text, high)
    if first.unit != last.unit:
        raise ConfigError(f"--param {text!r:.80}: {part!r:.40} has ends of two units", f"write {_FORMS}")
    by = _amount(text, step) if slash else _usual_step(text, first, last)
    if by.unit == "" and first.unit == "%":
        by = _Amount(by.number, "%")
    if by.unit != first.unit or by.number <= 0:
        raise ConfigError(f"--param {text!r:.80}: the step {step!r:.40} is no step between these", f"write {_FORMS}")
    if last.number < first.number:
        raise ConfigError(f"--param {text!r:.80}: {part!r:.40} runs downwards", "write the smaller end first")
    count = int((last.number - first.number) / by.number) + 1
    if count > MOST:
        raise _too_many(count)
    for place in range(count):
        yield _Amount(first.number + place * by.number, first.unit)


def _usual_step(text: str, first: _Amount, last: _Amount) -> _Amount:
    whole = all(end.number == end.number.to_integral_value() for end in (first, last))
    if first.unit == "ms" or not whole:
        raise ConfigError(f"--param {text!r:.80} has no step", "name one: 5m..1h/5m, 0.5..2/0.25")
    return _Amount(Decimal(1), first.unit)


def _amount(text: str, word: str) -> _Amount:
    word = word.strip()
    if _NUMBER.fullmatch(word):
        return _Amount(Decimal(word), "")
    if word.endswith("%") and _NUMBER.fullmatch(word[:-1]):
        return _Amount(Decimal(word[:-1]), "%")
    if re.match(PATTERN, word):
        try:
            return _Amount(Decimal(parse_duration(word)), "ms")
        except ValueError as error:
            raise ConfigError(f"--param {text!r:.80}: {error}") from None
    raise ConfigError(f"--param {text!r:.80}: {word!r:.40} is no number, percentage or duration", f"write {_FORMS}")
