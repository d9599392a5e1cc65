"""The API of a live worker: events in, alerts out, work on them, vendors calling back, and who is kept out."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from tests.e2e.living import Place, eventually

pytestmark = pytest.mark.timeout(300)

SECRETS = {name: f"{name}-0123456789abcdef" for name in ("soc", "eyes", "feed", "root", "other", "busy")}
SLACK, PAGERDUTY = "slack-signing-secret", "pagerduty-webhook-secret"


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Any


class Caller:
    """HTTP to the worker's API."""

    def __init__(self, place: Place) -> None:
        self.place = place
        found = re.search(r"api_port=(\d+)", place.workers[0].text)
        assert found
        self.url = f"http://127.0.0.1:{found[1]}"

    def __call__(
        self, method: str, path: str, body: Any = None, key: str = "soc", headers: dict[str, str] | None = None
    ) -> Answer:
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        more = {"Authorization": f"Bearer {SECRETS[key]}"} if key else {}
        request = urllib.request.Request(self.url + path, raw, more | (headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, json.loads(answer.read()), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.loads(error.read()), error.headers)

    def burst(self, actor: str, tenant: str = "acme") -> str:
        """Five failed logins by the API; the id of the alert they lead to."""
        for n in range(5):
            event = {"actor": actor, "action": "login", "outcome": "failure", "event_time": _now() - 5000 + n}
            done = self("POST", f"/api/v1/alerts/process-event?source=audit&tenant_id={tenant}", event, key="root")
            assert done.status == 202, done
        path = f"/api/v1/alerts/alerts?rule=audit.failed-login-burst&tenant_id={tenant}"

        def found() -> list[str]:
            return [one["id"] for one in self("GET", path, key="root").body["alerts"] if one["key"]["actor"] == actor]

        return str(eventually(found, 40, "the alert")[0])


def _now() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def call(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("api")
    for name, secret in (("slack", SLACK), ("pagerduty", PAGERDUTY), ("soc", SECRETS["soc"])):
        (folder / name).write_text(secret + "\n")
    who = {"eyes": ("acme", "viewer"), "feed": ("acme", "ingest"), "root": ("*", "admin"), "other": ("globex", "operator"),
           "busy": ("acme", "viewer")}  # fmt: skip
    keys = [
        {
            "name": name,
            "key": "sha256:" + hashlib.sha256(SECRETS[name].encode()).hexdigest(),
            "tenant": tenant,
            "role": role,
        }
        for name, (tenant, role) in who.items()
    ] + [{"name": "soc", "key": f"file:{folder}/soc", "tenant": "acme", "role": "operator"}]
    api = {"port": 0, "keys": keys, "slack": f"file:{folder}/slack", "pagerduty": {"acme": f"file:{folder}/pagerduty"}}
    place = Place(kafka, "api.", folder, partitions=2, sinks=[{"name": "store", "type": "sqlite"}], api=api)
    try:
        place.create_topics().start().ready()
        yield Caller(place)
    finally:
        place.close()


def test_an_event_handed_in_becomes_an_alert_that_is_worked_with_once(call: Caller) -> None:
    identity = call.burst("ada")
    path = f"/api/v1/alerts/alerts/{identity}"
    shown = call("GET", path).body
    assert (shown["tenant"], shown["status"], shown["key"]) == ("acme", "active", {"actor": "ada"})
    assert shown["created_at"].endswith("Z")

    done = call("PUT", path + "/acknowledge", {"note": "looking"}, headers={"Idempotency-Key": "k1"})
    assert (done.status, done.body["outcome"]) == (200, "applied")
    again = call("PUT", path + "/acknowledge", {"note": "looking"}, headers={"Idempotency-Key": "k1"})
    assert (again.status, again.body["command_id"]) == (200, done.body["command_id"])
    refused = call("PUT", path + "/acknowledge")
    assert (refused.status, refused.body["error"]["code"]) == (409, "already_acknowledged")
    stale = call("PUT", path + "/resolve", {"expected_version": 1})
    assert (stale.status, stale.body["error"]["code"]) == (409, "another_version")
    closed = call("PUT", path + "/resolve", {"note": "reset", "disposition": "true_positive", "action": "told ada"})
    assert closed.status == 200
    last = eventually(lambda: (one := call("GET", path).body)["status"] == "resolved" and one, 20, "the storage")
    assert (last["acknowledged_by"], last["resolved_by"], last["disposition"]) == (
        "api:soc",
        "api:soc",
        "true_positive",
    )
    assert last["resolution"] == {"notes": "reset", "action": "told ada"}
    commands = [one for one in call.place.documents("operations") if one["alert_id"] == identity]
    assert [(one["action"], one["outcome"]) for one in commands] == [
        ("acknowledge", "applied"), ("acknowledge", "refused"), ("acknowledge", "refused"), ("resolve", "refused"),
        ("resolve", "applied"),
    ]  # fmt: skip


def test_a_tenants_alert_does_not_exist_for_another(call: Caller) -> None:
    mine, theirs = call.burst("bob"), call.burst("eve", "globex")
    assert call("GET", f"/api/v1/alerts/alerts/{theirs}").status == 404
    assert call("GET", f"/api/v1/alerts/alerts/{mine}", key="other").status == 404
    assert call("GET", "/api/v1/alerts/alerts?tenant_id=globex").body["error"]["code"] == "another_tenant"
    refused = call("PUT", f"/api/v1/alerts/alerts/{mine}/acknowledge", key="other")
    assert (refused.status, refused.body["error"]["code"]) == (404, "unknown_alert")
    assert {one["tenant"] for one in call("GET", "/api/v1/alerts/alerts", key="other").body["alerts"]} == {"globex"}
    assert {one["tenant"] for one in call("GET", "/api/v1/alerts/alerts?limit=1000", key="root").body["alerts"]} == {
        "acme", "globex",
    }  # fmt: skip
    assert call("PUT", f"/api/v1/alerts/alerts/{theirs}/acknowledge", key="root").status == 200
    stolen = call("POST", "/api/v1/alerts/process-event?source=audit", {"tenant": "globex"}, key="feed")
    assert (stolen.status, stolen.body["error"]["code"]) == (403, "another_tenant")


def test_pages_join_without_gap_or_repetition(call: Caller) -> None:
    for actor in ("p1", "p2", "p3"):
        call.burst(actor)
    whole = [one["id"] for one in call("GET", "/api/v1/alerts/alerts?limit=1000").body["alerts"]]
    paged, offset = [], 0
    while offset is not None:
        page = call("GET", f"/api/v1/alerts/alerts?limit=2&offset={offset}").body
        paged += [one["id"] for one in page["alerts"]]
        offset = page["next_offset"]
    assert paged == whole
    assert len(set(whole)) == len(whole) >= 3


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "status", "code"),
    [
        ("GET", "/api/v1/alerts/alerts", None, "", 401, "unauthorized"),
        ("GET", "/api/v1/alerts/alerts", None, "feed", 403, "forbidden"),
        ("PUT", "/api/v1/alerts/alerts/x/acknowledge", None, "eyes", 403, "forbidden"),
        ("PUT", "/api/v1/alerts/alerts/x/acknowledge", None, "soc", 404, "unknown_alert"),
        ("PUT", "/api/v1/alerts/alerts/x/acknowledge", {"note": 1}, "soc", 400, "bad_body"),
        ("PUT", "/api/v1/alerts/alerts/x/resolve", {"surprise": 1}, "soc", 400, "bad_body"),
        ("PUT", "/api/v1/alerts/alerts/x/resolve", b"[" * 100_000, "soc", 400, "bad_body"),
        ("GET", "/api/v1/alerts/alerts?limit=0", None, "soc", 400, "bad_parameter"),
        ("GET", "/api/v1/alerts/alerts?limit=1e3", None, "soc", 400, "bad_parameter"),
        ("GET", "/api/v1/alerts/alerts?status=open", None, "soc", 400, "bad_parameter"),
        ("GET", "/api/v1/alerts/alerts?status=active&status=resolved", None, "soc", 400, "bad_parameter"),
        ("GET", "/api/v1/alerts/alerts?rule=%27%20OR%201=1--&q=1", None, "soc", 400, "bad_parameter"),
        ("GET", "/api/v1/alerts/alerts/none", None, "soc", 404, "unknown_alert"),
        ("GET", "/api/v1/alerts/nothing", None, "soc", 404, "not_found"),
        ("DELETE", "/api/v1/alerts/alerts", None, "soc", 405, "method_not_allowed"),
        ("POST", "/api/v1/alerts/process-event?source=audit", {}, "eyes", 403, "forbidden"),
        ("POST", "/api/v1/alerts/process-event?source=moon", {}, "feed", 400, "unknown_source"),
        ("POST", "/api/v1/alerts/process-event?source=alerts", {}, "feed", 400, "unknown_source"),
        ("POST", "/api/v1/alerts/process-event?source=audit", {}, "root", 400, "no_tenant"),
        ("POST", "/api/v1/alerts/process-event?source=audit", b"{", "feed", 400, "bad_body"),
        ("POST", "/api/v1/alerts/process-event?source=audit", {"actor": {}}, "feed", 422, "invalid_event"),
        ("POST", "/api/v1/alerts/process-event?source=audit", b"x" * 1_100_000, "feed", 413, "too_large"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_of_us_is_told(
    call: Caller, method: str, path: str, body: Any, key: str, status: int, code: str
) -> None:
    answer = call(method, path, body, key)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert "Traceback" not in str(answer.body)
    assert not any(secret in str(answer.body) for secret in SECRETS.values())
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def test_a_key_that_asks_too_often_waits_and_others_do_not(call: Caller) -> None:
    def ask(_: int) -> Answer:
        return call("GET", "/api/v1/alerts/alerts/none", key="busy")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(600)))
    statuses = {answer.status for answer in answers}
    assert statuses == {404, 429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status == 429)
    assert call("GET", "/api/v1/alerts/alerts/none", key="eyes").status == 404


def test_a_button_in_slack_acknowledges_and_a_forged_one_does_not(call: Caller) -> None:
    identity = call.burst("carol")
    payload = {
        "type": "block_actions", "user": {"username": "grace"},
        "actions": [{"action_id": "tocsin_acknowledge", "action_ts": "1.5",
                     "value": json.dumps({"alert": identity, "tenant": "acme"})}],
    }  # fmt: skip
    body, stamp = urlencode({"payload": json.dumps(payload)}).encode(), str(int(time.time()))

    def press(secret: str, stamp: str = stamp) -> Answer:
        signature = "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
        return call("POST", "/inbound/slack", body, "", headers)

    assert press("another").status == 401
    assert press(SLACK, str(int(time.time()) - 400)).status == 401
    (done,) = press(SLACK).body["commands"]
    assert (done["action"], done["outcome"] in ("applied", "undecided")) == ("acknowledge", True)  # it waits for 2 s
    path = f"/api/v1/alerts/alerts/{identity}"
    eventually(lambda: call("GET", path).body.get("acknowledged_by") == "slack:grace", 20, "the storage")
    eventually(lambda: press(SLACK).body["commands"][0]["reason"] == "duplicate", 20, "Slack repeating itself")


def test_pagerduty_resolves_only_alerts_of_its_tenant(call: Caller) -> None:
    mine, theirs = call.burst("dan"), call.burst("dan", "globex")

    def tell(key: str, secret: str = PAGERDUTY, tenant: str = "acme") -> Answer:
        event = {"id": f"e-{key}", "event_type": "incident.resolved", "agent": {"type": "user_reference", "summary": "Eve"},
                 "data": {"id": "P1", "incident_key": key}}  # fmt: skip
        body = json.dumps({"event": event}).encode()
        signature = "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return call("POST", f"/inbound/pagerduty/{tenant}", body, "", {"X-PagerDuty-Signature": signature})

    assert tell(mine, "another").status == 401
    assert tell(theirs, tenant="globex").status == 401  # no secret stands for it
    assert tell(theirs).body == {"commands": []}
    (done,) = tell(mine).body["commands"]
    assert (done["action"], done["outcome"] in ("applied", "undecided")) == ("resolve", True)  # it waits for 2 s
    path = f"/api/v1/alerts/alerts/{mine}"
    eventually(lambda: call("GET", path).body.get("resolved_by") == "pagerduty:Eve", 20, "the storage")
    assert all(one["status"] != "resolved" for one in call.place.last_alerts().values() if one["id"] == theirs)


def test_health_is_open_and_tells_only_that(call: Caller) -> None:
    assert call("GET", "/health", key="")[:2] == (200, {"status": "ok"})


def test_the_worker_ends_in_good_order_with_the_api_in_it(call: Caller) -> None:
    worker = call.place.start("1", "--roles", "api")
    eventually(lambda: "the API is up" in worker.text and "serving /livez" in worker.text, 60, "the second worker")
    assert worker.end() == 0, worker.text
    assert "Traceback" not in worker.text
