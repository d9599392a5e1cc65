"""``tocsin rules explain``: a rule as the engine sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from streams.cli.printing import json_option, line
from streams.cli.rules_given import effective as effective_rules
from streams.cli.rules_given import paths_argument, sources_by_name
from streams.errors import ConfigError
from streams.replay.rules.explain import Explanation, explain
from streams.rules.problems import did_you_mean


@click.command("explain")
@click.argument("rule")
@paths_argument
@json_option
def command(rule: str, paths: tuple[Path, ...], as_json: bool) -> None:
    """Which way a rule's events go, by which key, how long they count, and the program made of it.

    \b
    Examples:
      tocsin rules explain audit.failed-login-burst
      tocsin rules explain audit.failed-logins-by-ip streams/packs/audit --json
    """
    ruleset = effective_rules(paths)
    chosen = next((one for one in ruleset.rules if one.id == rule), None)
    if chosen is None:
        near = did_you_mean(rule, [one.id for one in ruleset.rules][:200])
        raise ConfigError(f"there is no rule {rule[:100]}{near}", "`tocsin rules list` shows them")
    found = explain(chosen, ruleset, sources_by_name())
    if as_json:
        line(found)
        return
    click.echo(f"{click.style(found.id, bold=True)}: {found.title}")
    click.echo(f"{found.file}; version {found.version} in rule set {found.ruleset}")
    click.echo()
    for name, text in _rows(found):
        click.echo(f"{name:<10} {text}")
    for source, matcher in found.matchers.items():
        click.echo(f"\nits matcher over {source}, were it the only rule:")
        click.echo("".join(f"  {text}\n" if text else "\n" for text in matcher.rstrip().splitlines()))


def _rows(found: Explanation) -> Iterator[tuple[str, str]]:
    if not found.enabled:
        yield "off", "enabled: false; no event is looked at"
    settings = ", ".join(f"{name} {value}" for name, value in found.settings.items() if value not in (None, "", []))
    yield "kind", f"{found.kind}{f': {settings}' if settings else ''}"
    for way in found.ways:
        part = f" by {', '.join(way.key)}" if len(found.ways) > 1 else ""
        topic = f"topic {way.topic}" if way.topic else "not configured"
        yield "source", f"{way.source} ({topic}){part}"
        yield "", f"where {way.condition}"
        if not way.filed:
            yield "", "asked of every event: it needs no equality, or too few rules of the source do for a table to pay"
        for path, values, sharing in way.filed:
            among = f", with {sharing} more" if sharing else ", alone"
            yield "", f"filed under {path} = {' | '.join(map(str, values))}{among}"
    yield "key", found.key
    yield "way", f"local: {found.why}" if found.local else f"over `rekeyed`: {found.why}"
    yield "window", found.window
    yield "retention", found.retention
    yield "severity", found.severity
    yield "cooldown", found.cooldown
    yield "reads", ", ".join(found.reads) or "nothing but the envelope"
    if found.lists:
        yield "lists", ", ".join(found.lists)
    for number, text in enumerate(found.overridden):
        yield "" if number else "overridden", text
    for number, text in enumerate(found.tests):
        yield "" if number else "tests", text
