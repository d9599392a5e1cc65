"""Who may do what: roles that come and go at work, and those who help themselves."""

from __future__ import annotations

from random import Random

from streams.simulate.deeds import (
    HOUR,
    MINUTE,
    Ration,
    amid,
    at_night,
    bursts,
    call,
    crowd,
    deed,
    look_alike,
    one,
    single,
)
from streams.simulate.people import name, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "audit"
_ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
_ROLES = ("viewer", "analyst", "editor", "support", "billing", "administration-reader")


def _ordinary_grant(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.3:
        policy = {"userName": f"{name(who)}-new", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
        return call(who, "AttachUserPolicy", requestParameters=policy)
    return deed(who, "grant_role", kind="iam", role=rng.choice(_ROLES), target=f"{name(who)}-new")


class Administrators:
    """Joiners and movers get ordinary roles; some raise their own for an hour, which somebody approves."""

    source = SOURCE
    share = 1

    def __init__(self) -> None:
        self._refusals = Ration(2, HOUR)

    def background(self, rng: Random, at: int) -> Event:
        who, dice = crowd(rng, 4, 400), rng.random()
        if dice < 0.15 and not at_night(at):
            return _ordinary_grant(rng, who, 0)
        if dice < 0.2:
            return deed(who, "elevate", kind="iam", target=name(who), approved_by=f"{name(who)}-lead")
        if dice < 0.22 and self._refusals.allows(who, at):
            return deed(who, "grant_role", "denied", kind="iam", role="editor", target=f"{name(who)}-new")
        return deed(who, rng.choice(("list_roles", "view_user", "update_profile")), kind="iam")


def _admin_grant(rng: Random, who: int, n: int) -> Event:
    target = f"{name(who)}-friend"
    way = rng.randrange(4)
    if way == 0:
        parameters: dict[str, object] = {"userName": target, "policyArn": _ADMIN}
        return call(who, "AttachUserPolicy", requestParameters=parameters)
    if way == 1:
        document = '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
        return call(who, "PutUserPolicy", requestParameters={"userName": target, "policyDocument": document})
    if way == 2:
        return deed(who, "add_to_group", kind="iam", group="domain-admins", target=target)
    return deed(
        who, rng.choice(("grant_role", "assign_role")), kind="iam", role=rng.choice(("Admin", "owner")), target=target
    )


def _refused_admin(rng: Random, who: int, n: int) -> Event:
    return deed(
        who, "grant_role", rng.choice(("denied", "failure")), kind="iam", role="admin", target=f"{name(who)}-friend"
    )


def _self_grant(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.5:
        return call(who, "AttachUserPolicy", requestParameters={"userName": name(who), "policyArn": _ADMIN})
    return deed(
        who, "grant_role", kind="iam", role=rng.choice(_ROLES), **{rng.choice(("target", "grantee")): name(who)}
    )


def _refused_self(rng: Random, who: int, n: int) -> Event:
    return {**_self_grant(rng, who, n), "outcome": "denied"}


def _approved(rng: Random, who: int, n: int) -> Event:
    return deed(who, "elevate", kind="iam", target=name(who), approved_by=f"{name(who)}-lead")


def _attempt(rng: Random, who: int, n: int) -> Event:
    action = rng.choice(("AttachUserPolicy", "CreateAccessKey", "PutUserPolicy", "CreateUser"))
    return call(who, action, "denied", errorCode="AccessDenied")


def _granted(who: int, to: int, role: str = "admin") -> Event:
    return {**deed(who, "grant_role", kind="iam", role=role, target=name(to))}


def _uses_at_once(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One grants, the other acts, with reading in between."""
    boss = who + 8
    action = rng.choice(("export", "create_user", "disable_logging", "CreateAccessKey"))
    events = [(0, _granted(boss, who)), (rng.randrange(1, HOUR), deed(who, action, resource="x"))]
    others = [deed(who, "view", resource=f"page/{n}") for n in range(rng.randrange(5))]
    return one(who, events, amid(rng, events, others)[1])


def _uses_later(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An hour later to the millisecond, or before."""
    granted, used = rng.choice(((0, HOUR), (MINUTE, 0)))
    events = [(granted, _granted(who + 8, who)), (used, deed(who, "export", resource="x"))]
    return one(who, sorted(events, key=lambda pair: pair[0]), None)


def _new_colleague(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An ordinary role, a report; an administrator's role for another, who looks around."""
    other = who + 16
    events = [
        (0, _granted(who + 8, who, rng.choice(_ROLES))), (MINUTE, _granted(who + 8, other)),
        (9 * MINUTE, deed(who, "export", resource="report/sales")), (10 * MINUTE, deed(other, "read", resource="x")),
    ]  # fmt: skip
    return Attack(tenant(who), {"actor": name(who)}, events, None)


BACKGROUNDS = (Administrators,)
SCENARIOS: tuple[Scenario, ...] = (
    *single("privilege-grant", _admin_grant, _refused_admin, _ordinary_grant),
    *single("self-grant", _self_grant, _refused_self, _approved),
    *bursts("privilege-attempt", _attempt, 3, 30 * MINUTE, _ordinary_grant),
    look_alike("privilege-attempt", HOUR, lambda rng, who: [
        (n * MINUTE, deed(who, "read", "denied", resource=f"page/{n}")) for n in range(20)
    ]),
    Scenario("grant-then-use", "audit.grant-then-use", HOUR, _uses_at_once),
    Scenario("grant-use-later", "audit.grant-then-use", HOUR + 1, _uses_later, Nature.NEAR_MISS),
    Scenario("new-colleague", "audit.grant-then-use", HOUR, _new_colleague, Nature.LOOK_ALIKE),
)  # fmt: skip
