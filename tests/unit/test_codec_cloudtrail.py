"""CloudTrail to the envelope, on real records of a staged attack and on hostile ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import schemas
from streams.codec.cloudtrail import cloudtrail

REAL = Path(__file__).parents[3] / "shared/data/audit/otrf_ec2_proxy_s3_exfil.jsonl"
ROLE = "arn:aws:sts::123456789123:assumed-role/WAFRole/i-0317f6c6b66ae9c40"


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "eventID": "e-1", "eventName": "GetObject", "eventSource": "s3.amazonaws.com",
        "eventTime": "2020-09-14T01:02:34Z", "sourceIPAddress": "192.0.2.1", "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "userName": "pedro", "arn": "arn:aws:iam::1:user/pedro", "accountId": "9"},
        "requestParameters": {"bucketName": "vault", "key": "ring.txt"}, "responseElements": None,
    }  # fmt: skip
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def envelope(**changes: Any) -> dict[str, Any]:
    return cloudtrail(json.dumps(record(**changes)).encode())


def test_a_record_becomes_an_envelope_and_stays_reachable() -> None:
    got = envelope()
    names = ("event_id", "event_time", "tenant", "source", "type", "action", "actor")
    assert {name: got.get(name) for name in names} == {
        "event_id": "e-1", "event_time": 1_600_045_354_000, "tenant": "111122223333", "source": "s3.amazonaws.com",
        "type": "GetObject", "action": "GetObject", "actor": "pedro",
    }  # fmt: skip
    assert (got["source_ip"], got["outcome"], got["resource"]) == ("192.0.2.1", "success", "vault/ring.txt")
    assert got["userIdentity"]["userName"] == "pedro"
    assert got["eventName"] == "GetObject"
    assert schemas.validate("audit.events", got) == []


@pytest.mark.parametrize(
    ("identity", "actor", "session"),
    [
        ({"userName": "pedro", "accessKeyId": "AKIA1"}, "pedro", "AKIA1"),
        (
            {"type": "AssumedRole", "arn": ROLE, "sessionContext": {"sessionIssuer": {"userName": "WAFRole"}}},
            "WAFRole", ROLE,
        ),
        ({"sessionContext": {"sessionIssuer": {"arn": "arn:role"}}}, "arn:role", None),
        ({"type": "Root", "arn": "arn:root", "accountId": "1"}, "arn:root", "arn:root"),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "ec2.amazonaws.com", None),
        ({"principalId": "AIDA"}, "AIDA", None),
        ({"userName": "", "principalId": "AIDA"}, "AIDA", None),
        ({"userName": ["x"], "sessionContext": 5, "arn": {}}, None, None),
        (None, None, None), ("x", None, None), ([], None, None), (..., None, None),
    ],
)  # fmt: skip
def test_who_did_it(identity: Any, actor: str | None, session: str | None) -> None:
    got = envelope(userIdentity=identity)
    assert (got.get("actor"), got.get("session")) == (actor, session)


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({}, "success", None),
        ({"errorCode": None}, "success", None),
        ({"errorCode": "NoSuchBucket", "errorMessage": "gone"}, "failure", "NoSuchBucket"),
        ({"errorCode": "AccessDenied"}, "denied", "AccessDenied"),
        ({"errorCode": "Client.UnauthorizedOperation"}, "denied", "Client.UnauthorizedOperation"),
        ({"errorMessage": "Failed authentication"}, "failure", "Failed authentication"),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Failure"}}, "failure", None),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Success"}}, "success", None),
        ({"responseElements": {"ConsoleLogin": ["Failure"]}}, "success", None),
        ({"errorCode": 5, "responseElements": "x"}, "success", None),
    ],
)
def test_how_it_ended(changes: dict[str, Any], outcome: str, reason: str | None) -> None:
    got = envelope(**changes)
    assert (got["outcome"], got.get("reason")) == (outcome, reason)


@pytest.mark.parametrize(
    ("changes", "resource"),
    [
        ({"requestParameters": {"bucketName": "vault"}}, "vault"),
        ({"requestParameters": {"instanceId": "i-1", "name": "x"}}, "i-1"),
        ({"requestParameters": {"filterSet": {}}, "resources": [{"ARN": "arn:aws:kms:x"}]}, "arn:aws:kms:x"),
        ({"requestParameters": None, "resources": [5, {}, {"ARN": 7}]}, None),
        ({"requestParameters": "x", "resources": {}}, None),
    ],
)
def test_what_was_touched(changes: dict[str, Any], resource: str | None) -> None:
    assert envelope(**changes).get("resource") == resource


def test_a_shippers_time_a_missing_one_and_a_wrong_one() -> None:
    shipped = envelope(eventTime=..., **{"@timestamp": "2020-09-14T01:02:34.000Z"})
    assert shipped["event_time"] == 1_600_045_354_000
    assert "event_time" not in envelope(eventTime=...)
    for wrong in ("yesterday", 5, True, {}, "2020-09-14"):
        with pytest.raises(ValueError, match=r"^eventTime: "):
            envelope(eventTime=wrong)


def test_the_tenant_is_the_account_that_received_it_else_the_callers() -> None:
    assert envelope()["tenant"] == "111122223333"
    assert envelope(recipientAccountId=...)["tenant"] == "9"
    assert "tenant" not in envelope(recipientAccountId=..., userIdentity={})


def test_an_eventbridge_envelope_is_opened() -> None:
    raw = json.dumps({"id": "x", "detail-type": "AWS API Call via CloudTrail", "detail": record()}).encode()
    assert cloudtrail(raw) == envelope()


def test_a_field_of_the_original_never_passes_for_a_mapped_one() -> None:
    got = envelope(
        tenant="mallory", actor={"x": 1}, recipientAccountId=..., userIdentity=..., event_time=0, eventTime=...
    )
    assert not {"tenant", "actor", "event_time"} & set(got)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "truncated"),
        (b"[]", "array"),
        (b"{}", "no eventName"),
        (b'{"eventName":5}', "no eventName"),
        (b'{"detail":{}}', "no eventName"),
        (b'{"Records":[{"eventName":"x"},{}]}', "a CloudTrail file of 2 records"),
        (b'{"eventName":"x","a":"\xff"}', "utf-8"),
        (b'{"eventName":"x","a":' + b"[" * 100_000, "nested deeper"),
    ],
)
def test_what_is_no_record_is_refused_in_words(raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cloudtrail(raw)


@pytest.mark.skipif(not REAL.exists(), reason="the shared data (../shared/data) is not here")
def test_a_real_attack_maps_whole() -> None:
    events = [cloudtrail(line) for line in REAL.read_bytes().splitlines()]
    assert len(events) == 103
    assert [schemas.validate("audit.events", event) for event in events] == [[]] * 103
    assert {event["tenant"] for event in events} == {"123456789123"}
    assert all({"event_id", "event_time", "actor", "action", "source", "outcome"} <= set(event) for event in events)
    sessions = Counter(event["session"] for event in events if ":assumed-role/" in event.get("session", ""))
    assert [count for _, count in sessions.most_common()] == [11]  # the attack's own events
    taken = [event for event in events if event["action"] == "GetObject" and event["session"] in sessions]
    assert any(event["resource"].endswith("/ring.txt") for event in taken)
    assert min(event["event_time"] for event in taken) == 1_600_045_354_000  # 01:02:34Z, as the truth beside it says
