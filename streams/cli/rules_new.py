"""``tocsin rules new``: the first draft of a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streams.cli.rules_given import sources_by_name
from streams.detect.drafting import FROM_AN_EVENT, from_event, from_kind
from streams.detect.registry import KINDS, MODULES
from streams.errors import ConfigError, TocsinError
from streams.model.decode import decode_full
from streams.replay.rules.cases import test_rules
from streams.rules.document import MAX_BYTES, parse_document
from streams.rules.load import ruleset_from_documents
from streams.rules.problems import RuleErrors


@click.command("new", epilog=f"KIND is one of {', '.join(MODULES)}.")
@click.argument("kind", type=click.Choice(list(MODULES)), required=False, metavar="[KIND]")
@click.option("--from", "event_file", type=click.Path(path_type=Path), help="An event as JSON: a rule for such events.")
@click.option("--id", "id_", default="", help="The rule's id.")
@click.option("--source", default="", help="Whose events it reads.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it here; an existing file stays.")
def command(kind: str | None, event_file: Path | None, id_: str, source: str, out: Path | None) -> None:
    """Write an annotated rule to begin with; it passes `rules check` and `rules test` as it stands.

    \b
    Examples:
      tocsin rules new count --id audit.my-burst --out rules/my-burst.yaml
      tocsin rules new --from event.json
      tocsin rules new count --from event.json
    """
    if event_file is not None:
        if kind not in (None, *FROM_AN_EVENT):
            raise click.UsageError(f"--from makes a rule of {' or '.join(FROM_AN_EVENT)}, not of {kind}")
        try:
            text = from_event(_event(event_file), kind or FROM_AN_EVENT[0], id_, source)
        except ValueError as error:
            raise ConfigError(f"{event_file}: {error}") from None
    elif kind is not None:
        text = from_kind(kind, id_, source)
    else:
        raise click.UsageError(f"name a kind ({', '.join(MODULES)}), or an event with --from")
    _prove(text)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}", "choose another --out") from None
    click.echo(f"{out}: `tocsin rules test {out}` runs its tests")


def _event(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 1024} KiB")
    return decode_full(raw)


def _prove(text: str) -> None:
    """What is written must load and pass; a --id or --source that cannot be is told here."""
    document, _ = parse_document(text.encode())
    try:
        ruleset = ruleset_from_documents([document], KINDS)
    except RuleErrors as errors:
        wrong = "; ".join(f"{problem.path}: {problem.message}" for problem in errors.problems)
        raise ConfigError(f"no rule can be made of this: {wrong}", "choose another --id or --source") from None
    for result in test_rules(ruleset, sources_by_name()):
        if not result.passed:
            raise TocsinError(f"the draft fails its own test: {'; '.join(result.problems)}", "choose another event")
