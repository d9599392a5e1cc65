"""``tocsin deliveries``: what was sent where, what came of it, and sending it again to one sink."""

from __future__ import annotations

from typing import Any

import click

from connectors.times import duration, rfc3339
from streams.cli import redriving as common
from streams.cli.context import get_config, now_ms, who
from streams.cli.delivery_latency import latency
from streams.cli.printing import json_option, limit_option, line
from streams.errors import ConfigError, TocsinError
from streams.runtime.ledger import LOST, Entry, State, rates, read_ledger
from streams.runtime.redrive import LeftOut, Plan, Wanted, plan, redrive

_HINTS = {
    LeftOut.UNDER_WAY: "they will be sent anyway",
    LeftOut.SUPERSEDED: "the sink was told something later; --superseded sends them too",
    LeftOut.NOT_RETAINED: "gone from the topic",
    LeftOut.OF_A_STORAGE: "`tocsin storage rebuild` fills a storage",
}


@click.group("deliveries")
def command() -> None:
    """The delivery ledger: every attempt of every sink, and sending again.

    \b
    Examples:
      tocsin deliveries list --sink slack --failed --since 2h
      tocsin deliveries rates --since 24h
      tocsin deliveries redrive --sink slack --since 1h --failed          what would be sent
      tocsin deliveries redrive --sink slack --since 1h --failed --yes    sends it
    """


command.add_command(latency)


@command.command("list")
@common.period("notifications")
@click.option("--sink", default="", help="Of one sink.")
@click.option("--tenant", default="", help="Of one tenant.")
@click.option("--alert", "alert_id", default="", help="Of one alert; the id may be cut short.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="In it now; several are allowed.",
)
@click.option("--failed", is_flag=True, help="Only what was not delivered for good: rejected, failed.")
@limit_option
@json_option
def list_(
    since: str | None, until: str | None, offsets: str | None, sink: str, tenant: str, alert_id: str,
    states: tuple[str, ...], failed: bool, limit: int, as_json: bool,
) -> None:  # fmt: skip
    """What was to be sent, and what has become of it.

    \b
    Example:  tocsin deliveries list --sink pagerduty --failed --since 2h
    """
    when = common.read_period(since, until, offsets)
    ids = (alert_id,) if alert_id else ()
    wanted = Wanted(sink, ids, *when, tenant=tenant, states=_states(states, failed))
    kafka = common.cluster(get_config())
    found = [entry for entry in read_ledger(kafka.scan, when.since, kafka.wire) if wanted.holds(entry)]
    heads = ("id", "at", "sink", "alert", "tenant", "reason", "state", "attempts", "error")
    common.listing(found, heads, _row, _shown, limit, as_json=as_json, nothing="no deliveries")


@command.command("show")
@click.argument("notification_id")
@json_option
def show(notification_id: str, as_json: bool) -> None:
    """Every attempt for one notification; its id may be cut short.

    \b
    Example:  tocsin deliveries show 3f9c
    """
    kafka = common.cluster(get_config())
    found = [entry for entry in read_ledger(kafka.scan, 0, kafka.wire) if entry.id.startswith(notification_id)]
    if not found:
        raise TocsinError(f"nothing was to be sent under {notification_id!r:.80}", "`tocsin deliveries list` shows ids")
    if len({entry.id for entry in found}) > 1:
        raise TocsinError(f"more than one id begins with {notification_id!r:.80}", "give more of it")
    for entry in found:
        if as_json:
            line(_shown(entry) | {"attempts": [_attempt(one) for one in entry.attempts]})
            continue
        click.echo(f"{entry.id} to {entry.sink}: {entry.state.value}")
        click.echo(f"  alert {entry.alert_id} of {entry.tenant!r}, {entry.reason}, {', '.join(entry.where)}")
        rows = [tuple(_attempt(one).values()) for one in entry.attempts]
        common.table(("at", "attempt", "outcome", "took", "reference", "error", "redriven"), rows, 1000)


@command.command("rates")
@common.period("notifications")
@json_option
def rates_(since: str | None, until: str | None, offsets: str | None, as_json: bool) -> None:
    """How each sink does: of what is finished, the share that was delivered.

    \b
    Example:  tocsin deliveries rates --since 7d
    """
    when = common.read_period(since, until, offsets)
    kafka, wanted = common.cluster(get_config()), Wanted(since=when.since, until=when.until, stretch=when.stretch)
    found = rates(entry for entry in read_ledger(kafka.scan, when.since, kafka.wire) if wanted.holds(entry))
    if as_json:
        for rate in found:
            states = {state.value: rate.states[state] for state in State}
            line({"sink": rate.sink, "success": rate.success, "attempts": rate.attempts,
                         "latency_p50_ms": rate.latency_p50_ms, "latency_p99_ms": rate.latency_p99_ms}
                        | states)  # fmt: skip
        return
    heads = ("sink", "success", *(state.value for state in State), "attempts", "p50", "p99")
    rows = [
        (
            rate.sink, "" if rate.success is None else f"{rate.success:.2%}", *(rate.states[state] for state in State),
            rate.attempts, duration(rate.latency_p50_ms), duration(rate.latency_p99_ms),
        )
        for rate in found
    ]  # fmt: skip
    common.table(heads, rows, 1000)


@command.command("redrive")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@common.period("notifications")
@click.option("--sink", default="", help="To this sink: what was for it.")
@click.option("--tenant", default="", help="Of one tenant.")
@click.option("--failed", is_flag=True, help="Only what was not delivered for good.")
@click.option("--superseded", is_flag=True, help="Also what the sink was told something later of.")
@common.doing()
@json_option
def redrive_(
    ids: tuple[str, ...], since: str | None, until: str | None, offsets: str | None, sink: str, tenant: str,
    failed: bool, superseded: bool, yes: bool, by: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Send again, by ids (of notifications or alerts), time or offsets, to the one sink it was for.

    Nothing is detected again, no other sink notices. The id stays the same, so a receiver that takes idempotency keys
    shows what it has already only once. Each is recorded on `operations`.

    \b
    Examples:
      tocsin deliveries redrive --sink slack --since 1h --failed
      tocsin deliveries redrive --sink slack --since 2024-01-01T08:00:00Z --until 2024-01-01T09:00:00Z --yes
      tocsin deliveries redrive 3f9c 77a0 --yes
    """
    if not ids and not sink:
        raise ConfigError("say what is meant: ids, or --sink", "tocsin deliveries redrive --sink slack --since 1h")
    when = common.read_period(since, until, offsets, always=bool(ids))
    kafka, now = common.cluster(get_config()), now_ms()
    wanted = Wanted(sink, ids, *when, tenant=tenant, states=_states((), failed))
    made = plan(read_ledger(kafka.scan, when.since, kafka.wire), wanted, superseded=superseded)
    mark = common.new_mark() if yes and made.entries else ""
    if mark:
        redrive(made, who(by), now, mark, kafka.options, kafka.names, kafka.wire)
    _tell(made, mark, as_json)


def _tell(made: Plan, mark: str, as_json: bool) -> None:
    if as_json:
        line({
            "redrive": mark, "done": bool(mark), "count": len(made.entries),
            "left_out": {why.value: n for why, n in sorted(made.left_out.items())},
            "ids": [entry.id for entry in made.entries],
        })  # fmt: skip
        return
    common.sample(
        [(entry.id[:12], rfc3339(entry.at), entry.sink, entry.alert_id[:12], entry.reason, entry.state.value)
         for entry in made.entries],
        ("id", "at", "sink", "alert", "reason", "state"),
    )  # fmt: skip
    common.tell_left_out(made.left_out, _HINTS)
    if mark:
        click.echo(f"{len(made.entries):,} published again, re-drive {mark}; `tocsin deliveries list` shows what comes")
    else:
        click.echo(f"{len(made.entries):,} would be sent again{'; --yes does it' if made.entries else ''}")


def _states(states: tuple[str, ...], failed: bool) -> frozenset[State]:
    return frozenset(map(State, states)) | (LOST if failed else frozenset())


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.id[:12], str(rfc3339(entry.at))[:19], entry.sink, entry.alert_id[:12], entry.tenant, entry.reason,
        entry.state.value + (" (redriven)" if entry.redriven else ""), len(entry.attempts), entry.error,
    )  # fmt: skip


def _shown(entry: Entry) -> dict[str, Any]:
    last = entry.attempts[-1] if entry.attempts else None
    return {
        "id": entry.id, "at": rfc3339(entry.at), "sink": entry.sink, "alert_id": entry.alert_id,
        "tenant": entry.tenant, "reason": entry.reason, "state": entry.state.value, "attempt": len(entry.attempts),
        "latency_ms": last.latency_ms if last else None, "reference": entry.reference, "error": entry.error,
        "redriven": entry.redriven, "positions": entry.where,
    }  # fmt: skip


def _attempt(one: Any) -> dict[str, Any]:
    return {
        "at": rfc3339(one.at), "attempt": one.attempt, "outcome": one.outcome.value, "latency_ms": one.latency_ms,
        "reference": one.reference, "error": one.error, "redriven": one.redriven,
    }  # fmt: skip
