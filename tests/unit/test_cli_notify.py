"""``tocsin notify``, and the sinks that environment variables switch on."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.registry import parse_sinks
from connectors.testing import notifier_item, sample_alert
from connectors.times import for_people
from streams.cli import main
from streams.config import load_config
from streams.config.switches import SWITCHES
from tests.contract.sinks import chat, secret_of
from tests.contract.vendors.pagerduty import PagerDuty
from tests.contract.vendors.server import Vendor, saying
from tests.contract.vendors.slack import SlackWebhook


@contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    """On a loop of its own: the command runs one itself."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(vendor.__aenter__(), loop).result(5)
    try:
        yield vendor
    finally:
        asyncio.run_coroutine_threadsafe(vendor.__aexit__(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def config(tmp_path: Path, *sinks: dict[str, Any]) -> str:
    path = tmp_path / "tocsin.yaml"
    path.write_text(json.dumps({"sinks": list(sinks), "data_dir": str(tmp_path / "data")}))
    return str(path)


def tocsin(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def an_alert(tmp_path: Path) -> str:
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(for_people(msgspec.to_builtins(sample_alert()))))
    return str(path)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "slack", "url": "env:ABSENT"}, {"type": "slack", "token": "env:ABSENT", "channel": "#a"},
        {"type": "pagerduty", "key": "env:ABSENT"}, {"type": "teams", "url": "env:ABSENT"},
        {"type": "discord", "url": "env:ABSENT"}, {"type": "telegram", "token": "env:ABSENT", "chat": "1"},
        {"type": "webhook", "url": "env:ABSENT"}, {"type": "console"},
    ],
    ids=lambda block: block["type"],
)  # fmt: skip
def test_a_preview_needs_neither_secret_nor_network(
    block: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, {"name": "x"} | block)
    given = ["--config", path, "notify", "preview", "--sink", "x", "--alert", an_alert(tmp_path)]
    status, out, err = tocsin(capsys, *given, "--reason", "escalated")
    assert (status, err) == (0, "")
    assert "20 failed logins for ada" in out
    assert "escalated" in out.lower()


@pytest.mark.parametrize("reason", [None, "escalated", "resolved"])
@pytest.mark.parametrize("variable", list(SWITCHES))
def test_who_has_set_nothing_but_a_variable_sees_an_example(
    variable: str,
    reason: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, "https://example.com/never-called")
    sink = SWITCHES[variable]["name"]
    more = ["--reason", reason] if reason else []
    status, out, err = tocsin(capsys, "--config", config(tmp_path), "notify", "preview", "--sink", sink, *more)
    assert (status, err) == (0, "")
    for fact in ("D-4711", "deal_failure", "swap", "CRITICAL"):
        assert fact in out
    assert "never-called" not in out


@pytest.mark.parametrize("variable", list(SWITCHES))
def test_a_sink_that_a_variable_would_make_is_told_with_the_variable(
    variable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    name = SWITCHES[variable]["name"]
    status, _, err = tocsin(capsys, "--config", config(tmp_path), "notify", "test", "--sink", name)
    assert status == 2
    assert f"set {variable}, or add it to sinks" in err


def test_recipients_without_a_relay_are_told_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_ALERT_RECIPIENTS", "a@example.com")
    monkeypatch.delenv("SMTP_URL", raising=False)
    status, _, err = tocsin(capsys, "--config", config(tmp_path), "notify", "test", "--sink", "email")
    assert status == 1
    assert "SMTP_URL is not set" in err
    assert "smtps://user:password@" in err


def test_a_preview_takes_a_whole_notification_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n.json").write_bytes(notifier_item().raw)
    given = ["--config", config(tmp_path, {"name": "x", "type": "console"}), "notify", "preview", "--sink", "x"]
    status, out, _ = tocsin(capsys, *given, "--alert", str(tmp_path / "n.json"))
    assert status == 0
    assert "new · 2024-01-01T00:00:02.000Z" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "cannot read"), ("[]", "not one JSON object"), ("{}", "holds no alert"), ('{"alert": 1}', "holds no alert"),
     ('{"created_at": "yesterday"}', "cannot read"), ("[" * 100_000, "cannot read")],
)  # fmt: skip
def test_a_file_without_an_alert_is_told(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(content)
    given = ["--config", config(tmp_path, {"name": "x", "type": "console"}), "notify", "preview", "--sink", "x"]
    status, out, err = tocsin(capsys, *given, "--alert", str(tmp_path / "x.json"))
    assert (status, out) == (2, "")
    assert said in err


def test_a_sink_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, {"name": "here", "type": "console"}, {"name": "db", "type": "sqlite"})
    status, _, err = tocsin(capsys, "--config", path, "notify", "test", "--sink", "db")
    assert status == 2
    assert "configured: here" in err


def test_a_test_arrives_marked_and_is_resolved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(PagerDuty()) as vendor:
        monkeypatch.setenv("SECRET", secret_of(vendor))
        path = config(tmp_path, chat(vendor, "pagerduty"))
        given = ["--config", path, "notify", "test", "--sink", "pagerduty", "--resolve", "--json"]
        status, out, _ = tocsin(capsys, *given)
        assert status == 0
        assert json.loads(out)["outcome"] == "delivered"
        assert [body["event_action"] for body in vendor.bodies] == ["trigger", "resolve"]
        assert vendor.bodies[0]["payload"]["summary"].startswith("TEST: ")
        assert vendor.bodies[0]["payload"]["severity"] == "info"
        assert list(vendor.incidents.values()) == ["resolved"]  # type: ignore[attr-defined]


def test_a_test_that_is_refused_tells_the_vendors_answer_without_the_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(SlackWebhook()) as vendor:
        vendor.behave = saying(404, f"no_service at {vendor.secret}")
        monkeypatch.setenv("SECRET", secret_of(vendor))
        path = config(tmp_path, chat(vendor, "slack"))
        status, out, err = tocsin(capsys, "--config", path, "notify", "test", "--sink", "slack")
        assert status == 1
        assert "slack (slack): rejected: HTTP 404: no_service at ***" in out
        assert vendor.secret not in out + err


def test_a_test_without_its_secret_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path, {"name": "x", "type": "pagerduty", "key": "env:ABSENT"})
    status, _, err = tocsin(capsys, "--config", path, "notify", "test", "--sink", "x")
    assert status == 1
    assert "ABSENT is not set" in err


BOTH = {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x", "PAGERDUTY_INTEGRATION_KEY": "k" * 32}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_variables_alone_make_sinks_and_receivers() -> None:
    found = load_config(None, BOTH)
    assert [sink["name"] for sink in found.sinks] == ["slack", "pagerduty"]
    assert found.policy["receivers"] == [{"name": "slack"}, {"name": "pagerduty"}]
    assert BOTH["SLACK_WEBHOOK_URL"] not in str(found)  # by reference only


def test_recipients_and_a_relay_in_variables_make_a_sink_for_mail() -> None:
    found = load_config(None, {"EMAIL_ALERT_RECIPIENTS": "a@example.com,b@example.com", "SMTP_URL": "smtp://u:p@mail"})
    (sink,) = parse_sinks(list(found.sinks))
    assert (sink.name, sink.options.recipients.reference) == ("email", "env:EMAIL_ALERT_RECIPIENTS")
    assert found.policy["receivers"] == [{"name": "email"}]
    assert "u:p" not in str(found)


@pytest.mark.parametrize("environ", [{}, {"SLACK_WEBHOOK_URL": ""}, {"SLACK_WEBHOOK_URL": " "}])
def test_without_them_nothing_changes(environ: dict[str, str]) -> None:
    found = load_config(None, environ)
    assert found.sinks == ()
    assert found.policy == {}


def test_the_files_receivers_and_sinks_of_the_same_name_stay(tmp_path: Path) -> None:
    text = "sinks: [{name: slack, type: console}, {name: ops, type: console}]\npolicy: {receivers: [{name: ops}]}\n"
    found = load_config(written(tmp_path, text), BOTH)
    assert [(sink["name"], sink["type"]) for sink in found.sinks] == [
        ("slack", "console"), ("ops", "console"), ("pagerduty", "pagerduty"),
    ]  # fmt: skip
    assert found.policy == {"receivers": [{"name": "ops"}]}
