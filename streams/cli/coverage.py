"""``tocsin coverage``: which offsets were evaluated by which rules, and what was not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.printing import json_option, line
from streams.config import event_sources
from streams.errors import ConfigError
from streams.replay.lookback.coverage import Covered, Gap, Why, covered
from streams.replay.report import console_for_tables

_WORDS = {
    Why.UNREAD: "no worker has read this partition",
    Why.BEFORE_JOURNAL: "the topic holds records from before the journal's first step: nobody knows who read them",
    Why.SKIPPED: "the journal goes on further than it had come: these were not evaluated",
    Why.RETENTION: "evaluated, but retention took the records: they cannot be replayed",
    Why.NOT_IN_FORCE: "read while these rules were not in force as they are now",
    Why.LOST: "retention took the records before they were evaluated",
    Why.LAG: "not evaluated yet",
}
_SHOWN = 5


@click.group("coverage")
def command() -> None:
    """What the rules have looked at, as the journal has it."""


@command.command("show")
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="Ask about this rule alone; may be repeated.")
@click.option("--source", "wanted", multiple=True, metavar="NAME", help="Look at this source alone; may be repeated.")
@click.option("--check", is_flag=True, help="Exit status 1 where there is a gap; what merely lags is none.")
@json_option
def show(rules: tuple[str, ...], wanted: tuple[str, ...], check: bool, as_json: bool) -> int:
    """Offsets evaluated, by source partition and rule-set version; and every gap with its reason.

    \b
    Examples:
      tocsin coverage show
      tocsin coverage show --rule audit.failed-login-burst --check
      tocsin coverage show --source audit --json
    """
    config = get_config()
    sources = event_sources(config)
    if unknown := set(wanted) - {source.name for source in sources}:
        names = ", ".join(sorted(source.name for source in sources))
        raise ConfigError(f"no source is called {min(unknown)!r:.80}", f"there are {names}")
    admin(config)
    chosen = [source for source in sources if not wanted or source.name in wanted]
    found = covered(kafka_options(config), names_of(config), chosen, rules)
    if as_json:
        for one in found:
            line(_document(one))
    else:
        _print(found)
    broken = any(gap.why is not Why.LAG for one in found for gap in one.gaps)
    return 1 if check and broken else 0


def _document(one: Covered) -> dict[str, Any]:
    return {
        "topic": one.topic, "partition": one.partition, "low": one.low, "high": one.high,
        "evaluated": [
            {"begin": part.begin, "end": part.end, "ruleset": part.ruleset, "rules": part.rules}
            for part in one.stretches
        ],
        "gaps": [
            {"why": gap.why.value, "begin": gap.begin, "end": gap.end, "rules": list(gap.rules)} for gap in one.gaps
        ],
    }  # fmt: skip


def _print(found: Sequence[Covered]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("partition", "holds", "evaluated", "rule set", "rules"):
        table.add_column(head, overflow="fold")
    for one in found:
        where, holds = f"{one.topic}/{one.partition}", f"{one.low}..{one.high}"
        for part in one.stretches:
            table.add_row(escape(where), holds, f"{part.begin}..{part.end}", part.ruleset, str(part.rules))
            where = holds = ""
        if not one.stretches:
            table.add_row(escape(where), holds, "nothing", "", "")
    console_for_tables().print(table)
    told = [(one, gap) for one in found for gap in one.gaps]
    for one, gap in told:
        click.echo(f"{'lag' if gap.why is Why.LAG else 'gap'}: {one.topic}/{one.partition} {_words(gap)}")
    if not told:
        click.echo("no gaps")


def _words(gap: Gap) -> str:
    more = f", and {len(gap.rules) - _SHOWN} more" if len(gap.rules) > _SHOWN else ""
    rules = f" ({', '.join(gap.rules[:_SHOWN])}{more})" if gap.rules else ""
    return f"{gap.begin}..{gap.end}: {_WORDS[gap.why]}{rules}"
