"""A live worker and every notifier there is: from the event to each vendor's server, and a re-drive to one of them."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Kind
from connectors.registry import CONNECTORS
from connectors.testing import SECRET, Receiver
from streams.model import alert_id
from tests.contract.sinks import CHAT, chat, mail, secret_of
from tests.contract.vendors.alertmanager import Alertmanager
from tests.contract.vendors.mail import Mail
from tests.contract.vendors.server import Vendor, saying
from tests.e2e.living import Place, eventually, now_ms
from tests.serving import Serving
from tests.showcase import FILES

pytestmark = pytest.mark.timeout(180)
BURST = "audit.failed-login-burst"
TOPICS = ("audit.events", "alert-input", "alerts", "notifications", "deliveries", "operations", "dead-letter", "late")


class Everyone:
    """A server of each vendor's, a sink for each, and a worker that routes every alert to all of them."""

    def __init__(self, kafka: str, folder: Path, serving: Serving) -> None:
        self.vendors: dict[str, Vendor] = {name: serving.serve(made()) for name, made in CHAT.items()}
        self.mail, self.hook = serving.serve(Mail(folder / "mail")), serving.serve(Receiver())
        self.names = sorted(name for name, one in CONNECTORS.items() if one.kind is Kind.NOTIFIER and name != "console")
        self.place = Place(
            kafka, f"told{uuid.uuid4().hex[:8]}.", folder, partitions=1,
            policy={"receivers": [{"name": name} for name in self.names]},
            rules=[str(file) for file in FILES if file.stem == BURST.partition(".")[2]],
            sinks=[*self._sinks(folder)], sources={"audit": {"idle_after": "1s"}},
        )  # fmt: skip
        self.worker = self.place.create_topics().start().ready()

    def _sinks(self, folder: Path) -> Iterator[dict[str, Any]]:
        def secret(name: str, text: str) -> str:
            (folder / f"secret-{name}").write_text(text)
            return f"file:{folder / f'secret-{name}'}"

        for name, vendor in self.vendors.items():
            reference = secret(name, secret_of(vendor))
            block = {key: reference if value == "env:SECRET" else value for key, value in chat(vendor, name).items()}
            still = {"resend": "1h", "hold": "4h"} if isinstance(vendor, Alertmanager) else {}
            yield block | still
        yield mail(self.mail) | {"url": secret("mail", self.mail.url)}
        hook = {"name": "webhook", "type": "webhook", "url": self.hook.url, "allow_private": True}
        yield hook | {"secret": secret("webhook", SECRET)}

    def burst(self, actor: str) -> str:
        """Five failed logins; the id of the alert that they make."""
        with self.place.producing() as send:
            sent = [
                send("audit.events", json.dumps({
                    "event_id": f"{actor}-{n}", "event_time": now_ms() - 30_000 + n * 1000, "tenant": "acme", "actor": actor,
                    "action": "login", "outcome": "failure", "type": "auth", "source_ip": "192.0.2.66",
                }).encode(), f"acme|{actor}".encode())
                for n in range(5)
            ]  # fmt: skip
        return alert_id(BURST, "acme", {"actor": actor}, sent[4][0])

    def outcomes(self, alert: str) -> dict[str, list[tuple[str, int]]]:
        """Of each sink, outcome and attempt of what the ledger has of the alert."""
        found: dict[str, list[tuple[str, int]]] = {}
        for one in self.place.documents("deliveries"):
            if one["alert_id"] == alert:
                found.setdefault(one["sink"], []).append((one["outcome"], one["attempt"]))
        return found

    def arrived(self) -> dict[str, list[str]]:
        """Which alerts stand at each vendor, as often as people see them."""
        seen = {name: vendor.arrived() for name, vendor in self.vendors.items()} | {"email": self.mail.arrived()}
        seen = {name: [f"{int(key[1:].partition('-')[0]):x}" for key in keys] for name, keys in seen.items()}
        return seen | {"webhook": [body["data"]["id"] for body in self.hook.accepted.values()]}

    def requests(self) -> dict[str, int]:
        """How often each vendor was called."""
        asked = {name: vendor.requests for name, vendor in self.vendors.items()}
        return asked | {"email": len(self.mail.mails), "webhook": len(self.hook.requests)}

    def records(self) -> dict[str, int]:
        return {topic: len(self.place.read(topic)) for topic in TOPICS}


@pytest.fixture(scope="module")
def everyone(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everyone]:
    with Serving() as serving:
        made = Everyone(kafka, tmp_path_factory.mktemp("told"), serving)
        try:
            yield made
        finally:
            made.place.close()


def is_same(seen: str, alert: str) -> bool:
    """A voice says the end of an id only, and a number has no noughts before it."""
    return alert.endswith(seen)


def test_an_alert_arrives_at_every_vendor_once_and_each_delivery_is_in_the_ledger(everyone: Everyone) -> None:
    assert set(everyone.names) == {*everyone.vendors, "email", "webhook"}
    alert = everyone.burst("mallory")
    once = {name: [("delivered", 1)] for name in everyone.names}
    eventually(lambda: everyone.outcomes(alert) == once, 60, "each sink's delivery")
    for name, seen in everyone.arrived().items():
        assert len(seen) == 1, (name, seen)
        assert is_same(seen[0], alert), (name, seen, alert)
    broken = {name: vendor.broken_rules for name, vendor in everyone.vendors.items() if vendor.broken_rules}
    assert (broken, everyone.mail.broken_rules, everyone.hook.broken_rules) == ({}, [], [])
    notes = {one["receiver"]: one for one in everyone.place.documents("notifications")}
    assert set(notes) == set(everyone.names)
    for one in everyone.place.documents("deliveries"):
        assert one["notification_id"] == notes[one["sink"]]["id"]
        assert one["reference"], one  # the vendor's own name for it, or what it answered


def test_a_redrive_of_an_hour_to_one_sink_has_no_other_effect(everyone: Everyone) -> None:
    discord, rejected = everyone.vendors["discord"], [("rejected", 1)]
    discord.behave = saying(410, "the channel was deleted")
    lost = [everyone.burst(actor) for actor in ("eve", "trudy")]
    for alert in lost:
        eventually(lambda: everyone.outcomes(alert).get("discord") == rejected, 30, "it to be refused")  # noqa: B023 - used now
        eventually(lambda: len(everyone.outcomes(alert)) == len(everyone.names), 30, "the others")  # noqa: B023 - used now

    def told_of_it() -> bool:
        alerts = everyone.place.last_alerts()
        return all(alerts[alert].get("notification_failed") == ["discord"] for alert in lost)

    eventually(told_of_it, 30, "the alerts to say who was not reached")
    discord.behave, before, asked = None, everyone.records(), everyone.requests()

    command = "deliveries", "redrive", "--sink", "discord", "--since", "1h", "--failed"
    dry = everyone.place.tocsin(*command)
    assert "2 would be sent again" in dry.stdout
    done = everyone.place.tocsin(*command, "--yes", "--by", "ada")
    assert "2 published again" in done.stdout
    for alert in lost:
        again = [*rejected, ("delivered", 1)]
        eventually(lambda: everyone.outcomes(alert)["discord"] == again, 30, "it to arrive")  # noqa: B023 - used now

    after = everyone.records()
    grown = +Counter({topic: after[topic] - before[topic] for topic in TOPICS})
    calls = +Counter({name: count - asked[name] for name, count in everyone.requests().items()})
    print(dry.stdout, done.stdout, f"records more: {dict(grown)}", f"calls more: {dict(calls)}", sep="\n")
    assert grown == {"notifications": 2, "deliveries": 2, "operations": 2}
    assert calls == {"discord": 2}
    assert len(discord.arrived()) == 3
