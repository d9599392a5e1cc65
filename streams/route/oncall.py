"""Who is on call: rotations in layers, the upper over the lower, with overrides over all. Pure; moments in ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from streams.route.intervals import parse_zone
from streams.rules.active import Active, parse_active
from streams.rules.block import Block, items, named, texts
from streams.rules.durations import shown
from streams.rules.problems import BlockErrors

OVERRIDE = "oncall-override"  #: kind of the control records
_DAY = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIME = 253_402_300_799_999
#: How far ahead, and how closely, a hand-over is looked for.
_AHEAD, _STEP = 60 * _DAY, 900_000


@dataclass(frozen=True, slots=True)
class Layer:
    """People who take turns, each for ``every`` days or ms, from ``begins`` on; ``active``: only at these times."""

    name: str
    people: tuple[str, ...]
    begins: int
    days: int  #: a turn in local days, so that it changes at the same hour all year; 0: ``every``
    every: int  #: a turn in ms
    active: Active | None = None

    def who(self, at: int, zone: ZoneInfo) -> str:
        """Whose turn it is; empty: nobody's."""
        if at < self.begins or (self.active is not None and not self.active.covers(at)):
            return ""
        if self.days:
            began, now = (_local(moment, zone) for moment in (self.begins, at))
            turn = (now - began) // timedelta(days=self.days)
        else:
            turn = (at - self.begins) // self.every
        return self.people[turn % len(self.people)]


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody instead, from ``begins`` until before ``ends``."""

    person: str
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rotation. ``layers``: the last one that has somebody counts."""

    name: str
    layers: tuple[Layer, ...]
    timezone: str = "UTC"
    overrides: tuple[Override, ...] = ()

    def who(self, at: int) -> str:
        """Who is on call at ``at``; empty: nobody."""
        for override in reversed(self.overrides):
            if override.begins <= at < override.ends:
                return override.person
        zone = ZoneInfo(self.timezone)
        for layer in reversed(self.layers):
            if person := layer.who(at, zone):
                return person
        return ""

    def overridden(self, records: Sequence[tuple[str, Override]]) -> Schedule:
        """With those of ``records`` (name of a rotation, override) that are its own, over its own: where two overlap,
        the one that begins later counts.
        """
        more = sorted((one for name, one in records if name == self.name), key=lambda one: one.begins)
        return replace(self, overrides=(*self.overrides, *more)) if more else self

    def hand_over(self, at: int) -> tuple[int, str] | None:
        """When somebody else takes over, to the minute, and who; None: not within sixty days."""
        now, moment = self.who(at), at
        edges = sorted({edge for one in self.overrides for edge in (one.begins, one.ends) if edge > at}, reverse=True)
        while moment < at + _AHEAD:
            before, moment = moment, (moment // _STEP + 1) * _STEP
            if edges and edges[-1] <= moment:
                moment = edges.pop()
            if self.who(moment) != now:
                while moment - 60_000 > before and self.who(moment - 60_000) != now:
                    moment -= 60_000
                return moment, self.who(moment)
        return None


def parse_schedules(raw: Any) -> dict[str, Schedule]:
    """``{name: {timezone, layers: [{people, rotation, starts_at, active}], overrides}}``. Raises BlockErrors."""
    return named(raw, _schedule)


def _schedule(name: str, raw: Any) -> Schedule:
    block = Block(raw)
    timezone = block.read("timezone", parse_zone, "UTC")
    layers = block.read("layers", lambda value: items(value, lambda item: _layer(item, timezone)))
    overrides = block.read("overrides", lambda value: items(value, parse_override), ())
    if layers == ():
        block.problem("layers", "names none")
    block.check()
    return Schedule(name, layers, timezone, overrides)


def _layer(raw: Any, timezone: str) -> Layer:
    block = Block(raw)
    rotation = block.raw("rotation", "weekly")
    days = {"daily": 1, "weekly": 7}.get(rotation, 0) if isinstance(rotation, str) else 0
    every = 0 if days else block.duration("rotation", least=3_600_000)
    active = block.raw("active")
    if isinstance(active, Mapping) and "timezone" not in active:
        active = {**active, "timezone": timezone}
    layer = Layer(
        name=block.text("name", "layer"),
        people=block.read("people", texts),
        begins=block.read("starts_at", parse_moment),
        days=days,
        every=every,
        active=block.read("active", lambda _: parse_active(active), None),
    )
    if layer.people == ():
        block.problem("people", "names nobody")
    block.check()
    return layer


def parse_override(raw: Any) -> Override:
    """``{person, starts_at, ends_at}``. Raises BlockErrors."""
    block = Block(raw)
    override = _override(block)
    block.check()
    if override.ends == override.begins:
        raise BlockErrors([("ends_at", "is not after starts_at")])
    return override


def parse_override_record(raw: Any) -> tuple[str, Override]:
    """A control record: ``{schedule, person, starts_at, ends_at}``; the rotation's name first. One that ends as it
    begins was taken back before. Raises BlockErrors.
    """
    block = Block(raw)
    schedule, override = block.text("schedule"), _override(block)
    block.check()
    return schedule, override


def _override(block: Block) -> Override:
    override = Override(
        block.text("person"), block.read("starts_at", parse_moment), block.read("ends_at", parse_moment)
    )
    if not block.problems and override.ends < override.begins:
        block.problem("ends_at", "is before starts_at")
    return override


def parse_moment(value: Any) -> int:
    """ms, or RFC 3339 with its offset, which YAML may have read as a time already. Raises ValueError."""
    if isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TIME:
        return value
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        pass
    raise ValueError(f"takes a time such as 2026-01-05T09:00:00+01:00, not {shown(value)}")


def _local(at: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at)).astimezone(zone).replace(tzinfo=None)
