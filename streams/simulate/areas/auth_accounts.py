"""Accounts of a cloud: back doors, the root user, passwords alone; and failed logins that are no attack."""

from __future__ import annotations

from random import Random

from streams.simulate.areas.auth_cloud import HOUR, LIKE, MINUTE, MISS, call, home
from streams.simulate.areas.auth_logins import login, staff
from streams.simulate.people import address, foreign_address, name, tenant
from streams.simulate.scene import Attack, Event, Scenario, spread

SOURCE = "audit"


def _step(who: int, actor: str, action: str, *, admin: bool = False) -> Event:
    made = call(who, actor, "user", action, foreign_address(who), target=f"svc-{who}", target_kind="user")
    return {**made, "grants_admin": True} if admin else made


def _back_door(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Created, made administrator, given a key; the last two in either order, the key by either user."""
    grant, key = rng.choice(("AttachUserPolicy", "PutUserPolicy", "AddUserToGroup")), "CreateAccessKey"
    steps = [
        _step(who, f"leaked-{who}", "CreateUser"),
        _step(who, f"leaked-{who}", grant, admin=True),
        _step(who, rng.choice((f"leaked-{who}", f"svc-{who}")), key),
    ]
    if rng.random() < 0.3:
        steps[1], steps[2] = steps[2], steps[1]
    at = spread(rng, 3, span) if rng.random() < 0.7 else [0, 0, 0]
    return Attack(tenant(who), {"target": f"svc-{who}"}, list(zip(at, steps, strict=True)), completes=2)


def _back_door_slow(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [
        (0, _step(who, name(who), "CreateUser")),
        (MINUTE, _step(who, name(who), "AttachUserPolicy", admin=True)),
        (HOUR + rng.randrange(HOUR), _step(who, name(who), "CreateAccessKey")),
    ]
    return Attack(tenant(who), {"target": f"svc-{who}"}, events, completes=None)


def _colleague(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A new colleague with an ordinary policy and a key."""
    steps = [_step(who, name(who), action) for action in ("CreateUser", "AttachUserPolicy", "CreateAccessKey")]
    events = list(zip(spread(rng, 3, span), steps, strict=True))
    return Attack(tenant(who), {"target": f"svc-{who}"}, events, completes=None)


def _root(rng: Random, who: int, begin: int, span: int) -> Attack:
    actor = f"arn:aws:iam::{who}:root"
    actions = ["ConsoleLogin", "ListUsers", "CreateAccessKey", "PutBucketPolicy"][: rng.randrange(1, 5)]
    events = [
        (t, call(who, actor, "root", action, foreign_address(who)))
        for t, action in zip(spread(rng, len(actions), span), actions, strict=True)
    ]
    return Attack(tenant(who), {"actor": actor}, events, completes=0)


def _root_by_service(rng: Random, who: int, begin: int, span: int) -> Attack:
    """What services do in the name of the account."""
    actor = f"arn:aws:iam::{who}:root"
    events = [
        (t, call(who, actor, "root", "Decrypt", "s3.amazonaws.com", eventType="AwsServiceEvent"))
        for t in spread(rng, 6, span)
    ]
    return Attack(tenant(who), {"actor": actor}, events, completes=None)


def _root_of_a_host(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, {**login(who, "success", address(who)), "actor": "root"}) for t in spread(rng, 4, span)]
    return Attack(tenant(who), {"actor": "root"}, events, completes=None)


def _console(who: int, kind: str, *, mfa: bool, outcome: str = "success") -> Event:
    return call(who, name(who), kind, "ConsoleLogin", home(who), outcome, mfa=mfa)


def _password_alone(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, _console(who, "user", mfa=False)) for t in spread(rng, rng.randrange(1, 4), span)]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=0)


def _password_refused(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, _console(who, "user", mfa=False, outcome="failure")) for t in spread(rng, 3, span)]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=None)


def _by_identity_provider(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, _console(who, "role", mfa=False)) for t in spread(rng, 3, span)]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=None)


def _four_failures(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, login(who, "failure", address(who))) for t in spread(rng, 4, span)]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _old_password(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A telephone that tries its old password every three minutes."""
    events = [(n * 3 * MINUTE, login(who, "failure", address(who))) for n in range(20)]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _nineteen(rng: Random, who: int, begin: int, span: int) -> Attack:
    ip = foreign_address(who)
    at = spread(rng, 19, span)
    events = [(t, login(who * 4096 + 8 * n, "failure", ip, tenant=tenant(who))) for n, t in enumerate(at)]
    return Attack(tenant(who), {"source_ip": ip}, events, completes=None)


def _busy_office(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Three hundred people log in from one address within an hour, every twelfth after a mistake."""
    ip, events = foreign_address(who), []
    for n, t in enumerate(spread(rng, 300, span)):
        outcome = "failure" if n % 12 == 5 else "success"
        events.append((t, login(who * 4096 + 8 * n, outcome, ip, tenant=tenant(who))))
    return Attack(tenant(who), {"source_ip": ip}, events, completes=None)


def _forged(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An address that no host can have stands in the record, because a header was believed."""
    ip = f"{rng.randrange(224, 256)}.{who >> 8 & 255}.{who & 255}.{rng.randrange(256)}"
    events = [(t, login(who, rng.choice(("success", "failure")), ip)) for t in spread(rng, rng.randrange(1, 5), span)]
    return Attack(tenant(who), {"actor": staff(who), "source_ip": ip}, events, completes=0)


def _last_of_the_usable(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, login(who, "success", f"223.255.255.{who % 256}")) for t in spread(rng, 3, span)]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _by_a_service(rng: Random, who: int, begin: int, span: int) -> Attack:
    """No address at all, but the name of a service, or text that begins like one."""
    events = [(n * span // 3, login(who, "success", ip)) for n, ip in enumerate(("AWS Internal", "240", "2240.1.1.1"))]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


BACKGROUNDS = ()
SCENARIOS = (
    Scenario("new-user-admin-key", "audit.new-user-admin-key", 20 * MINUTE, _back_door),
    Scenario("new-user-admin-key-slow", "audit.new-user-admin-key", 2 * HOUR, _back_door_slow, MISS),
    Scenario("new-user-admin-key-colleague", "audit.new-user-admin-key", 20 * MINUTE, _colleague, LIKE),
    Scenario("suspicious-ip", "audit.suspicious-ip", 30 * MINUTE, _forged),
    Scenario("suspicious-ip-last-usable", "audit.suspicious-ip", 30 * MINUTE, _last_of_the_usable, MISS),
    Scenario("suspicious-ip-service", "audit.suspicious-ip", 30 * MINUTE, _by_a_service, LIKE),
    Scenario("root-usage", "audit.root-usage", 30 * MINUTE, _root),
    Scenario("root-usage-by-service", "audit.root-usage", 30 * MINUTE, _root_by_service, MISS),
    Scenario("root-usage-of-a-host", "audit.root-usage", 30 * MINUTE, _root_of_a_host, LIKE),
    Scenario("console-login-without-mfa", "audit.console-login-without-mfa", 30 * MINUTE, _password_alone),
    Scenario("console-login-refused", "audit.console-login-without-mfa", 30 * MINUTE, _password_refused, MISS),
    Scenario("console-login-by-provider", "audit.console-login-without-mfa", 30 * MINUTE, _by_identity_provider, LIKE),
    Scenario("failed-login-burst-miss", "audit.failed-login-burst", 2 * MINUTE, _four_failures, MISS),
    Scenario("failed-login-burst-old-password", "audit.failed-login-burst", HOUR, _old_password, LIKE),
    Scenario("failed-logins-by-ip-miss", "audit.failed-logins-by-ip", 2 * MINUTE, _nineteen, MISS),
    Scenario("failed-logins-by-ip-office", "audit.failed-logins-by-ip", HOUR, _busy_office, LIKE),
)
