"""Six tenants over four partitions and two workers, of which one is killed: everybody is told what his tenant is about,
once, by groups, levels, fallbacks, incidents and caps that see all alerts of the tenant and none of another.
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from connectors.testing import SECRET, Receiver
from streams.replay.journal import replay_journal
from tests.e2e.living import Place, Worker, eventually, now_ms
from tests.unit.alert_steps import START, finding

pytestmark = pytest.mark.timeout(240)

TENANTS = ("acme", "globex", "initech", "umbrella", "hooli", "stark")
STORM = 8
POLICY: dict[str, Any] = {
    "receivers": [{"name": "chat"}, {"name": "phone", "fallback": "mail"}, {"name": "sms"}, {"name": "mail"}],
    "route": {"receivers": ["chat"], "group_by": ["rule"], "group_wait": "1s", "group_interval": "2s"},
    "escalations": {
        "standard": {
            "levels": [
                {"name": "on-call", "after": "2s", "notify": ["phone"]},
                {"name": "lead", "after": "5s", "notify": ["sms"]},
            ]
        }
    },
    "escalate": {"critical": "standard"},
    "inhibit": [{"source": ["rule=net.down"], "target": ["rule=net.slow"], "equal": ["key.site"]}],
    "incidents": {"by": ["key.host"], "within": "30m"},
    "storm": {"alerts": 5, "within": "10m"},
    "remind_severities": [],
}


@contextmanager
def unreachable() -> Iterator[Receiver]:
    """A telephone number that no longer exists."""

    async def gone(request: web.Request, nth: int) -> web.StreamResponse:
        return web.Response(status=410)

    receiver, loop = Receiver(behave=gone), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(receiver.__aenter__(), loop).result(10)
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(receiver.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def findings(tenant: str) -> list[bytes]:
    """An outage with what follows from it, two alerts about one host, and a storm."""
    minute = (now_ms() - START) / 60_000

    def one(name: str, rule: str, key: dict[str, Any], severity: str = "medium") -> bytes:
        fields = {"tenant": tenant, "rule": rule, "key": key, "severity": severity, "severity_word": severity}
        identity = f"{tenant}-{name}"
        return msgspec.json.encode(finding(0, minute, id=f"finding-{identity}", alert_id=identity, **fields))

    return [
        one("down", "net.down", {"site": "ams"}, "critical"),
        one("slow", "net.slow", {"site": "ams"}),
        one("slow-elsewhere", "net.slow", {"site": "fra"}),
        one("disk", "host.disk", {"host": "db1"}),
        one("load", "host.load", {"host": "db1"}),
        *(one(f"login-{n}", "audit.login", {"actor": f"u{n}"}) for n in range(STORM)),
    ]


def owned(workers: list[Worker]) -> int:
    """Partitions of alerts that the workers serve together."""
    total = 0
    for worker in workers:
        if "serving" in worker.text:
            health = json.loads(worker.get("/readyz")[1])
            total += len(health.get("alert", {}).get("detail", {}).get("partitions", ()))
    return total


def test_everybody_is_told_once_of_his_tenant_though_a_worker_is_killed(kafka: str, tmp_path: Any) -> None:
    (tmp_path / "secret").write_text(SECRET)
    with unreachable() as number:
        sinks: list[dict[str, Any]] = [
            {"name": name, "type": "console", "path": f"{name}.txt"} for name in ("chat", "sms", "mail")
        ]
        sinks.append({
            "name": "phone", "type": "webhook", "url": number.url, "allow_private": True,
            "secret": f"file:{tmp_path / 'secret'}",
        })  # fmt: skip
        prefix = f"tenants{uuid.uuid4().hex[:8]}."
        place = Place(kafka, prefix, tmp_path, partitions=4, policy=POLICY, sinks=sinks)
        try:
            _tell(place.create_topics())
        finally:
            place.close()


def _tell(place: Place) -> None:
    roles = ("--roles", "alert,deliver")
    workers = [place.start("0", *roles), place.start("1", *roles)]
    eventually(lambda: owned(workers) == place.partitions, 90, "both workers to serve all partitions")
    with place.producing() as send:
        for tenant in TENANTS:
            for record in findings(tenant):
                send("alert-input", record, tenant.encode())
    time.sleep(2.5)  # groups have been told, and levels are due
    workers[0].end(signal.SIGKILL)
    workers[0] = place.start("0", *roles)
    expected = {
        (tenant, *what)
        for tenant in TENANTS
        for what in [("phone", "escalated", 1), ("mail", "fallback", 0), ("sms", "escalated", 2)]
    }
    eventually(lambda: expected <= {_heading(one) for one in place.documents("notifications")}, 90, "all levels")
    time.sleep(3)  # what comes too often would come now
    told, alerts = place.documents("notifications"), place.last_alerts()
    ids = Counter(one["id"] for one in told)
    assert max(ids.values()) == 1
    assert len({record.position.rsplit("/", 1)[0] for record in place.read("alert-input")}) > 1
    for tenant in TENANTS:
        _is_told([one for one in told if one["tenant"] == tenant], tenant, alerts)
    replay = replay_journal(place.options, place.prefix, place.names.app, config=place.config)
    differences = [one for one in replay.differences if not one.startswith("alert-input:")]  # the test wrote those
    assert (replay.problems, differences) == ([], [])
    assert replay.notifications.keys() == ids.keys()


def _heading(one: dict[str, Any]) -> tuple[str, str, str, int]:
    return one["tenant"], one["receiver"], one["reason"], one.get("escalation_level", 0)


def _is_told(told: list[dict[str, Any]], tenant: str, alerts: dict[str, dict[str, Any]]) -> None:
    """What one tenant's people hear."""
    down = [(one["receiver"], one["reason"], one.get("escalation_level", 0))
            for one in told if one["alert_id"] == f"{tenant}-down" and "group" not in one]  # fmt: skip
    assert sorted(down) == [("mail", "fallback", 0), ("phone", "escalated", 1), ("sms", "escalated", 2)]
    members = Counter(member["id"] for one in told for member in one.get("group", {}).get("alerts", ()))
    assert members[f"{tenant}-down"] == 1
    assert members[f"{tenant}-slow"] == 0
    assert members[f"{tenant}-slow-elsewhere"] == 1
    held = alerts[f"{tenant}-slow"]["suppressed"][0]
    assert (held["stage"], held["by"]) == ("inhibition", f"{tenant}-down")
    assert sum(members[f"{tenant}-login-{n}"] for n in range(STORM)) == POLICY["storm"]["alerts"]
    own = [alert for alert in alerts.values() if alert["tenant"] == tenant and alert["rule"].startswith("tocsin.")]
    storm, incident = sorted(own, key=lambda alert: str(alert["rule"]), reverse=True)
    assert (storm["rule"], storm["count"]) == ("tocsin.storm", STORM - POLICY["storm"]["alerts"])
    assert incident["members"] == [f"{tenant}-disk", f"{tenant}-load"]
    assert (members[storm["id"]], members[incident["id"]]) == (1, 1)
