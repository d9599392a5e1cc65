"""What commands print for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


def line(record: Any) -> None:
    """One JSON object on a line of its own."""
    import msgspec

    click.echo(msgspec.json.encode(record))
