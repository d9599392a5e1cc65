"""``tocsin rules catalogue``: what the shipped rules find, need and are worth, a page a domain."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.context import get_config
from streams.cli.rules_given import paths_argument, written
from streams.config.settings import SOURCES
from streams.errors import ConfigError
from streams.reference.catalogue import PAGES, pages
from streams.reference.committed import DOCS, write_into
from streams.replay.scoring import quality
from streams.rules.rule import RuleSet


def generated(ruleset: RuleSet) -> dict[str, str]:
    """The pages by their names below ``streams/docs``, with the figures that were committed last."""
    partition_by = {name: source.partition_by for name, source in SOURCES.items()}
    return pages(ruleset, partition_by, quality.read())


@click.command("catalogue")
@paths_argument
@click.option("--write", is_flag=True, help="Write the pages into streams/docs of a checkout.")
def command(paths: tuple[Path, ...], write: bool) -> None:
    """Print what rules find, which fields they need, their defaults, and what was measured of them.

    \b
    Examples:
      tocsin rules catalogue streams/packs/audit | less
      tocsin rules catalogue --write
    """
    if write and paths:
        raise click.UsageError("--write is for all shipped rules: it takes no PATH")
    get_config()
    files = generated(written(paths))
    if not write:
        click.echo("\n".join(files.values()), nl=False)
        return
    for path in write_into(DOCS, files):
        click.echo(path)
    for stray in sorted((DOCS / PAGES).glob("*.md")):
        if f"{PAGES}/{stray.name}" not in files:
            raise ConfigError(f"{stray} is of no pack", "remove it")
