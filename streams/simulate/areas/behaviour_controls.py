"""Protections and policies: changes at work that close or open a little, and those that open to everybody."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.deeds import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Ration,
    call,
    crowd,
    deed,
    look_alike,
    one,
    refused,
    single,
)
from streams.simulate.people import foreign_address, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "audit"
_WORLD = ("0.0.0.0/0", "::/0")
_PURPOSES = ["treatment", "billing", "audit"]
_LEVELS = ("public", "internal", "confidential", "restricted", "top_secret")


def _ingress(who: int, cidr: str, low: int, high: int, outcome: str = "success") -> Event:
    ranges = (
        {"ipv6Ranges": {"items": [{"cidrIpv6": cidr}]}} if ":" in cidr else {"ipRanges": {"items": [{"cidrIp": cidr}]}}
    )
    rule = {"ipProtocol": "tcp", "fromPort": low, "toPort": high, **ranges}
    parameters = {"groupId": f"sg-{who}", "ipPermissions": {"items": [rule]}}
    return call(who, "AuthorizeSecurityGroupIngress", outcome, resource=f"sg-{who}", requestParameters=parameters)


def _opens(rng: Random, who: int, n: int) -> Event:
    low, high = rng.choice(((22, 22), (3389, 3389), (0, 65535), (5000, 6000), (8080, 8080)))
    return _ingress(who, rng.choice(_WORLD), low, high)


def _not_opened(rng: Random, who: int, n: int) -> Event:
    return rng.choice((_ingress(who, "0.0.0.0/0", 22, 22, "denied"), _ingress(who, "16.0.0.0/5", 22, 22)))


def _web(rng: Random, who: int, n: int) -> Event:
    port = rng.choice((80, 443))
    return rng.choice((_ingress(who, rng.choice(_WORLD), port, port), _ingress(who, f"10.{who % 256}.0.0/16", 22, 22)))


def _policy(who: int, effect: str, principal: Any, **more: Any) -> Event:
    statement = {"Effect": effect, "Principal": principal, "Action": "s3:GetObject", "Resource": "*", **more}
    parameters = {"bucketName": f"b-{who}", "bucketPolicy": {"Statement": [statement]}}
    return call(who, "PutBucketPolicy", resource=f"b-{who}", requestParameters=parameters)


def _publishes(rng: Random, who: int, n: int) -> Event:
    way = rng.randrange(4)
    if way == 0:
        return _policy(who, "Allow", rng.choice(("*", {"AWS": "*"}, {"AWS": ["*"]})))
    if way == 1:
        return call(who, "PutBucketAcl", resource=f"b-{who}", requestParameters={"x-amz-acl": ["public-read"]})
    if way == 2:
        share = {"createVolumePermission": {"add": {"items": [{"group": "all"}]}}}
        return call(who, "ModifySnapshotAttribute", resource=f"snap-{who}", requestParameters=share)
    block = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": False}}
    return call(who, "PutBucketPublicAccessBlock", resource=f"b-{who}", requestParameters=block)


def _narrowed(rng: Random, who: int, n: int) -> Event:
    network = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    return rng.choice((_policy(who, "Allow", "*", Condition=network), {**_publishes(rng, who, n), "outcome": "denied"}))


def _private(rng: Random, who: int, n: int) -> Event:
    account = {"AWS": f"arn:aws:iam::{who}:root"}
    return rng.choice((_policy(who, "Allow", account), _policy(who, "Deny", "*")))


def _shares(rng: Random, who: int, n: int) -> Event:
    public = {"visibility": "anyone_with_link"}
    return rng.choice((deed(who, "make_public", resource="doc/1"), deed(who, "share", resource="doc/1", **public)))


def _shares_inside(rng: Random, who: int, n: int) -> Event:
    return deed(who, "share", resource=f"doc/{n}", visibility="company", shared_with=f"team-{n}@example.com")


def _switches_off(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.4:
        return deed(who, rng.choice(("disable_mfa", "disable_firewall")), kind="config", resource="policy/1")
    action = rng.choice(("DeleteDetector", "StopConfigurationRecorder", "DisableSecurityHub", "DeleteWebACL"))
    return call(who, action, resource="control")


def _still_on(rng: Random, who: int, n: int) -> Event:
    return call(who, "UpdateDetector", requestParameters={"enable": True})


def _purpose(purpose: str | None, outcome: str = "success") -> Any:
    def make(rng: Random, who: int, n: int) -> Event:
        said = {} if purpose is None else {"purpose": purpose}
        return deed(who, "read", outcome, resource=f"p/{n}", allowed_purposes=_PURPOSES[:2], **said)

    return make


def _cleared(rng: Random, who: int, above: int, outcome: str = "success") -> Event:
    held = rng.randrange(len(_LEVELS) - max(above, 0))
    level = _LEVELS[max(held + above, 0)]
    return deed(who, "read", outcome, resource="file/1", data_classification=level, clearance=_LEVELS[held])


class Engineers:
    """Web servers are opened, buckets get policies for accounts, records are read for their purpose."""

    source = SOURCE
    share = 2

    def __init__(self) -> None:
        self._limits, self._reads = Ration(40, 10 * MINUTE), Ration(80, 10 * MINUTE)

    def background(self, rng: Random, at: int) -> Event:
        who, dice = crowd(rng, 5, 2_000), rng.random()
        if dice < 0.1:
            return rng.choice((_web, _private, _still_on, _shares_inside))(rng, who, 0)
        if dice < 0.2 and self._limits.allows(who, at):
            return deed(who, "search", "rate_limited", kind="api", status=429)
        if dice < 0.9 and self._reads.allows(who, at):
            if dice < 0.5:
                return _cleared(rng, who, -rng.randrange(3))
            return deed(
                who,
                "read",
                resource=f"p/{rng.randrange(50)}",
                purpose=rng.choice(_PURPOSES),
                allowed_purposes=_PURPOSES,
            )
        return deed(who, "verify_integrity", kind="integrity", resource=f"log/{rng.randrange(99)}")


def _throttled(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.5:
        return call(who, "GetItem", "failure", errorCode="ThrottlingException")
    return deed(who, "search", "rate_limited", kind="api", status=429)


def _hammers(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A key, or an address, that nobody signed in with."""
    caller = rng.choice(({"api_key": f"k-{who}"}, {}))
    address = foreign_address(who)
    count = 50 + rng.randrange(30)
    base = {"tenant": tenant(who), "source": "audit", "type": "api", "action": "login", "outcome": "throttled"}
    times = spread(rng, count, rng.choice((MINUTE, 9 * MINUTE)))
    events: list[tuple[int, Event]] = [(t, {**base, **caller, "source_ip": address}) for t in times]
    return one(who, events, 49, caller=caller.get("api_key", address))


def _hammers_less(rng: Random, who: int, begin: int, span: int) -> Attack:
    times = [*spread(rng, 49, 10 * MINUTE), 10 * MINUTE]
    return one(who, [(t, _throttled(rng, who, n)) for n, t in enumerate(times)], None)


def _backs_off(rng: Random, who: int) -> list[tuple[int, Event]]:
    return [(n * 13 * SECOND, _throttled(rng, who, n)) for n in range(80)]


def _report(who: int, outcome: str, kind: str = "compliance") -> Event:
    return deed(who, "generate_report", outcome, kind=kind, resource="gdpr-access")


def _report_fails(rng: Random, who: int, begin: int, span: int) -> Attack:
    times = spread(rng, 2 + rng.randrange(4), 20 * HOUR)
    key = {"actor": _report(who, "failure")["actor"], "resource": "gdpr-access"}
    return one(who, [(t, _report(who, "failure")) for t in times], 1, **key)


def _report_late(rng: Random, who: int, begin: int, span: int) -> Attack:
    return one(who, [(0, _report(who, "failure")), (DAY, _report(who, "failure"))], None)


def _reports(rng: Random, who: int) -> list[tuple[int, Event]]:
    """One failure that comes right, and trouble with reports that no regulation asks for."""
    events = [(0, _report(who, "failure")), (HOUR, _report(who, "success"))]
    return [*events, *(((2 + n) * HOUR, _report(who, "failure", "sales")) for n in range(3))]


BACKGROUNDS = (Engineers,)
SCENARIOS: tuple[Scenario, ...] = (
    *single("firewall-opened", _opens, _not_opened, _web),
    *single("public-exposure", _publishes, _narrowed, _private),
    *single("shared-publicly", _shares, refused(_shares), _shares_inside),
    *single(
        "security-control-disabled", _switches_off,
        refused(_switches_off, "failure"), _still_on,
    ),
    *single("policy-violation-purpose", _purpose("marketing"), _purpose("marketing", "denied"), _purpose(" Billing")),
    *single(
        "policy-violation-clearance", lambda rng, who, n: _cleared(rng, who, 1 + rng.randrange(2)),
        lambda rng, who, n: _cleared(rng, who, 1, "denied"), lambda rng, who, n: _cleared(rng, who, -rng.randrange(2)),
    ),
    *single(
        "policy-violation", lambda rng, who, n: deed(who, "share", kind="policy_violation", policy="p-7"),
        lambda rng, who, n: deed(who, "share", "denied", kind="policy_violation", policy="p-7"),
        lambda rng, who, n: deed(who, "share", compliant=True),
    ),
    *single(
        "integrity-violation", lambda rng, who, n: deed(who, "verify_integrity", "failure", resource="log/1"),
        lambda rng, who, n: deed(who, "verify_integrity", "denied", resource="log/1"),
        lambda rng, who, n: deed(who, "verify_integrity", resource=f"log/{n}"),
    ),
    Scenario("rate-limit-violations", "audit.rate-limit-violations", 10 * MINUTE, _hammers),
    Scenario("rate-limit-almost", "audit.rate-limit-violations", 11 * MINUTE, _hammers_less, Nature.NEAR_MISS),
    look_alike("rate-limit-violations", 18 * MINUTE, _backs_off),
    Scenario("compliance-report-failed", "audit.compliance-report-failed", DAY, _report_fails),
    Scenario("compliance-report-late", "audit.compliance-report-failed", DAY + 1, _report_late, Nature.NEAR_MISS),
    look_alike("compliance-report-failed", 5 * HOUR, _reports),
)  # fmt: skip
