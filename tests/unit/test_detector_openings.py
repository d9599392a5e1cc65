"""What opens to everybody, and what an access may not be: shapes of requests, and hostile ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.declared_use import AboveClearance, OutsidePurpose
from streams.detect.detectors.made_public import MadePublic
from streams.detect.detectors.opened_to_world import OpenedToWorld

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["*", "all", "0.0.0.0/0", "Allow"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["Statement", "Principal", "AWS", "Effect", "items", "ipPermissions", "cidrIp", "fromPort", "group"]),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


def step(detector: Any, **fields: Any) -> list[Any]:
    return list(detector.step(None, Event(0, "", fields))[1])


def way(parameters: Any) -> str:
    found = step(MadePublic({}), requestParameters=parameters)
    return str(found[0].detail["way"]) if found else ""


def policy(**statement: Any) -> dict[str, Any]:
    return {"bucketPolicy": {"Statement": [{"Effect": "Allow", "Principal": "*", **statement}]}}


URI = "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (policy(), "policy"),
        (policy(Principal={"AWS": "*"}), "policy"),
        (policy(Principal={"AWS": ["arn:aws:iam::1:root", "*"]}), "policy"),
        ({"policy": json.dumps(policy()["bucketPolicy"])}, "policy"),  # as text
        ({"policy": "[" * 90_000}, ""),
        (policy(Condition={}), "policy"),
        (policy(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), ""),
        (policy(Effect="Deny"), ""),
        (policy(Principal={"AWS": "arn:aws:iam::1:root"}), ""),
        (policy(Principal={"Service": "*.amazonaws.com"}), ""),
        ({"x-amz-acl": "public-read"}, "acl"),
        ({"x-amz-acl": ["private"]}, ""),
        ({"AccessControlPolicy": {"AccessControlList": {"Grant": [{"Grantee": {"URI": URI}}]}}}, "acl"),
        ({"createVolumePermission": {"add": {"items": [{"group": "all"}]}}}, "shared with all"),
        ({"createVolumePermission": {"remove": {"items": [{"group": "all"}]}}}, ""),
        ({"createVolumePermission": {"add": {"items": [{"userId": "123456789012"}]}}}, ""),
        ({"attributeName": "restore", "valuesToAdd": ["all"]}, "shared with all"),
        ({"launchPermission": {"add": {"items": [{"group": "all"}]}}}, "shared with all"),
        ({"PublicAccessBlockConfiguration": {"RestrictPublicBuckets": False}}, "guard lowered"),
        ({"PublicAccessBlockConfiguration": {"RestrictPublicBuckets": True}}, ""),
        ({"principal": "*", "functionName": "f"}, "policy"),
        ({"principal": "*", "functionName": "f", "sourceArn": "arn:aws:s3:::b"}, ""),
        ({"authType": "NONE"}, "callable by anybody"),
        (None, ""), ([], ""), ("x", ""), (5, ""), ({"Principal": "*"}, "policy"),
    ],
)  # fmt: skip
def test_what_lets_everybody_in(parameters: Any, expected: str) -> None:
    assert way(parameters) == expected


def ports(**fields: Any) -> tuple[Any, str]:
    found = step(OpenedToWorld({}), **fields)
    return (found[0].value, found[0].severity) if found else (0, "")


def group(cidr: Any, low: Any = None, high: Any = None, protocol: Any = "tcp") -> dict[str, Any]:
    rule = {"ipProtocol": protocol, "fromPort": low, "toPort": high, "ipRanges": {"items": [{"cidrIp": cidr}]}}
    return {"requestParameters": {"ipPermissions": {"items": [rule]}}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (group("0.0.0.0/0", 22, 22), (1, "high")),
        (group("0.0.0.0/0", 8080, 8080), (1, "medium")),
        (group("0.0.0.0/0", 443, 443), (0, "")),
        (group("0.0.0.0/0", 80, 443), (362, "high")),
        (group("0.0.0.0/0", 0, 65535), (65534, "critical")),
        (group("0.0.0.0/0", None, None, "-1"), (65534, "critical")),
        (group("0.0.0.0/0", -1, -1, "icmp"), (0, "")),
        (group("10.0.0.0/8", 22, 22), (0, "")),
        (group("128.0.0.0/1", 22, 22), (1, "high")),
        (group("16.0.0.0/5", 22, 22), (0, "")),
        (group("0.0.0.0/0", "22", "22"), (1, "high")),
        (group("0.0.0.0/0", 22, 21), (0, "")),
        (group("0.0.0.0/0", 10**30, 10**31), (0, "")),
        (group("0.0.0.0/0", "x", {}), (0, "")),
        ({"requestParameters": {"cidrIp": "0.0.0.0/0", "fromPort": 3389, "toPort": 3389}}, (1, "high")),
        ({"requestParameters": {"ipPermissions": {"items": [{"fromPort": 22, "ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]}}]}}}, (1, "high")),
        ({"requestParameters": {"ModifySecurityGroupRulesRequest": {"SecurityGroupRule": {"SecurityGroupRule": {
            "CidrIpv4": "0.0.0.0/0", "FromPort": 5432, "ToPort": 5432, "IpProtocol": "tcp"}}}}}, (1, "high")),
        ({"source_cidr": "0.0.0.0/0", "port": 22}, (1, "high")),
        ({"cidr": "::/0", "from_port": 8100, "to_port": 8199}, (100, "medium")),
        ({"cidr": ["0.0.0.0/0"], "port": 22}, (0, "")),
        ({"requestParameters": [1, 2]}, (0, "")),
    ],
)  # fmt: skip
def test_what_lets_the_internet_in(fields: dict[str, Any], expected: tuple[int, str]) -> None:
    assert ports(**fields) == expected


@given(JSON)
def test_no_request_is_too_odd_to_be_looked_at(parameters: Any) -> None:
    for detector in (MadePublic({}), OpenedToWorld({})):
        assert len(step(detector, requestParameters=parameters)) <= 1


@pytest.mark.parametrize(
    ("purpose", "allowed", "fires"),
    [
        ("billing", ["billing"], False), (" BILLING", ["Billing "], False), ("billing", "care, billing", False),
        ("ads", ["billing"], True), (None, ["billing"], True), (7, ["7"], True), ("billing", [], True),
        ("billing", [["billing"], None, 5], True), ("billing", {}, False), ("billing", None, False), ("billing", 5, False),
    ],
)  # fmt: skip
def test_purposes(purpose: Any, allowed: Any, fires: bool) -> None:
    assert bool(step(OutsidePurpose({}), purpose=purpose, allowed_purposes=allowed)) is fires


@pytest.mark.parametrize(
    ("data", "actor", "above"),
    [
        ("secret", "internal", 2), ("internal", "secret", 0), ("Top-Secret", "public", 4), ("phi", "restricted", 0),
        (4, 3, 1), ("4", 3.5, 1), (10**50, 1, 100), (3, 3, 0), ("mauve", "public", 0), ("secret", 1, 0), (True, 0, 0),
        ([], {}, 0), (None, "public", 0),
    ],
)  # fmt: skip
def test_clearances(data: Any, actor: Any, above: int) -> None:
    found = step(AboveClearance({}), data_classification=data, clearance=actor)
    assert (found[0].value if found else 0) == above
