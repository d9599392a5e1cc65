"""``tocsin oncall``: who is on call, until when, who comes next, and who stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from streams.cli.context import get_config, kafka_options, names_of, now_ms
from streams.cli.policy_given import given_records, policy_of, policy_options
from streams.cli.printing import json_option, line
from streams.errors import ConfigError
from streams.route.oncall import OVERRIDE, Override, Schedule, parse_moment
from streams.rules.durations import parse_duration
from streams.rules.problems import did_you_mean

_MOST = 100  #: hand-overs that are listed


@click.group("oncall")
def command() -> None:
    """Who is on call: rotations of the policy (`oncall:`), and overrides that are applied while they run.

    \b
    Examples:
      tocsin oncall show --next 14d
      tocsin oncall show --at 2026-12-25T03:00:00+01:00 --schedule primary
      tocsin oncall override primary grace --from 2026-12-24T18:00:00+01:00 --until 2026-12-26T09:00:00+01:00
      tocsin oncall override --remove primary-20261224t1700-grace
    """


# --- show


@command.command("show")
@click.option("--at", metavar="TIME", help="RFC 3339; without it now.")
@click.option("--schedule", "name", help="One rotation; without it all.")
@click.option("--next", "ahead", default="7d", show_default=True, help="How far ahead hand-overs are listed.")
@policy_options
@json_option
def show(at: str | None, name: str | None, ahead: str, file: Path | None, live: bool, as_json: bool) -> None:
    """Who is on call, through which layer or override, until when, and the hand-overs to come.

    Without --live it is the configured policy, which knows nothing of overrides that were applied to a cluster.

    \b
    Examples:
      tocsin oncall show --next 14d
      tocsin oncall show --live --schedule primary --at 2026-12-25T03:00:00+01:00
    """
    moment = _moment("--at", at) if at is not None else now_ms()
    until = moment + _duration("--next", ahead)
    schedules = dict(policy_of(given_records(file, live)).oncall)
    if not schedules:
        raise ConfigError("the policy has no rotation", "`policy: {oncall: …}`; see streams/docs/routing.md")
    if name is not None:
        schedules = {name: _known(schedules, name)}
    for schedule in schedules.values():
        if as_json:
            line(_document(schedule, moment, until))
        else:
            click.echo("\n".join(_lines(schedule, moment, until)))


def _lines(schedule: Schedule, at: int, until: int) -> Iterator[str]:
    zone = ZoneInfo(schedule.timezone)
    hand_over = schedule.hand_over(at)
    end = f"until {_time(hand_over[0], zone)}" if hand_over else "and nobody else for sixty days"
    yield f"{schedule.name}  {schedule.who(at) or 'nobody'}  {end}"
    for override in schedule.overrides:
        if override.ends > at and override.begins < max(until, at + 1):
            mark = "*" if override.begins <= at else " "
            yield f"  {mark} override  {_span(override, zone)}  {override.person}"
    for layer in reversed(schedule.layers):
        person = layer.who(at, zone)
        yield f"    {layer.name}  {person or 'nobody now'}  of {', '.join(layer.people)}"
    for moment, person in _hand_overs(schedule, at, until):
        yield f"  {_time(moment, zone)}  {person or 'nobody'}"


def _document(schedule: Schedule, at: int, until: int) -> dict[str, Any]:
    zone, hand_over = ZoneInfo(schedule.timezone), schedule.hand_over(at)
    return {
        "schedule": schedule.name, "timezone": schedule.timezone, "at": at, "person": schedule.who(at),
        "until": hand_over[0] if hand_over else None,
        "layers": [
            {"name": layer.name, "people": list(layer.people), "person": layer.who(at, zone)}
            for layer in schedule.layers
        ],
        "overrides": [
            {"person": one.person, "starts_at": one.begins, "ends_at": one.ends}
            for one in schedule.overrides if one.ends > at and one.begins < max(until, at + 1)
        ],
        "next": [{"at": moment, "person": person} for moment, person in _hand_overs(schedule, at, until)],
    }  # fmt: skip


def _hand_overs(schedule: Schedule, at: int, until: int) -> Iterator[tuple[int, str]]:
    for _ in range(_MOST):
        found = schedule.hand_over(at)
        if found is None or found[0] > until:
            return
        yield found
        at = found[0]


# --- override


@command.command("override")
@click.argument("name", required=False)
@click.argument("person", required=False)
@click.option("--from", "begins", metavar="TIME", help="RFC 3339; without it now.")
@click.option("--until", "ends", metavar="TIME", help="RFC 3339.")
@click.option("--id", "identity", help="Its id; the same id again changes it.")
@click.option("--remove", metavar="ID", help="End this override now, or before it begins.")
@json_option
def override(
    name: str | None, person: str | None, begins: str | None, ends: str | None, identity: str | None,
    remove: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Let PERSON be on call for the rotation NAME for a time, over all its layers.

    It comes into force at once, on all workers; of two that overlap the one that begins later counts. --remove never
    deletes: what was in force stays in the history of the control topic.

    \b
    Examples:
      tocsin oncall override primary grace --until 2026-12-26T09:00:00+01:00
      tocsin oncall override --remove primary-20261224t1700-grace
    """
    if remove is not None:
        if name is not None:
            raise click.UsageError("--remove takes the id of an override and nothing else")
        _tell(_end(remove), as_json)
        return
    if name is None or person is None or ends is None:
        raise click.UsageError("takes NAME PERSON and --until TIME, or --remove ID")
    start = _moment("--from", begins) if begins is not None else now_ms()
    end = _moment("--until", ends)
    if end <= start:
        raise click.UsageError("--until: is not after the beginning")
    document = {"schedule": name, "person": person, "starts_at": start, "ends_at": end}
    records = given_records(None, live=True)
    _known(dict(policy_of(records).oncall), name)
    _tell(_publish(identity or _identity(name, person, start), document), as_json)


def _end(identity: str) -> dict[str, Any]:
    records = given_records(None, live=True)
    known = {name.partition("/")[2]: document for name, document in records.items() if name.startswith(f"{OVERRIDE}/")}
    if identity not in known:
        raise ConfigError(
            f"there is no override {identity!r:.100}{did_you_mean(identity, known)}", "`tocsin oncall show --live`"
        )
    document = known[identity]
    begins, ends = parse_moment(document["starts_at"]), parse_moment(document["ends_at"])
    return _publish(identity, {**document, "starts_at": begins, "ends_at": max(begins, min(ends, now_ms()))})


def _publish(identity: str, document: dict[str, Any]) -> dict[str, Any]:
    from streams.runtime.control import part_record, publish

    config = get_config()
    position = publish(kafka_options(config), names_of(config), [part_record(OVERRIDE, identity, document)])
    return {"id": identity, **document, "position": position}


def _tell(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        line(done)
        return
    zone = ZoneInfo("UTC")
    span = _span(Override(done["person"], done["starts_at"], done["ends_at"]), zone)
    click.echo(f"{done['id']}: {done['person']} for {done['schedule']}, {span}; control position {done['position']}")


def _identity(name: str, person: str, begins: int) -> str:
    at = datetime.fromtimestamp(begins / 1000, ZoneInfo("UTC")).strftime("%Y%m%dt%H%M")
    slug = "-".join(re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.") for text in (name, at, person))
    return slug[:80]


# --- times


def _moment(option: str, value: str) -> int:
    try:
        return parse_moment(value)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _duration(option: str, value: str) -> int:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _known(schedules: dict[str, Schedule], name: str) -> Schedule:
    if name not in schedules:
        raise ConfigError(f"there is no rotation {name!r:.100}{did_you_mean(name, schedules)}", "")
    return schedules[name]


def _span(override: Override, zone: ZoneInfo) -> str:
    return f"{_time(override.begins, zone)} to {_time(override.ends, zone)}"


def _time(at: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at // 1000, zone).isoformat(timespec="minutes")
