"""What the stages write is what the schemas say: simulated attacks through DETECT and ALERT, every record checked."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

import schemas
from streams import pipeline
from streams.detect.registry import KINDS
from streams.model import Action, Batch, Command, Control, Output, Source
from streams.rules.compiled import compiled
from streams.rules.load import load_rules
from streams.runtime.names import Names
from streams.simulate.traffic import generate
from streams.state.alerts.alerting import AlertState
from streams.state.detect.detecting import DetectState

BEGIN = 1_714_564_800_000
KEYS = {
    "audit": ("tenant", "actor"),
    "trade": ("tenant", "account"),
    "chain": ("tenant", "pool"),
    "metric": ("tenant", "host"),
}
POLICY = {"receivers": [{"name": "console"}], "remind_after": "1m"}
RULES = load_rules([Path(pipeline.__file__).parent / "packs"], KINDS)
CONTROL = Control(position=2, ruleset=RULES, records={"policy/default": POLICY})
BY_TOPIC = {spec.name: spec for spec in schemas.topic_specs()}
UNION = {"finding": "finding", "command": "command"}


def check(outputs: Iterable[Output], seen: Counter[str]) -> None:
    for output in outputs:
        record = json.loads(output.value)
        subjects = BY_TOPIC[output.topic].schemas
        subject = subjects[0] if len(subjects) == 1 else UNION[record["record"]]
        assert schemas.validate(subject, record) == [], output.topic
        seen[output.topic] += 1


def test_every_record_of_detect_and_alert_is_valid() -> None:
    events: dict[str, list[bytes]] = defaultdict(list)
    for simulated in generate(3, start_ms=BEGIN, duration_ms=600_000, rate=10.0):
        events[simulated.source].append(msgspec.json.encode(simulated.event))
    seen: Counter[str] = Counter()
    findings: list[bytes] = []
    for name, payloads in events.items():
        source = Source(name=name, topic=f"{name}.events", partition_by=KEYS[name])
        state = DetectState(source, 0, rekeyed_partitions=2, program=compiled)
        records = [(offset, raw, BEGIN) for offset, raw in enumerate([*payloads, None, b"{"])]
        outputs = pipeline.detect(state, Batch(records), BEGIN + 600_000, CONTROL)
        outputs += pipeline.detect_tick(state, BEGIN + 700_000, CONTROL, at_end=True)
        check(outputs, seen)
        findings += [output.value for output in outputs if output.topic == "alert-input"]
    alerts = AlertState(0)
    now = BEGIN + 600_000
    outputs = pipeline.alert(alerts, Batch([(at, raw, now) for at, raw in enumerate([*findings, b"{}"])]), now, CONTROL)
    ids = sorted({output.key.decode() for output in outputs if output.topic == "alerts"})
    tenants = {output.key: json.loads(output.value)["tenant"] for output in outputs if output.topic == "alerts"}
    outputs += pipeline.alert_tick(alerts, now + 3_600_000, CONTROL, at_end=True)
    commands = [
        Command(id=f"{action}-{alert}", action=action, alert_id=alert, tenant=tenants[alert.encode()], by="bob", at=now,
                note="n", resolution_action="a", metadata={"m": 1}, notification_id="x", receiver="console")
        for alert in ids for action in Action
    ]  # fmt: skip
    batch = [(1_000 + at, msgspec.json.encode(command), now) for at, command in enumerate(commands)]
    check([Output("alert-input", b"", raw) for _, raw, _ in batch], seen)
    outputs += pipeline.alert(alerts, Batch(batch), now + 3_600_001, CONTROL)
    check(outputs, seen)
    assert {"alert-input", "alerts", "notifications", "operations", "dead-letter", "rekeyed"} <= set(seen), seen
    assert seen["alerts"] > 10


def test_every_topic_the_stages_write_to_is_among_the_topics() -> None:
    names = Names()
    tables = [f"detect-{name}.events" for name in KEYS] + ["detect-rekeyed", "alert"]
    assert {names.changelog(table) for table in tables} <= set(BY_TOPIC)
