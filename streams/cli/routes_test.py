"""``tocsin routes test``: what would be said of one alert, to whom, when and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from streams.alerts.policy import Policy
from streams.alerts.subject import Subject
from streams.cli.policy_given import given_records, policy_of, policy_options, routed
from streams.cli.printing import line
from streams.cli.route_text import grouping_words, receiver_words, tree_lines
from streams.config.document import read
from streams.errors import ConfigError
from streams.model import Alert, Notification, Reason
from streams.replay.routes.checks import dotted, of
from streams.replay.routes.given import parse_given
from streams.replay.routes.rehearsal import Given, Rehearsed, rehearse
from streams.route.tree import Route, chosen, ways
from streams.rules.block import Block
from streams.rules.durations import format_duration


@click.command("test")
@click.option(
    "--alert", "alert_file", required=True, type=click.Path(path_type=Path), help="An alert as JSON, or as YAML."
)
@click.option("--at", metavar="TIME", help="When it opens, RFC 3339; without it now.")
@click.option("--for", "lasts", metavar="DURATION", help="How far to look ahead, such as 3h; a day without it.")
@policy_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    alert_file: Path, at: str | None, lasts: str | None, file: Path | None, live: bool, as_json: bool
) -> None:  # fmt: skip
    """Say who would be told of an alert, when, why and through which node, and what would hide it. Nobody is told.

    FILE is an alert as `tocsin alerts show --json` prints it, or a few of its fields; or these under `alert:`, with
    other alerts that stand (`active:`) and what people do (`do:`). Time then runs on a simulated clock through the
    same code as in a worker: delays, groups, mute times, summaries, escalation and who is on call at each moment.

    \b
    alert: {severity: P0, rule: api.down, key: {host: web-1}}
    active: [{severity: P1, rule: net.down, before: 10m}]
    do: [{after: 20m, action: acknowledge}]

    \b
    Examples:
      tocsin routes test --alert alert.yaml --at 2026-01-05T03:00:00+01:00
      tocsin routes test --alert alert.json --live --for 8d
    """
    records = given_records(file, live)
    policy = routed(policy_of(records))
    given = _given(alert_file, at, lasts)
    rehearsed = rehearse(records, given)
    alert = rehearsed.versions[0]
    if as_json:
        line(_document(policy, alert, given, rehearsed))
    else:
        click.echo("\n".join(_lines(policy, alert, given, rehearsed)))


def _given(path: Path, at: str | None, lasts: str | None) -> Given:
    document = read(path)
    content = document.content
    whole = isinstance(content, dict) and "alert" in content
    raw: dict[str, Any] = {**content} if whole else {"alert": content}
    raw |= {name: value for name, value in (("at", at), ("for", lasts)) if value is not None}
    block = Block(raw)
    given = parse_given(block, time.time_ns() // 1_000_000)
    if problems := block.finish():
        prefix = "" if whole else "alert."
        named = [(dotted(where.removeprefix(prefix)), text) for where, text in problems]
        said = [f"{document.place(where)}: {where}: {text}" for where, text in named]
        raise ConfigError(
            "\n  ".join([f"{path} is no alert that could be tried:", *said]), "see streams/docs/routing.md"
        )
    return given


# --- for people


def _lines(policy: Policy, alert: Alert, given: Given, rehearsed: Rehearsed) -> Iterator[str]:
    word = f" ({alert.severity_word})" if alert.severity_word.lower() != alert.severity else ""
    yield f"{alert.title}: {alert.severity}{word}, rule {alert.rule}, tenant {alert.tenant}, at {_time(given.at)}"
    if policy.route is not None:
        taken = {node.path for node in chosen(policy.route, Subject(alert))}
        yield from ("", "the way through the tree")
        yield from (f"  {text}" for text in tree_lines(policy.route, lambda node: "* " if node.path in taken else "  "))
    yield from ("", "what is said")
    for one in rehearsed.told:
        yield f"  {_row(one, given)}"
        for why in _because(policy, one):
            yield f"      {why}"
    if not rehearsed.told:
        yield f"  nothing within {format_duration(given.lasts)}"
    if rehearsed.cut:
        yield "  and more: look less far ahead with --for"
    yield from (f"  later: {receiver}, not before {_time(due)}" for due, receiver in rehearsed.later)
    if hidden := list(_hidden(rehearsed)):
        yield from ("", "what hides it")
        yield from (f"  {_after(at, given)}  {what}" for at, what in hidden)
    if declined := list(_declined(policy, alert)):
        yield from ("", "on its way, but not told")
        yield from (f"  {receiver}: takes {words}" for receiver, words in declined)
    yield from (f"refused: {refusal}" for refusal in rehearsed.refused)


def _row(one: Notification, given: Given) -> str:
    to = f"  to {', '.join(one.to)}" if one.to else ""
    mark = "  ESCALATED" if one.escalation_level and one.reason is Reason.ESCALATED else ""
    return f"{_after(one.at, given)}  {one.receiver}  {one.reason}{to}{mark}"


def _after(at: int, given: Given) -> str:
    return f"{_time(at)}  +{format_duration((at - given.at) // 1000 * 1000):<6}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).isoformat().replace("+00:00", "Z")


# --- why


def _because(policy: Policy, one: Notification) -> list[str]:
    """In words: the escalation's level, or the node and what of it made the message wait."""
    why = [one.why] if one.why else []
    node = _node(policy, one.route)
    if node is None:
        return why
    matchers = " ".join(map(str, node.matchers))
    why.append(f"through {node.path}" + (f" ({matchers})" if matchers else ""))
    receiver = policy.by_name[one.receiver]
    delay = (node.delay or {}).get(one.alert.severity, 0)
    if delay and one.reason in (Reason.NEW, Reason.SEVERITY_RAISED):
        why.append(f"{one.alert.severity} waits {format_duration(delay)} for somebody to see it")
    if node.group_by is not None:
        why.append(grouping_words(node))
    if node.mute:
        why.append(f"nobody is told in {', '.join(node.mute)}")
    if node.active:
        why.append(f"told only in {', '.join(node.active)}")
    if receiver.digest or receiver.batch:
        why.append(receiver_words(receiver))
    return why


def _node(policy: Policy, path: str) -> Route | None:
    nodes = policy.route.nodes() if policy.route is not None and path else ()
    return next((node for node in nodes if node.path == path), None)


def _hidden(rehearsed: Rehearsed) -> Iterator[tuple[int, str]]:
    """When what begins to hide the alert, and that nothing does any more."""
    before: tuple[Any, ...] = ()
    for version in rehearsed.versions:
        if version.suppressed != before:
            for one in version.suppressed:
                until = f" until {_time(one.until)}" if one.until is not None else ""
                yield version.updated_at, f"{one.stage} {one.by}{until}"
            if not version.suppressed:
                yield version.updated_at, "nothing any more"
            before = version.suppressed


def _declined(policy: Policy, alert: Alert) -> Iterator[tuple[str, str]]:
    """Receivers on the alert's ways that do not take it."""
    if policy.route is None:
        names = [receiver.name for receiver in policy.receivers]
    else:
        names = [way.receiver for way in ways(policy.route, Subject(alert))]
    for name in names:
        if not policy.by_name[name].takes(alert):
            yield name, receiver_words(policy.by_name[name])


# --- for programs


def _document(policy: Policy, alert: Alert, given: Given, rehearsed: Rehearsed) -> dict[str, Any]:
    told = [
        {**of(one, given.at), "at": one.at, "title": one.alert.title, "why": _because(policy, one),
         "escalated": one.reason is Reason.ESCALATED}
        for one in rehearsed.told
    ]  # fmt: skip
    return {
        "alert": {"rule": alert.rule, "tenant": alert.tenant, "severity": alert.severity, "title": alert.title},
        "at": given.at,
        "nodes": [] if policy.route is None else [node.path for node in chosen(policy.route, Subject(alert))],
        "told": told,
        "cut": rehearsed.cut,
        "later": [{"receiver": receiver, "at": due} for due, receiver in rehearsed.later],
        "hidden": [{"at": at, "by": what} for at, what in _hidden(rehearsed)],
        "declined": [receiver for receiver, _ in _declined(policy, alert)],
        "refused": list(rehearsed.refused),
    }
