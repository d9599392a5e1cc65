"""``tocsin maintenance``: windows, once or recurring, in which what is worked on alarms nobody."""

from __future__ import annotations

from typing import Any

import click

from streams.alerts.maintenance import MAINTENANCE, Window, parse_window
from streams.cli import suppressing as common
from streams.cli.context import control, now_ms, who
from streams.cli.printing import json_option, line
from streams.errors import ConfigError
from streams.replay.moments import rfc3339
from streams.rules.durations import format_duration

_SECTION = "maintenance"
_NEXT = 3  #: occurrences that are listed


@click.group("maintenance")
def command() -> None:
    """Maintenance windows, once or recurring (RFC 5545), on the clock of a time zone.

    What a window hides is counted, and told when it ends, if it still stands by then. A reminder goes out before each.

    \b
    Examples:
      tocsin maintenance add --match 'source=metric' --start 2026-07-05T02:00 --for 2h --timezone Europe/Amsterdam \\
        --rrule 'FREQ=WEEKLY;BYDAY=SU' --comment "patches"
      tocsin maintenance list
      tocsin maintenance expire patches-3f9c
    """


@command.command("add")
@click.option("--match", "matchers", multiple=True, required=True, help="""Such as 'source="metric"'; all must hold.""")
@click.option("--start", required=True, metavar="TIME", help="Of the first; without an offset, of --timezone.")
@click.option("--for", "lasts", required=True, metavar="DURATION", help="Such as 2h.")
@click.option("--rrule", default="", metavar="RRULE", help="How it recurs, such as 'FREQ=WEEKLY;BYDAY=SU'.")
@click.option("--except", "excepted", multiple=True, metavar="DATE", help="Not then: 20261225, or 20261225T020000.")
@click.option("--timezone", default="UTC", show_default=True, help="Whose clock it keeps, when clocks change too.")
@click.option("--remind", default="1h", show_default=True, metavar="DURATION", help="Before each; 0s: nobody.")
@click.option("--comment", required=True, help="What is done.")
@click.option("--tenant", default="", help="Of one tenant only.")
@click.option("--author", help="By default $USER.")
@click.option("--id", "identity", help="Its id: given again, the same window is changed or left as it is.")
@json_option
def add(
    matchers: tuple[str, ...], start: str, lasts: str, rrule: str, excepted: tuple[str, ...], timezone: str,
    remind: str, comment: str, tenant: str, author: str | None, identity: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Hide what matches while it is worked on.

    \b
    Examples:
      tocsin maintenance add --match 'source=metric' --start 2026-07-05T02:00 --for 2h --comment patches
      tocsin maintenance add --match 'source=metric' --start 2026-07-05T02:00 --for 2h --rrule FREQ=WEEKLY \\
          --timezone Europe/Amsterdam --except 20261227T020000 --comment patches
    """
    if excepted and not rrule:
        raise click.UsageError("--except goes with --rrule")
    begins, took = common.moment("--start", start, timezone), common.duration("--for", lasts)
    if excepted:
        rrule = f"RRULE:{rrule.removeprefix('RRULE:')}\nEXDATE:{','.join(excepted)}"
    document: dict[str, Any] = {
        "matchers": list(matchers), "starts_at": begins, "duration": format_duration(took),
        "timezone": timezone, "remind": remind, "author": who(author), "comment": comment,
        **({"rrule": rrule} if rrule else {}), **({"tenant": tenant} if tenant else {}),
    }  # fmt: skip
    now = now_ms()
    if not rrule and begins + took <= now:
        raise click.UsageError("it would be over already")
    with control() as reader:
        identity = identity or common.new_id(comment)
        changed, position = common.write(reader, MAINTENANCE, identity, document)
    window = parse_window(identity, document)
    if as_json:
        line(_shown(window, now) | {"changed": changed, "position": position})
        return
    click.echo(f"maintenance {identity} {'stands' if changed else 'stands already'}; it begins")
    for begin in _begins(window, now):
        click.echo(f"  {rfc3339(begin)}")


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Those that do not come again too.")
@json_option
def list_(every: bool, as_json: bool) -> None:
    """Windows under way or to come, when each begins next, and how many open alerts it hides at present.

    \b
    Example:  tocsin maintenance list --all
    """
    with control() as reader:
        documents, in_policy = common.standing(reader, MAINTENANCE, _SECTION)
    now = now_ms()
    windows = [parse_window(identity, document) for identity, document in sorted(documents.items())]
    shown = [one for one in windows if every or _phase(one, now) != "over"]
    columns = ("id", "phase", "ends_at", "next", "lasts", "tenant", "matchers", "hides", "comment")
    rows = [_shown(one, now) for one in shown]
    nothing = "no maintenance is under way or to come"
    common.listing(MAINTENANCE, rows, in_policy, columns, between="\n", as_json=as_json, nothing=nothing)


@command.command("expire")
@click.argument("identity", metavar="ID")
@json_option
def expire(identity: str, as_json: bool) -> None:
    """End a window now, with all that were to come. Its record stays, for who asks later.

    \b
    Example:  tocsin maintenance expire patches-3f9c
    """
    with control() as reader:
        document = common.one_of(reader, MAINTENANCE, _SECTION, identity)
        now = now_ms()
        if _phase(parse_window(identity, document), now) == "over":
            raise ConfigError(f"maintenance {identity} is over", "`tocsin maintenance list` shows what is to come")
        ended = document | {"expires_at": now}
        _, position = common.write(reader, MAINTENANCE, identity, ended)
    if as_json:
        line(_shown(parse_window(identity, ended), now) | {"position": position})
        return
    click.echo(f"maintenance {identity} is over")


def _phase(window: Window, now: int) -> str:
    if window.end(now) is not None:
        return "under way"
    return "to come" if window.next_begin(now) is not None else "over"


def _begins(window: Window, now: int) -> list[int]:
    found: list[int] = []
    while len(found) < _NEXT and (begin := window.next_begin(found[-1] if found else now)) is not None:
        found.append(begin)
    return found


def _shown(window: Window, now: int) -> dict[str, Any]:
    end = window.end(now)
    return {
        "id": window.id, "phase": _phase(window, now), "ends_at": rfc3339(end) if end is not None else None,
        "next": [rfc3339(begin) for begin in _begins(window, now)], "lasts": format_duration(window.lasts),
        "rrule": window.rule, "timezone": window.timezone, "tenant": window.tenant,
        "matchers": [str(matcher) for matcher in window.matchers], "author": window.author, "comment": window.comment,
    }  # fmt: skip
