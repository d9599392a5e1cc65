"""Calls to a cloud as the mapping ``cloudtrail`` gives them: machines, applications, people, stolen credentials."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.people import Pace, busy, foreign_address, name, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "audit"
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
_LOOKS = ("DescribeInstances", "DescribeVolumes", "DescribeSecurityGroups", "ListRoles", "GetBucketLocation",
          "DescribeAlarms", "ListFunctions", "GetUser", "DescribeDBInstances", "ListTables", "GetMetricData",
          "DescribeSubnets")  # fmt: skip
_SDK = "Boto3/1.34.2 md/Botocore#1.34.2 ua/2.0 os/linux#6.1 lang/python#3.12"
_CONSOLE = "console.amazonaws.com"


def call(who: int, actor: str, kind: str, action: str, ip: str, outcome: str = "success", **more: Any) -> Event:
    """One call in the account that member ``who`` belongs to."""
    return {
        "tenant": tenant(who), "source": "audit", "type": action, "action": action, "actor": actor, "source_ip": ip,
        "session_kind": kind, "outcome": outcome, "user_agent": _CONSOLE if kind == "user" else _SDK, **more,
    }  # fmt: skip


def person(who: int) -> str:
    """The cloud user of a member; another one than the name at the desk."""
    return f"iam-{name(who)}"


def machine(who: int, action: str, ip: str, outcome: str = "success", **more: Any) -> Event:
    """A call by the role of member ``who``'s machine."""
    role, instance = f"role-{name(who)}", f"i-{who:017x}"
    session = f"arn:aws:sts::111122223333:assumed-role/{role}/{instance}"
    return call(who, role, "instance", action, ip, outcome, session=session, instance=instance, **more)


def home(who: int) -> str:
    """The public address of a member's machine."""
    return f"203.{who >> 16 & 127}.{who >> 8 & 255}.{who & 255}"


class Cloud:
    """Machines that read and write their buckets, applications with their few secrets, people in the console.

    Also people who look at what they may not (one thing, now and then), new colleagues, backups that list buckets.
    """

    source = SOURCE
    share = 12

    def __init__(self) -> None:
        self._reads, self._denials, self._changes = Pace(10 * SECOND), Pace(6 * MINUTE), Pace(2 * HOUR)
        self._hired = 0

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        if dice < 0.35:
            action = rng.choice(("PutObject", "GetObject", "ListObjectsV2", "PutMetricData", "ReceiveMessage"))
            if action != "GetObject" or self._reads.allows(who, at):
                inside = rng.random() < 0.3
                ip = f"10.{who >> 16 & 255}.{who >> 8 & 255}.{who & 255}" if inside else home(who)
                return machine(who, action, ip, resource=f"bucket-{who}/part-{rng.randrange(10_000)}")
        if dice < 0.45:  # an application reads one of its own three secrets, and the key behind it
            action, resource = rng.choice(
                (("GetSecretValue", f"app-{who}/{rng.randrange(3)}"), ("Decrypt", f"key/{who % 40}"))
            )
            return call(who, f"app-{who}", "role", action, home(who), resource=resource, session=f"app-{who}/worker")
        if dice < 0.47 and self._denials.allows(who, at):
            return call(who, person(who), "user", "GetBucketPolicy", home(who), "denied", reason="AccessDenied")
        if dice < 0.52:
            factor = {"mfa": True} if rng.random() < 0.5 else {"session_kind": "role", "mfa": False}
            return {**call(who, person(who), "user", "ConsoleLogin", home(who)), **factor}
        if dice < 0.525 and self._changes.allows(who % 64, at):
            self._hired += 1
            action = rng.choice(("CreateUser", "AddUserToGroup", "CreateAccessKey"))
            target = {"target": f"new-{self._hired // 3}", "target_kind": "user"}
            return call(who, person(who), "user", action, home(who), **target)
        return call(who, person(who), "user", rng.choice(_LOOKS), home(who))


def _of(events: list[tuple[int, Event]], completes: int | None, *fields: str) -> Attack:
    """An attack whose key are these fields of its first event."""
    first = events[0][1]
    return Attack(first["tenant"], {field: first[field] for field in fields}, events, completes)


def _stolen(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A machine works; its credentials turn up elsewhere, and look around; at times both go on."""
    at = spread(rng, 12, span)
    events = [(t, machine(who, "PutObject", home(who))) for t in at[:6]]
    away = [(t, machine(who, rng.choice(_LOOKS), foreign_address(who))) for t in at[6:]]
    if rng.random() < 0.5:
        away.insert(2, (away[1][0], machine(who, "PutObject", home(who))))
    return _of([*events, *away], 6, "actor", "session")


def _same_network(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Another address of the network, and private ones, and services that call in its name."""
    ips = (home(who), home(who).rpartition(".")[0] + ".251", "10.9.8.7", "s3.amazonaws.com")
    events = [(t, machine(who, "GetObject", ips[n % 4])) for n, t in enumerate(spread(rng, 12, span))]
    return _of(events, None, "actor", "session")


def _several_machines(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A role that scales: every machine has its session and its network."""
    events = []
    for n, t in enumerate(spread(rng, 12, span)):
        event = machine(who, "GetObject", f"198.51.{n % 4}.7")
        events.append((t, {**event, "session": f"{event['session'][:-1]}{n % 4}"}))
    return _of(events, None, "actor", "session")


def _objects(rng: Random, who: int, begin: int, span: int, *, order: tuple[str, ...], wait: int = 0) -> Attack:
    """Calls in this order, some of them repeated, at times within one second."""
    at = [t + (wait if n == len(order) - 1 else 0) for n, t in enumerate(spread(rng, len(order), span))]
    if rng.random() < 0.3 and not wait:
        at = [0] * len(order)
    events = [
        (t, machine(who, action, home(who), resource=f"vault/{n}"))
        for n, (t, action) in enumerate(zip(at, order, strict=True))
    ]
    return _of(events, len(order) - 1, "actor", "session")


def _exfil(rng: Random, who: int, begin: int, span: int) -> Attack:
    lists = ["ListObjectsV2" if rng.random() < 0.5 else "ListObjects"] * rng.randrange(1, 4)
    return _objects(rng, who, begin, span, order=("ListBuckets", *lists, "GetObject"))


def _exfil_slow(rng: Random, who: int, begin: int, span: int) -> Attack:
    attack = _objects(rng, who, begin, span, order=("ListBuckets", "ListObjects", "GetObject"), wait=9 * MINUTE)
    return Attack(attack.tenant, attack.key, attack.events, None)


def _own_bucket(rng: Random, who: int, begin: int, span: int) -> Attack:
    order = tuple(rng.choice(("ListObjectsV2", "GetObject")) for _ in range(30))
    attack = _objects(rng, who, begin, span, order=order)
    return Attack(attack.tenant, attack.key, attack.events, None)


def _harvest(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Secret after secret, some of them refused; at times passwords of machines instead."""
    action = rng.choice(("GetSecretValue", "GetPasswordData"))
    events = [
        (t, call(who, f"leaked-{who}", "user", action, foreign_address(who), rng.choice(("success", "denied")),
                 resource=f"prod/{n}"))
        for n, t in enumerate(spread(rng, rng.randrange(10, 40), span))
    ]  # fmt: skip
    return _of(events, 9, "actor")


def _harvest_few(rng: Random, who: int, begin: int, span: int) -> Attack:
    attack = _harvest(rng, who, begin, span)
    return Attack(attack.tenant, attack.key, attack.events[:9], None)


def _own_secrets(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An application that starts many workers, each of which reads the same five secrets."""
    events = [
        (t, call(who, f"app-{who}", "role", "GetSecretValue", home(who), resource=f"app/{n % 5}"))
        for n, t in enumerate(spread(rng, 60, span))
    ]
    return _of(events, None, "actor")


def _looked_around(rng: Random, who: int, begin: int, span: int, count: int = 12) -> Attack:
    """A leaked key is tried out: most is refused."""
    looks = rng.sample(_LOOKS, count)
    events = [
        (t, call(who, f"leaked-{who}", "user", action, foreign_address(who), "denied", reason="AccessDenied"))
        for t, action in zip(spread(rng, count, span), looks, strict=True)
    ]
    return _of(events, 7, "actor")


def _looked_little(rng: Random, who: int, begin: int, span: int) -> Attack:
    attack = _looked_around(rng, who, begin, span, 7)
    return Attack(attack.tenant, attack.key, attack.events, None)


def _one_right_lacks(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [
        (t, call(who, f"app-{who}", "role", ("DescribeInstances", "ListTables")[n % 2], home(who), "denied"))
        for n, t in enumerate(spread(rng, 80, span))
    ]
    return _of(events, None, "actor")


BACKGROUNDS = (Cloud,)
MISS, LIKE = Nature.NEAR_MISS, Nature.LOOK_ALIKE
_STOLEN, _EXFIL = "audit.stolen-instance-credentials", "audit.instance-credential-recon-exfil"
_HARVEST, _RECON = "audit.credential-harvesting", "audit.reconnaissance"
SCENARIOS = (
    Scenario("stolen-instance-credentials", _STOLEN, 50 * MINUTE, _stolen),
    Scenario("stolen-instance-credentials-same-network", _STOLEN, 50 * MINUTE, _same_network, MISS),
    Scenario("stolen-instance-credentials-scaled", _STOLEN, 50 * MINUTE, _several_machines, LIKE),
    Scenario("instance-credential-recon-exfil", _EXFIL, 4 * MINUTE, _exfil),
    Scenario("instance-credential-recon-exfil-slow", _EXFIL, 2 * MINUTE, _exfil_slow, MISS),
    Scenario("instance-credential-recon-exfil-own-bucket", _EXFIL, 4 * MINUTE, _own_bucket, LIKE),
    Scenario("credential-harvesting", _HARVEST, 4 * MINUTE, _harvest),
    Scenario("credential-harvesting-miss", _HARVEST, 4 * MINUTE, _harvest_few, MISS),
    Scenario("credential-harvesting-own-secrets", _HARVEST, 4 * MINUTE, _own_secrets, LIKE),
    Scenario("reconnaissance", _RECON, 4 * MINUTE, _looked_around),
    Scenario("reconnaissance-miss", _RECON, 4 * MINUTE, _looked_little, MISS),
    Scenario("reconnaissance-one-right", _RECON, 4 * MINUTE, _one_right_lacks, LIKE),
)
