"""``tocsin dlq``: records that were refused, sending them back to where they came from, or saying that they may lie."""

from __future__ import annotations

from typing import Any

import click

from connectors.notifiers.console import plain
from connectors.times import rfc3339
from streams.cli import redriving as common
from streams.cli.context import get_config, now_ms, who
from streams.cli.printing import json_option, limit_option, line
from streams.errors import ConfigError, TocsinError
from streams.model import DeadReason
from streams.runtime.letters import LeftOut, Refused, Wanted, discard, plan, read_letters, redrive

_HINTS = {
    LeftOut.SEEN_TO: "sent back or discarded before",
    LeftOut.COUNTED: "one rule failed, the others have counted it; --reason rule_failed sends it back",
    LeftOut.EMPTY: "a tombstone holds nothing",
    LeftOut.CUT: "too large for a letter, and gone from its topic",
    LeftOut.SHARED: "one sink refused it; `tocsin deliveries redrive` or, for a storage, `tocsin storage rebuild`",
    LeftOut.DERIVED: "made from an event: send that one back",
    LeftOut.FROM_A_FILE: "it has no topic",
}
_HEADS = ("position", "at", "stage", "reason", "origin", "bytes", "done", "error")
_SHOWN = 4_000


@click.group("dlq")
def command() -> None:
    """Dead letters: what was refused, with its bytes, its origin and the reason.

    \b
    Examples:
      tocsin dlq list --since 2h --reason invalid
      tocsin dlq show dead-letter/3/17
      tocsin dlq redrive --topic audit.events --since 2h --yes     after the mapping was mended
      tocsin dlq discard dead-letter/3/17 --note "a test" --yes
    """


def _which(function: Any) -> Any:
    for option in reversed(
        (
            common.period("dead-letter"),
            click.option("--stage", default="", help="Its beginning: detect, alert, deliver:slack."),
            click.option("--topic", default="", help="Records that came from there: audit.events."),
            click.option(
                "--reason",
                "reasons",
                multiple=True,
                type=click.Choice([one.value for one in DeadReason]),
                help="Refused for it; several are allowed.",
            ),
        )
    ):
        function = option(function)
    return function


def _wanted(ids: tuple[str, ...], given: dict[str, Any]) -> Wanted:
    when = common.read_period(given["since"], given["until"], given["offsets"], always=bool(ids))
    reasons = frozenset(map(DeadReason, given["reasons"]))
    return Wanted(ids, *when, stage=given["stage"], topic=given["topic"], reasons=reasons)


@command.command("list")
@_which
@click.option("--all", "everything", is_flag=True, help="Also those that were sent back or discarded.")
@limit_option
@json_option
def list_(everything: bool, limit: int, as_json: bool, **given: Any) -> None:
    """What was refused, and nobody has seen to.

    \b
    Example:  tocsin dlq list --topic audit.events --reason malformed --json
    """
    wanted = _wanted((), given)
    found = [one for one in read_letters(common.cluster(get_config()).scan, wanted) if everything or not one.done]
    common.listing(found, _HEADS, _row, _document, limit, as_json=as_json, nothing="no dead letters")


@command.command("show")
@click.argument("position")
@json_option
def show(position: str, as_json: bool) -> None:
    """One dead letter, by its position or its record's: why it was refused, and what it holds.

    \b
    Example:  tocsin dlq show dead-letter/3/17
    """
    found = read_letters(common.cluster(get_config()).scan, Wanted(ids=(position,)))
    if not found:
        raise TocsinError(f"there is no dead letter {position!r:.100}", "`tocsin dlq list` shows their positions")
    for one in found:
        if as_json:
            line(_document(one) | {"key": one.letter.key, "value": one.letter.value,
                                          "headers": one.letter.headers, "sha256": one.letter.sha256})  # fmt: skip
            continue
        for name, text in zip(_HEADS, _row(one), strict=True):
            click.echo(f"{name:9} {plain(text, 2000)}")
        if one.value is not None:
            cut = f" (the first {_SHOWN:,} bytes)" if len(one.value) > _SHOWN else ""
            click.echo(f"value{cut}:\n{plain(one.value[:_SHOWN].decode(errors='backslashreplace'), _SHOWN)}")


@command.command("redrive")
@click.argument("positions", nargs=-1, metavar="[POSITION]...")
@_which
@common.doing()
@json_option
def redrive_(positions: tuple[str, ...], yes: bool, by: str | None, as_json: bool, **given: Any) -> None:
    """Send records back to the topic and partition they came from, as they were, with a header `redriven`.

    They count as if they had come now: what caused the refusal must be mended first. Exit status 1 where something
    that was named by its position could not be sent back.

    \b
    Examples:
      tocsin dlq redrive dead-letter/3/17
      tocsin dlq redrive --topic trade.events --reason invalid --since 2h --yes
    """
    _say_what(positions, given)
    kafka, wanted = common.cluster(get_config()), _wanted(positions, given)
    made = plan(_chosen(kafka, wanted), kafka.scan, wanted.reasons)
    mark = common.new_mark() if yes and made.records else ""
    if mark:
        redrive(made, who(by), now_ms(), mark, kafka.options, kafka.names)
    if as_json:
        line({
            "redrive": mark, "done": bool(mark), "count": len(made.records),
            "left_out": {why.value: n for why, n in sorted(made.left_out.items())},
            "positions": [back.refused.where for back in made.records],
        })  # fmt: skip
    else:
        common.sample([_row(back.refused) for back in made.records], _HEADS)
        common.tell_left_out(made.left_out, _HINTS)
        count = f"{len(made.records):,}"
        click.echo(f"{count} sent back, re-drive {mark}" if mark else f"{count} would go back; --yes does it")
    if positions and made.left_out:
        click.get_current_context().exit(1)


@command.command("discard")
@click.argument("positions", nargs=-1, metavar="[POSITION]...")
@_which
@click.option("--note", required=True, help="Why, for those who look later.")
@common.doing("Who says so")
@json_option
def discard_(positions: tuple[str, ...], note: str, yes: bool, by: str | None, as_json: bool, **given: Any) -> None:
    """Say that they need nothing: they are listed no more. The letters stay on their topic, and who said so is kept.

    \b
    Example:  tocsin dlq discard --topic audit.events --reason malformed --since 2h --note "a load test" --yes
    """
    _say_what(positions, given)
    kafka = common.cluster(get_config())
    chosen = [one for one in _chosen(kafka, _wanted(positions, given)) if not one.done]
    mark = common.new_mark() if yes and chosen else ""
    if mark:
        discard(chosen, who(by), note, now_ms(), mark, kafka.options, kafka.names)
    if as_json:
        line({"discard": mark, "done": bool(mark), "count": len(chosen),
                     "positions": [one.where for one in chosen]})  # fmt: skip
    else:
        common.sample([_row(one) for one in chosen], _HEADS)
        click.echo(f"{len(chosen):,} discarded" if mark else f"{len(chosen):,} would be discarded; --yes does it")


def _say_what(positions: tuple[str, ...], given: dict[str, Any]) -> None:
    if not positions and not any(given.values()):
        raise ConfigError("say which are meant", "give positions, --topic, --stage, --reason, --since or --offsets")


def _chosen(kafka: common.Cluster, wanted: Wanted) -> list[Refused]:
    found = read_letters(kafka.scan, wanted)
    missing = set(wanted.ids) - {one.where for one in found} - {one.letter.origin for one in found}
    if missing:
        raise TocsinError(f"there is no dead letter {', '.join(sorted(missing))}", "`tocsin dlq list` shows them")
    return found


def _row(one: Refused) -> tuple[str, ...]:
    letter = one.letter
    return (
        one.where, str(rfc3339(letter.at))[:19], letter.stage, letter.reason.value + (f" {letter.rule}".rstrip()),
        letter.origin, f"{letter.size:,}", one.done, letter.error,
    )  # fmt: skip


def _document(one: Refused) -> dict[str, Any]:
    letter = one.letter
    return {
        "position": one.where, "at": rfc3339(letter.at), "stage": letter.stage, "reason": letter.reason.value,
        "rule": letter.rule, "origin": letter.origin, "error": letter.error, "size": letter.size,
        "truncated": letter.truncated, "done": one.done,
    }  # fmt: skip
