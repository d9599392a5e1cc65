"""``tocsin deliveries latency``: where the time went for one alert."""

from __future__ import annotations

import click

from connectors.times import rfc3339
from streams.cli import redriving as common
from streams.cli.alert_lookup import find
from streams.cli.context import get_config
from streams.cli.printing import json_option, line
from streams.runtime.latency import passed
from streams.runtime.ledger import read_ledger


@click.command("latency")
@click.argument("alert_id")
@json_option
def latency(alert_id: str, as_json: bool) -> None:
    """Stage by stage: event, ingest, detect, emit, then per sink send and delivered, and acknowledged.

    \b
    Example:  tocsin deliveries latency 3f9c --json
    """
    config = get_config()
    versions = find(config, alert_id, history=True)
    first = versions[0][0]
    kafka = common.cluster(config)
    found = passed(kafka.scan, versions, read_ledger(kafka.scan, first.created_at, kafka.wire))
    rows = []
    for one in found:
        since_event = None if one.at is None else one.at - first.event_time
        if as_json:
            line({"alert_id": first.id, "stage": one.stage, "sink": one.sink, "since_event_ms": since_event,
                         "at": None if one.at is None else rfc3339(one.at)})  # fmt: skip
        took = "" if since_event is None else f"{since_event:+,} ms"
        rows.append((one.stage, one.sink, "not yet" if one.at is None else rfc3339(one.at), took))
    if not as_json:
        common.table(("stage", "sink", "at", "since the event"), rows, 1000)
