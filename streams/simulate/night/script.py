"""What happens in a night, and how people will react: the same seed makes the same night."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from streams.model import Evidence, Finding, FindingKind, Severity, content_hash

MINUTE, HOUR = 60_000, 3_600_000
_DAY: Final = 24 * HOUR
TENANT: Final = "acme"
#: (rule, severity, type, title) of ordinary trouble.
_TROUBLE: Final = (
    ("ops.disk-filling", Severity.MEDIUM, "system", "disk of {host} is full in 4 h"),
    ("ops.certificate", Severity.LOW, "system", "certificate of {host} ends in a week"),
    ("ops.error-rate", Severity.HIGH, "performance", "5 % of requests to {host} fail"),
    ("audit.new-country", Severity.MEDIUM, "security", "{host} was logged in to from a new country"),
    ("audit.off-hours", Severity.LOW, "security", "work on {host} at an unusual hour"),
    ("trade.stale-quote", Severity.INFO, "performance", "quotes of {host} are 30 s old"),
    ("ops.replica-lag", Severity.CRITICAL, "system", "replica of {host} is 10 minutes behind"),
)
_WEIGHTS: Final = (5, 4, 2, 3, 4, 3, 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What people do about an alert once they hear of it. Times in ms."""

    after: int | None = 6 * MINUTE  #: from being told aloud to taking it in hand; None: nobody does before the morning
    level: int = 0  #: of the escalation that it takes until somebody wakes up
    close: int | None = 25 * MINUTE  #: from taking it in hand to closing it; None: the condition ends by itself
    as_: str = "true_positive"
    note: str = ""
    unreachable: bool = False  #: the first message that should wake somebody cannot be delivered


@dataclass(frozen=True, slots=True)
class Happening:
    """A finding, at its time."""

    at: int
    finding: Finding


@dataclass(slots=True)
class Script:
    """The night: findings in order of time, control records by when they come, and people's plans by alert id."""

    happenings: list[Happening] = field(default_factory=list)
    records: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    plans: dict[str, Plan] = field(default_factory=dict)
    remarks: list[tuple[int, str]] = field(default_factory=list)  #: what the reader should know, at its time
    _n: int = 0

    def fire(self, at: int, rule: str, severity: Severity, title: str, key: dict[str, Any], **more: Any) -> str:
        """A rule fires; returns the id of the alert that it opens, if it opens one."""
        return self._add(FindingKind.FIRE, at, rule, severity, title, key, **more)

    def clear(self, at: int, rule: str, key: dict[str, Any]) -> None:
        """Its condition ends."""
        self._add(FindingKind.CLEAR, at, rule, Severity.INFO, "", key)

    def _add(
        self, kind: FindingKind, at: int, rule: str, severity: Severity, title: str, key: dict[str, Any],
        plan: Plan | None = None, **more: Any,
    ) -> str:  # fmt: skip
        self._n += 1
        place = f"night/0/{self._n}"
        alert = content_hash("night", rule, key, place)
        finding = Finding(
            id=content_hash("finding", kind.value, place), kind=kind, rule=rule, rule_version="night", ruleset="night",
            tenant=TENANT, key=key, alert_id=alert, source=rule.partition(".")[0], event_time=at, position=place,
            severity=severity, severity_word=severity.value, title=title,
            evidence=(Evidence(position=place, event_id=f"night-{self._n}", event_time=at, event={**key}),),
            **{"type": "system", "cooldown": HOUR, **more},
        )  # fmt: skip
        self.happenings.append(Happening(at, finding))
        if plan is not None:
            self.plans[alert] = plan
        return alert


def written(seed: int, begin: int, length: int) -> Script:
    """A night that begins at ``begin``; what would happen after its end does not."""
    rnd, script = Random(seed), Script()
    for scene in SCENES:
        scene(script, Random(rnd.randrange(1 << 30)), begin, length)
    script.happenings = sorted((one for one in script.happenings if one.at < begin + length), key=lambda one: one.at)
    script.remarks.sort()
    script.records.sort(key=lambda one: one[0])
    return script


def _ordinary(script: Script, rnd: Random, begin: int, length: int) -> None:
    """Trouble of all severities, two an hour; half of it ends by itself."""
    at = begin
    while (at := at + int(rnd.expovariate(1 / (30 * MINUTE)))) < begin + length:
        rule, severity, type_, title = rnd.choices(_TROUBLE, _WEIGHTS)[0]
        key = {"host": f"host-{rnd.randrange(40):02}"}
        plan = Plan(
            after=rnd.choice((2, 4, 7, 12, 25, None)) and rnd.randrange(2, 20) * MINUTE,
            close=rnd.randrange(10, 50) * MINUTE,
            as_=rnd.choice(("true_positive", "true_positive", "false_positive", "benign")),
        )
        metadata = {"service": f"service-{rnd.randrange(30)}"}
        script.fire(at, rule, severity, title.format(**key), key, type=type_, plan=plan, metadata=metadata)
        if rnd.random() < 0.5:
            script.clear(at + rnd.randrange(5, 60) * MINUTE, rule, key)


def _silence(script: Script, rnd: Random, begin: int, length: int) -> None:
    """Somebody silences what is known; it comes three times."""
    at = begin + HOUR + rnd.randrange(10) * MINUTE
    document = {
        "matchers": ['rule="ops.batch-late"'], "starts_at": at, "ends_at": at + 5 * HOUR, "author": "grace",
        "comment": "month's end: the batch is late, everybody knows",
    }  # fmt: skip
    script.records.append((at, "silence/known-batch", document))
    script.remarks.append((at, "grace silences ops.batch-late for 5h: month's end, everybody knows"))
    for n in range(3):
        host, when = {"job": f"batch-{n}"}, at + (40 + 70 * n + rnd.randrange(20)) * MINUTE
        script.fire(when, "ops.batch-late", Severity.HIGH, f"batch-{n} is late", host, plan=Plan(after=None))
        script.clear(when + 30 * MINUTE, "ops.batch-late", host)


def _maintenance(script: Script, rnd: Random, begin: int, length: int) -> None:
    """From 02:00 on the databases are worked on. One alert of it still stands when the window ends."""
    opens = begin - begin % _DAY + 2 * HOUR
    opens += _DAY if opens < begin else 0
    document = {
        "matchers": ['metadata.service="database"'], "starts_at": opens, "duration": "1h", "author": "barbara",
        "comment": "upgrade of the databases", "rrule": "FREQ=WEEKLY",
    }  # fmt: skip
    script.records.append((begin, "maintenance/database-upgrade", document))
    if opens < begin + length:
        script.remarks.append((opens, "maintenance of the databases begins (1h, every week)"))
    for n, stays in ((0, False), (1, False), (2, True)):
        key, when = {"host": f"db-{n}"}, opens + (4 + 11 * n + rnd.randrange(6)) * MINUTE
        script.fire(when, "ops.database-down", Severity.CRITICAL, f"db-{n} does not answer", key,
                    metadata={"service": "database"}, plan=Plan(after=4 * MINUTE, close=15 * MINUTE))  # fmt: skip
        if not stays:
            script.clear(when + 9 * MINUTE, "ops.database-down", key)


def _acknowledged(script: Script, rnd: Random, begin: int, length: int) -> None:
    """One that is taken in hand comes again and again: that pages nobody."""
    at, key = begin + 2 * HOUR + rnd.randrange(20) * MINUTE, {"actor": "mallory"}
    plan = Plan(after=3 * MINUTE, close=3 * HOUR, note="locked the account; tries will go on")
    for n in range(6):
        script.fire(at + 14 * n * MINUTE, "audit.failed-logins", Severity.CRITICAL, "40 failed logins of mallory", key,
                    type="security", cooldown=4 * HOUR, plan=plan if n == 0 else None)  # fmt: skip


def _asleep(script: Script, rnd: Random, begin: int, length: int) -> None:
    """Nobody hears it until the third level."""
    at, key = begin + length * 5 // 8 + rnd.randrange(15) * MINUTE, {"host": "ledger-1"}
    plan = Plan(after=4 * MINUTE, level=3, close=30 * MINUTE, note="restarted the ledger")
    script.fire(
        at, "ops.ledger-stopped", Severity.CRITICAL, "the ledger has stopped", key, cooldown=4 * HOUR, plan=plan
    )


def _flapping(script: Script, rnd: Random, begin: int, length: int) -> None:
    """One that comes and goes within its cooldown is one alert."""
    at, key = begin + length * 3 // 4 + rnd.randrange(15) * MINUTE, {"host": "edge-3"}
    for n in range(5):
        script.fire(at + 12 * n * MINUTE, "ops.latency", Severity.MEDIUM, "edge-3 answers in 2 s", key,
                    type="performance", cooldown=2 * HOUR, plan=Plan(after=None) if n == 0 else None)  # fmt: skip
        script.clear(at + (12 * n + 6) * MINUTE, "ops.latency", key)


def _incident(script: Script, rnd: Random, begin: int, length: int) -> None:
    """Three rules say something of one service within minutes."""
    at, service = begin + length * 3 // 8 + rnd.randrange(10) * MINUTE, {"service": "payments-eu"}
    plan = Plan(after=5 * MINUTE, close=35 * MINUTE, note="rolled back the release")
    for n, (rule, severity, title) in enumerate((
        ("ops.error-rate", Severity.HIGH, "8 % of payments fail"),
        ("ops.queue-grows", Severity.HIGH, "the queue of payments grows"),
        ("trade.settlement-late", Severity.CRITICAL, "settlements are 5 minutes late"),
    )):  # fmt: skip
        key = {"service": "payments-eu", "part": n}
        script.fire(at + 3 * n * MINUTE, rule, severity, title, key, metadata=service, plan=plan)


def _storm(script: Script, rnd: Random, begin: int, length: int) -> None:
    """A switch fails, and forty hosts with it."""
    at = begin + length * 7 // 16 + rnd.randrange(10) * MINUTE
    script.remarks.append((at, "a switch fails: 40 hosts are unreachable within two minutes"))
    for n in range(40):
        key = {"host": f"rack7-{n:02}"}
        plan = Plan(after=6 * MINUTE, close=None, note="it is the switch")
        when = at + n * 3_000
        script.fire(when, "ops.unreachable", Severity.HIGH, f"rack7-{n:02} is unreachable", key, plan=plan)
        script.clear(when + 45 * MINUTE, "ops.unreachable", key)


def _unreachable(script: Script, rnd: Random, begin: int, length: int) -> None:
    """The provider of the pager is down."""
    at, key = begin + length * 7 // 8 + rnd.randrange(10) * MINUTE, {"host": "vault-1"}
    plan = Plan(after=8 * MINUTE, close=20 * MINUTE, note="unsealed the vault", unreachable=True)
    script.fire(at, "ops.vault-sealed", Severity.CRITICAL, "the vault is sealed", key, plan=plan)


SCENES: Final = (
    _ordinary, _silence, _maintenance, _acknowledged, _incident, _storm, _asleep, _flapping, _unreachable,
)  # fmt: skip
