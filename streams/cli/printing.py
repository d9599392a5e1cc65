"""What commands that list things have in common: lines for programs, and how many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
limit_option: Callable[[Any], Any] = click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The newest so many."
)


def line(record: Any) -> None:
    """One JSON object on a line of its own."""
    import msgspec

    click.echo(msgspec.json.encode(record))
