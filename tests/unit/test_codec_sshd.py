"""Lines of sshd to the envelope: every message, every shape of record, one failure for an attempt, hostile names."""

from __future__ import annotations

import json
from typing import Any

import pytest

import schemas
from streams.codec.registry import mapping_named_or_file, source_mapping
from streams.codec.sshd import sshd
from streams.codec.sshd_messages import said
from streams.errors import ConfigError

AT = 1_449_730_546_000  #: 2015-12-10T06:55:46Z
PASSWORD = {"type": "ssh.failed", "action": "login", "outcome": "failure", "method": "password", "repeat": 1}


def envelope(**record: Any) -> dict[str, Any]:
    return sshd(json.dumps(record).encode())


def plain(message: str) -> dict[str, Any]:
    return {name: value for name, value in said(message).items() if value is not None}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Failed password for root from 192.0.2.7 port 42393 ssh2",
         {**PASSWORD, "actor": "root", "source_ip": "192.0.2.7", "source_port": 42393}),
        ("Failed password for invalid user web master from 2001:db8::7 port 1 ssh2",
         {**PASSWORD, "actor": "web master", "source_ip": "2001:db8::7", "source_port": 1, "invalid_user": True}),
        ("message repeated 5 times: [ Failed password for root from 192.0.2.7 port 49958 ssh2]",
         {**PASSWORD, "actor": "root", "source_ip": "192.0.2.7", "source_port": 49958, "repeat": 5}),
        ("Failed publickey for ada from 192.0.2.7 port 5 ssh2: RSA SHA256:abc",
         {**PASSWORD, "method": "publickey", "actor": "ada", "source_ip": "192.0.2.7", "source_port": 5}),
        ("error: PAM: Authentication failure for illegal user bob from 192.0.2.7",
         {"type": "ssh.failed", "action": "login", "outcome": "failure", "repeat": 1, "actor": "bob",
          "source_ip": "192.0.2.7", "reason": "Authentication failure", "invalid_user": True}),
        ("Accepted publickey for ada from 192.0.2.7 port 49116 ssh2: ED25519 SHA256:xyz",
         {"type": "ssh.accepted", "action": "login", "outcome": "success", "repeat": 1, "method": "publickey",
          "actor": "ada", "source_ip": "192.0.2.7", "source_port": 49116}),
        ("Accepted keyboard-interactive/pam for ada from 192.0.2.7 port 4 ssh2",
         {"type": "ssh.accepted", "action": "login", "outcome": "success", "repeat": 1,
          "method": "keyboard-interactive/pam", "actor": "ada", "source_ip": "192.0.2.7", "source_port": 4}),
        ("PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
         {"type": "ssh.pam_summary", "action": "login_failures_summary", "outcome": "failure", "repeat": 5,
          "actor": "root", "source_ip": "192.0.2.7"}),
        ("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7 ",
         {"type": "ssh.pam_failure", "action": "pam_authentication", "outcome": "failure", "source_ip": "192.0.2.7"}),
        ("Connection closed by authenticating user root 192.0.2.7 port 4 [preauth]",
         {"type": "ssh.disconnected", "action": "disconnect", "actor": "root", "source_ip": "192.0.2.7",
          "source_port": 4}),
        ("Invalid user admin from 192.0.2.7", {"type": "ssh.invalid_user", "action": "invalid_user", "actor": "admin",
          "outcome": "failure", "source_ip": "192.0.2.7", "invalid_user": True}),
        ("error: maximum authentication attempts exceeded for root from 192.0.2.7 port 4 ssh2 [preauth]",
         {"type": "ssh.too_many_failures", "action": "login_attempts_exceeded", "outcome": "failure", "actor": "root",
          "source_ip": "192.0.2.7", "source_port": 4}),
    ],
)  # fmt: skip
def test_what_a_message_says(message: str, expected: dict[str, Any]) -> None:
    assert plain(message) == expected


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Connection reset by invalid user x y 192.0.2.7 port 4 [preauth]", "ssh.disconnected"),
        ("Connection closed by 192.0.2.7 [preauth]", "ssh.disconnected"),
        ("Disconnected from user ada 192.0.2.7 port 4", "ssh.disconnected"),
        ("Disconnected from authenticating user ada 192.0.2.7 port 4 [preauth]", "ssh.disconnected"),
        ("Received disconnect from 192.0.2.7: 11: Bye Bye [preauth]", "ssh.disconnected"),
        ("Received disconnect from 192.0.2.7 port 4:11: Bye Bye [preauth]", "ssh.disconnected"),
        ("error: Received disconnect from 192.0.2.7: 14: No more user authentication methods available. [preauth]",
         "ssh.disconnected"),
        ("Disconnecting: Too many authentication failures for root [preauth]", "ssh.too_many_failures"),
        ("Disconnecting invalid user x 192.0.2.7 port 4: Too many authentication failures [preauth]",
         "ssh.too_many_failures"),
        ("PAM service(sshd) ignoring max retries; 6 > 3", "ssh.too_many_failures"),
        ("Did not receive identification string from 192.0.2.7 port 4", "ssh.scan"),
        ("Bad protocol version identification 'GET / HTTP/1.1' from 192.0.2.7 port 4", "ssh.scan"),
        ("Unable to negotiate with 192.0.2.7 port 4: no matching key exchange method found. [preauth]", "ssh.scan"),
        ("reverse mapping checking getaddrinfo for x.example [192.0.2.7] failed - POSSIBLE BREAK-IN ATTEMPT!",
         "ssh.reverse_mapping"),
        ("User root from 192.0.2.7 not allowed because not listed in AllowUsers", "ssh.not_allowed"),
        ("Failed none for invalid user 0101 from 192.0.2.7 port 4 ssh2", "ssh.probe"),
        ("Failed keyboard-interactive/pam for root from 192.0.2.7 port 4 ssh2", "ssh.method_failed"),
        ("input_userauth_request: invalid user x [preauth]", "ssh.invalid_user"),
        ("pam_unix(sshd:auth): check pass; user unknown", "ssh.pam_failure"),
        ("pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)", "ssh.session"),
        ("pam_unix(sshd:session): session closed for user ada", "ssh.session"),
        ("Server listening on 0.0.0.0 port 22.", "ssh.other"),
        ("", "ssh.other"),
    ],
)  # fmt: skip
def test_what_is_no_attempt_is_no_login(message: str, kind: str) -> None:
    got = said(message)
    assert got["type"] == kind
    assert got["action"] != "login"


@pytest.mark.parametrize(
    ("lines", "failures"),
    [
        ([  # an attempt for a name that nobody has
            "Invalid user admin from 192.0.2.7",
            "input_userauth_request: invalid user admin [preauth]",
            "pam_unix(sshd:auth): check pass; user unknown",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7 ",
            "Failed password for invalid user admin from 192.0.2.7 port 38926 ssh2",
            "Connection closed by 192.0.2.7 [preauth]",
        ], 1),
        ([  # six for root, five of them folded by syslog and summed up by PAM
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            "Failed password for root from 192.0.2.7 port 4 ssh2",
            "message repeated 5 times: [ Failed password for root from 192.0.2.7 port 4 ssh2]",
            "error: maximum authentication attempts exceeded for root from 192.0.2.7 port 4 ssh2 [preauth]",
            "Disconnecting: Too many authentication failures for root [preauth]",
            "PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            "PAM service(sshd) ignoring max retries; 6 > 3",
        ], 6),
        ([  # by way of PAM's questions
            "error: PAM: Authentication failure for root from 192.0.2.7",
            "error: PAM: Authentication failure for root from 192.0.2.7",
            "Failed keyboard-interactive/pam for root from 192.0.2.7 port 4 ssh2",
        ], 2),
    ],
)  # fmt: skip
def test_one_attempt_is_one_failure(lines: list[str], failures: int) -> None:
    said_of = [said(line) for line in lines]
    assert (
        sum(one["repeat"] for one in said_of if (one["action"], one.get("outcome")) == ("login", "failure")) == failures
    )


@pytest.mark.parametrize(
    "record",
    [
        {"MESSAGE": "LINE", "__REALTIME_TIMESTAMP": "1449730546000000", "_HOSTNAME": "lab", "SYSLOG_IDENTIFIER": "sshd",
         "_PID": "24200"},
        {"MESSAGE": list(b"LINE"), "__REALTIME_TIMESTAMP": "1449730546000999", "_HOSTNAME": "lab", "_PID": "24200"},
        {"message": "LINE", "@timestamp": "2015-12-10T06:55:46.000Z", "host": {"name": "lab"},
         "process": {"name": "sshd", "pid": 24200}},
        {"msg": "LINE", "timestamp": "2015-12-10T07:55:46+0100", "hostname": "lab", "program": "sshd", "pid": 24200},
        {"log": "LINE", "time": 1_449_730_546, "host": "lab", "ident": "sshd", "pid": "24200"},
        {"message": "LINE", "time": 1_449_730_546_000, "host": "lab", "program": "/usr/sbin/sshd-session", "pid": 24200},
        {"message": "Dec 10 06:55:46 lab sshd[24200]: LINE", "@timestamp": "2015-12-10T09:00:00Z"},
        {"message": "<38>Dec 10 06:55:46 lab sshd[24200]: LINE", "@timestamp": "2016-01-03T09:00:00Z"},
        {"message": "2015-12-10T06:55:46.000000+00:00 lab sshd[24200]: LINE"},
        {"message": "<38>1 2015-12-10T06:55:46Z lab sshd 24200 - - LINE"},
        {"message": "LINE", "timestamp": "2015-12-10 06:55:46,000", "host": "lab", "pid": 24200},
        {"message": "LINE", "timestamp": "Dec 10 2015 06:55:46", "host": "lab", "pid": 24200},
    ],
)  # fmt: skip
def test_every_shape_of_record_says_the_same(record: dict[str, Any]) -> None:
    line = "Failed password for root from 192.0.2.7 port 4 ssh2"
    filled = {
        name: value.replace("LINE", line) if isinstance(value, str) else list(line.encode()) if value == list(b"LINE") else value
        for name, value in record.items()
    }  # fmt: skip
    got = envelope(**filled)
    names = ("event_time", "action", "outcome", "actor", "source_ip", "repeat", "resource", "session", "source")
    assert [got.get(name) for name in names] == [
        AT, "login", "failure", "root", "192.0.2.7", 1, "lab", "lab:24200", "sshd",
    ]  # fmt: skip
    assert schemas.validate("audit.events", got) == []
    assert set(filled) - {"source"} <= set(got)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"user": "ada", "src_ip": "192.0.2.7", "port": "22", "event": "failed_password"}, ("login", "failure", 1)),
        ({"username": "ada", "rhost": "192.0.2.7", "result": "Accepted", "method": "publickey"}, ("login", "success", 1)),
        ({"user": {"name": "ada"}, "source": {"ip": "192.0.2.7"}, "event": {"outcome": "failure"}, "repeat": 4},
         ("login", "failure", 4)),
        ({"user": "ada", "ip": "192.0.2.7", "status": "invalid_user"}, ("invalid_user", "failure", None)),
        ({"user": "ada", "ip": "192.0.2.7", "event": "session_opened", "status": "success"}, ("log", None, None)),
        ({"user": "ada", "ip": "192.0.2.7", "event": "connection_closed"}, ("disconnect", None, None)),
    ],
)  # fmt: skip
def test_records_that_were_split_already(record: dict[str, Any], expected: tuple[Any, ...]) -> None:
    got = envelope(**record, timestamp="2015-12-10T06:55:46Z")
    assert (got["action"], got.get("outcome"), got.get("repeat")) == expected
    assert (got["actor"], got["source_ip"], got["event_time"]) == ("ada", "192.0.2.7", AT)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("a from 10.0.0.1 port 1 ssh2", "192.0.2.7"),
        ("root from 10.0.0.1 port 1 ssh2: x", "192.0.2.7"),
        ("Accepted password for root", "192.0.2.7"),
        ("x] message repeated 99999 times: [ y", "192.0.2.7"),
        ("\x00\x1b[31m\n'\"", "192.0.2.7"),
    ],
)
def test_a_stranger_cannot_write_the_line_by_his_name(name: str, address: str) -> None:
    got = plain(f"Failed password for invalid user {name} from {address} port 4 ssh2")
    assert (got["outcome"], got["actor"], got["source_ip"], got["repeat"]) == ("failure", name, address, 1)


def test_a_long_hostile_line_takes_no_time() -> None:
    for line in ("Failed password for " + " from 1 port 1" * 20_000, "message repeated 1 times: [ " * 5_000):
        assert plain(line)["type"] in ("ssh.failed", "ssh.other")


def test_years_that_a_line_does_not_say() -> None:
    line = json.dumps({"message": "Jan  7 06:55:46 lab sshd[1]: Accepted password for a from 192.0.2.7 port 4 ssh2"})
    assert "event_time" not in sshd(line.encode())  # the record's time counts
    dated = mapping_named_or_file("sshd:2015-12")
    assert dated is not None
    assert dated(line.encode())["event_time"] == 1_452_149_746_000  # 2016-01-07
    december = line.replace("Jan  7", "Dec 10")
    assert dated(december.encode())["event_time"] == AT
    decoded = source_mapping(json.loads, "sshd:2015-12")
    assert decoded is not None
    assert decoded(december.encode())["event_time"] == AT
    assert dated(line.replace("Jan  7", "Feb 30").encode()).get("event_time") is None
    with pytest.raises(ConfigError, match="no year and no month"):
        mapping_named_or_file("sshd:soon")


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({}, "not a line of sshd"),
        ({"a": 1}, "not a line of sshd"),
        ({"message": 5}, "not a line of sshd"),
        ({"MESSAGE": [1, 999]}, "not a line of sshd"),
        ({"message": "Server listening", "timestamp": "yesterday"}, "time: 'yesterday' is not a time"),
        ({"message": "Server listening", "timestamp": "Dec 10 25:00:00"}, "time: "),
        ({"message": "Server listening", "timestamp": True}, "time: "),
    ],
)
def test_what_is_no_line_is_refused_in_words(record: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        envelope(**record)


def test_another_program_and_a_tenant() -> None:
    got = envelope(message="Failed password for root from 192.0.2.7 port 4 ssh2", program="honeypot", tenant="acme")
    assert (got["type"], got["action"], got["tenant"]) == ("syslog", "log", "acme")
    assert "actor" not in envelope(message="Server listening on :: port 22.", actor="mallory")
