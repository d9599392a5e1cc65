"""CloudTrail's identities: sessions, machines, second factors, whom a call is about, and who becomes an administrator."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

import schemas
from streams.codec.cloudtrail import cloudtrail

SESSION = "arn:aws:sts::111122223333:assumed-role/web/"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
READING = {"Statement": {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "*"}}


def envelope(**record: Any) -> dict[str, Any]:
    got = cloudtrail(json.dumps({"eventName": "GetObject", "eventTime": "2024-01-01T00:00:00Z", **record}).encode())
    assert schemas.validate("audit.events", got) == []
    return got


@pytest.mark.parametrize(
    ("identity", "kind", "machine"),
    [
        ({"type": "Root"}, "root", None),
        ({"type": "IAMUser", "userName": "ada"}, "user", None),
        ({"type": "AssumedRole", "arn": SESSION + "i-0317f6c6b66ae9c40"}, "instance", "i-0317f6c6b66ae9c40"),
        ({"type": "AssumedRole", "principalId": "AROA1:i-0a1b2c3d"}, "instance", "i-0a1b2c3d"),
        ({"arn": SESSION + "i-0317f6c6b66ae9c40"}, "instance", "i-0317f6c6b66ae9c40"),
        ({"type": "AssumedRole", "arn": SESSION + "ada"}, "role", None),
        ({"type": "AssumedRole", "arn": SESSION + "i-am-ada"}, "role", None),
        ({"type": "AssumedRole", "arn": SESSION + "x/i-0317f6c6b66ae9c40\n"}, "role", None),
        ({"type": "IAMUser", "arn": "arn:aws:iam::1:user/i-0317f6c6b66ae9c40"}, "user", None),
        ({"type": "SAMLUser"}, "federated", None),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "service", None),
        ({"type": ["Root"]}, None, None),
        ({"type": "Martian"}, None, None),
        (None, None, None),
    ],
)
def test_what_kind_of_session_on_what_machine(identity: Any, kind: str | None, machine: str | None) -> None:
    got = envelope(userIdentity=identity)
    assert (got.get("session_kind"), got.get("instance")) == (kind, machine)


@pytest.mark.parametrize(
    ("record", "given"),
    [
        ({"additionalEventData": {"MFAUsed": "Yes"}}, True),
        ({"additionalEventData": {"MFAUsed": "No"}}, False),
        ({"userIdentity": {"sessionContext": {"attributes": {"mfaAuthenticated": "true"}}}}, True),
        ({"userIdentity": {"sessionContext": {"attributes": {"mfaAuthenticated": "false"}}}}, False),
        ({"additionalEventData": {"MFAUsed": "Perhaps"}}, None),
        ({"additionalEventData": "MFAUsed", "userIdentity": {"sessionContext": []}}, None),
        ({"mfa": True}, None),  # the record's own field is not CloudTrail's
    ],
)
def test_the_second_factor(record: dict[str, Any], given: bool | None) -> None:  # a case's expectation
    assert envelope(**record).get("mfa") is given


@pytest.mark.parametrize(
    ("record", "about"),
    [
        ({"eventName": "CreateUser", "requestParameters": {"userName": "eve"}}, ("eve", "user")),
        ({"eventName": "AttachRolePolicy", "requestParameters": {"roleName": "r", "policyArn": "a"}}, ("r", "role")),
        ({"eventName": "AddUserToGroup", "requestParameters": {"userName": "eve", "groupName": "g"}}, ("eve", "user")),
        ({"eventName": "CreatePolicy", "requestParameters": {"policyName": "p"}}, ("p", "policy")),
        ({"eventName": "AssumeRole", "eventSource": "sts.amazonaws.com", "requestParameters": {"roleArn": "arn:r"}},
         ("arn:r", "role")),
        ({"eventName": "CreateAccessKey", "requestParameters": None, "userIdentity": {"userName": "eve"}},
         ("eve", "user")),
        ({"eventName": "CreateAccessKey", "responseElements": {"accessKey": {"userName": "bob"}}}, ("bob", "user")),
        ({"eventName": "CreateAccessKey"}, None),
        ({"eventName": "CreateUser", "requestParameters": {"userName": ["eve"]}}, None),
        ({"eventName": "CreateDBUser", "eventSource": "rds.amazonaws.com", "requestParameters": {"userName": "x"}}, None),
    ],
)  # fmt: skip
def test_whom_a_call_is_about(record: dict[str, Any], about: tuple[str, str] | None) -> None:
    got = envelope(**{"eventSource": "iam.amazonaws.com", **record})
    assert (got["target"], got["target_kind"]) == about if about else "target" not in got


@pytest.mark.parametrize(
    ("name", "parameters", "grants"),
    [
        ("AttachUserPolicy", {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, True),
        ("AttachUserPolicy", {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}, False),
        ("DetachUserPolicy", {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, False),
        ("PutUserPolicy", {"policyDocument": json.dumps(EVERYTHING)}, True),
        ("PutUserPolicy", {"policyDocument": quote(json.dumps(EVERYTHING))}, True),
        ("PutUserPolicy", {"policyDocument": EVERYTHING}, True),
        ("PutUserPolicy", {"policyDocument": json.dumps(READING)}, False),
        ("PutUserPolicy", {"policyDocument": '{"Statement":[{"Effect":"Deny","Action":"*"}]}'}, False),
        ("PutUserPolicy", {"policyDocument": '{"Statement":[{"Effect":"Allow","Action":["x",5,"iam:*"]}]}'}, True),
        ("PutUserPolicy", {"policyDocument": "{"}, False),
        ("PutUserPolicy", {"policyDocument": '{"a":' * 5_000}, False),
        ("PutUserPolicy", {"policyDocument": [5]}, False),
        ("PutUserPolicy", {"policyDocument": '{"Statement":[5,null,"x"]}'}, False),
        ("AddUserToGroup", {"groupName": "Administrators"}, True),
        ("AddUserToGroup", {"groupName": "readers"}, False),
        ("CreateUser", {"policyArn": "x/AdministratorAccess"}, False),
    ],
)
def test_who_becomes_an_administrator(name: str, parameters: dict[str, Any], grants: bool) -> None:
    assert envelope(eventName=name, requestParameters=parameters).get("grants_admin", False) is grants


def test_a_hidden_name_is_nobodys() -> None:
    identity = {"type": "IAMUser", "accountId": "1", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}
    assert "actor" not in envelope(eventName="ConsoleLogin", userIdentity=identity, errorMessage="No username found")
