"""The packs for logins and cloud identities on real records of a staged attack, and on a day of sshd as hosts log it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.codec.cloudtrail import cloudtrail
from streams.codec.sshd import sshd
from streams.model import Alert, Record, Source
from streams.replay.runner import PartitionLog, replay
from streams.rules.rule import RuleSet
from tests.scenes import shipped

DATA = Path(__file__).parents[3] / "shared/data/audit"
REAL = DATA / "otrf_ec2_proxy_s3_exfil.jsonl"
HOSTS = datetime(2024, 3, 5, 6, 0, 0, tzinfo=UTC)


def alerts_of(lines: list[bytes], mapping: Callable[[bytes], dict[str, Any]]) -> list[Alert]:
    """What all shipped audit rules tell of these payloads."""
    rules = RuleSet(tuple(rule for rule in shipped().rules if rule.source == "audit"))
    source = Source("audit", "audit.events", ("tenant", "actor"), mapping=mapping, default_tenant="acme")
    log: list[Record] = [(n, line, int(mapping(line)["event_time"])) for n, line in enumerate(lines)]
    result = replay([PartitionLog(source, 0, [log])], rules)
    assert not result.refused, result.refused[0].error
    return result.alerts


def told(alerts: list[Alert]) -> set[tuple[str, str]]:
    """(rule, the last part of the key) of each."""
    return {(alert.rule.removeprefix("audit."), str(list(alert.key.values())[-1])) for alert in alerts}


@pytest.mark.skipif(not REAL.exists(), reason="the shared data (../shared/data) is not here")
def test_the_staged_exfiltration_is_one_alert_at_its_moment_and_nothing_else() -> None:
    truth = json.loads(REAL.with_name(f"{REAL.stem}_expected.json").read_text())["expected"]
    alerts = alerts_of(REAL.read_bytes().splitlines(), cloudtrail)
    assert [alert.rule for alert in alerts] == ["audit.instance-credential-recon-exfil"]
    (alert,), (expected,) = alerts, truth
    at = datetime.fromtimestamp(alert.event_time / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert at == expected["complete"] == "2020-09-14T01:02:34Z"
    assert alert.key["session"].endswith(expected["session"].lstrip("…"))


@pytest.mark.skipif(not REAL.exists(), reason="the shared data (../shared/data) is not here")
def test_the_order_inside_a_second_does_not_matter() -> None:
    lines = REAL.read_bytes().splitlines()
    lines.reverse()
    turned = sorted(lines, key=lambda line: json.loads(line)["@timestamp"])
    assert turned != REAL.read_bytes().splitlines()
    (alert,) = alerts_of(turned, cloudtrail)
    assert alert.event_time == 1_600_045_354_000


def lines(*messages: tuple[int, int, str]) -> list[bytes]:
    """(second, process, message) as rsyslog ships them."""
    return [
        json.dumps({
            "timestamp": (HOSTS + timedelta(seconds=second)).isoformat(), "host": "lab", "program": "sshd", "pid": pid,
            "message": message,
        }).encode()
        for second, pid, message in messages
    ]  # fmt: skip


def attempt(second: int, user: str, ip: str, *, known: bool = False) -> list[tuple[int, int, str]]:
    """All lines of one attempt that fails."""
    who = f"user {user}" if known else f"invalid user {user}"
    written = [
        f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip} ",
        f"Failed password for {who.removeprefix('user ')} from {ip} port 4{second % 1000:03} ssh2",
        f"Connection closed by {'authenticating ' if known else ''}{who} {ip} port 4{second % 1000:03} [preauth]",
    ]
    before = [] if known else [f"Invalid user {user} from {ip}"]
    return [(second, 1_000 + second, message) for message in before + written]


def accepted(second: int, user: str, ip: str, method: str = "password") -> tuple[int, int, str]:
    return (second, 9_000 + second, f"Accepted {method} for {user} from {ip} port 50000 ssh2")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([line for n in range(5) for line in attempt(n * 20, "ada", "203.0.113.5", known=True)],
         {("failed-login-burst", "ada")}),
        ([line for n in range(4) for line in attempt(n * 20, "ada", "203.0.113.5", known=True)], set()),
        ([line for n in range(20) for line in attempt(n * 5, f"u{n}", "203.0.113.5")],
         {("failed-logins-by-ip", "203.0.113.5"), ("password-spray", "203.0.113.5")}),
        ([line for n in range(16) for line in attempt(n * 150, f"u{n}", "203.0.113.5")],
         {("password-spray", "203.0.113.5")}),
        ([*[line for n in range(6) for line in attempt(n * 20, "ada", "203.0.113.5", known=True)],
          accepted(140, "ada", "203.0.113.5")],
         {("failed-login-burst", "ada"), ("brute-force-success", "ada")}),
        ([*attempt(0, "root", "203.0.113.5", known=True),
          (2, 1_000, "message repeated 5 times: [ Failed password for root from 203.0.113.5 port 4 ssh2]"),
          (3, 1_000, "PAM 5 more authentication failures; logname= uid=0 tty=ssh ruser= rhost=203.0.113.5  user=root"),
          accepted(9, "root", "203.0.113.5")],
         {("failed-login-burst-folded", "root"), ("brute-force-success", "root")}),
        ([line for n in range(10) for line in attempt(n * 180, "ada", f"203.0.113.{n}", known=True)],
         {("distributed-brute-force", "ada")}),
        ([(0, 1, f"Failed publickey for ada from 10.0.0.9 port 5 ssh2: RSA SHA256:{n}") for n in range(3)]
         + [accepted(1, "ada", "10.0.0.9", "publickey")], set()),
        ([accepted(n * 30, "deploy", "10.0.0.9", "publickey") for n in range(100)], set()),
    ],
)  # fmt: skip
def test_hosts(messages: list[tuple[int, int, str]], expected: set[tuple[str, str]]) -> None:
    assert told(alerts_of(lines(*messages), sshd)) == expected
