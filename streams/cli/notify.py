"""``tocsin notify``: what a notifier would send, and whether it arrives."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import click

from connectors.base import Delivered, Item, Kind, Rejected, Result
from connectors.bounded import bounded
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkConfig, parse_sinks
from streams.cli.context import get_config
from streams.cli.notify_input import closed, example, item_from, sample
from streams.config import Config
from streams.config.switches import SWITCHES
from streams.errors import ConfigError, TocsinError
from streams.model import Reason

_sink = click.option("--sink", "name", required=True, help="Its name in the configuration.")


@click.group("notify")
def command() -> None:
    """Show what a notifier would send, or send a test.

    \b
    Examples:
      tocsin notify preview --sink slack
      tocsin notify preview --sink on-call --alert alert.json --reason escalated
      tocsin notify test --sink pagerduty --resolve
    """


@command.command("preview")
@_sink
@click.option(
    "--alert", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An alert or a notification in JSON, as `tocsin alerts show ID --json` prints it; else an example.",
)  # fmt: skip
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Why one is told; new.")
@click.option("--json", "as_json", is_flag=True, help="On one line.")
def preview(name: str, file: Path | None, reason: str | None, as_json: bool) -> None:
    """What would be sent for an alert, without network and without secrets.

    \b
    Examples:
      tocsin notify preview --sink slack
      tocsin notify preview --sink slack --alert alert.json --reason escalated
    """
    config = get_config()
    chosen = _notifier(config, name)
    why = Reason(reason) if reason else None
    item = item_from(file, name, why, _now()) if file else example(name, why or Reason.NEW, _now())
    sink: Any = chosen.make(_context(config, chosen))  # never opened: no secret is resolved, no socket made
    shown = sink.preview(item)
    if isinstance(shown, str) and not as_json:
        click.echo(shown, nl=False)
    else:
        click.echo(json.dumps(shown, ensure_ascii=False, indent=None if as_json else 2))


@command.command("test")
@_sink
@click.option("--resolve", is_flag=True, help="Resolve the test right after, where it would page somebody.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def test(name: str, resolve: bool, as_json: bool) -> int:
    """Send a notification marked TEST, once, and print what the vendor answered. Exit status 1: it did not arrive.

    \b
    Example:  tocsin notify test --sink pagerduty --resolve
    """
    config = get_config()
    chosen = _notifier(config, name)
    context = _context(config, chosen)
    item = sample(name, _now())
    items = [item, closed(item, _now())] if resolve else [item]
    results = asyncio.run(_deliver(chosen, context, items))
    worst = next((one for one in results if not isinstance(one, Delivered)), results[-1])
    outcome = "delivered" if isinstance(worst, Delivered) else "rejected" if isinstance(worst, Rejected) else "failed"
    answer = context.secrets.redact(worst.reference if isinstance(worst, Delivered) else worst.reason)
    if as_json:
        click.echo(json.dumps({"sink": name, "outcome": outcome, "answer": answer, "alert": item.alert.id}))
    else:
        click.echo(f"{name} ({chosen.type}): {outcome}{f': {answer}' if answer else ''}")
    return 0 if outcome == "delivered" else 1


async def _deliver(chosen: SinkConfig, context: SinkContext, items: list[Item]) -> list[Result]:
    """One after the other, ending with the first that does not arrive."""
    sink, seconds = chosen.make(context), chosen.policy.timeout_ms / 1000
    found: list[Result] = []
    try:
        await bounded(sink.open(), seconds)
        for item in items:
            found += await bounded(sink.deliver([item]), seconds)
            if not isinstance(found[-1], Delivered):
                break
    except TocsinError as error:
        raise TocsinError(context.secrets.redact(f"{chosen.name}: {error.message}"), error.hint) from None
    except Exception as error:  # whatever a connector raises is told without its secrets
        said = context.secrets.redact(f"{chosen.name}: {type(error).__name__}: {error}")
        raise TocsinError(said) from None
    finally:
        await sink.close()
    return found


def _notifier(config: Config, name: str) -> SinkConfig:
    sinks = [sink for sink in parse_sinks(list(config.sinks)) if sink.kind is Kind.NOTIFIER]
    found = next((sink for sink in sinks if sink.name == name), None)
    if found is None:
        names = ", ".join(sink.name for sink in sinks) or "none"
        variable = next((variable for variable, sink in SWITCHES.items() if sink["name"] == name), None)
        raise ConfigError(
            f"there is no notifier {name!r:.80} (configured: {names})",
            f"{f'set {variable}, or ' if variable else ''}add it to sinks in tocsin.yaml",
        )
    return found


def _context(config: Config, sink: SinkConfig) -> SinkContext:
    return SinkContext(sink.name, config.data_dir, Secrets(os.environ), sink.policy.timeout_ms)


def _now() -> int:
    return time.time_ns() // 1_000_000
