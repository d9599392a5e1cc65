"""What came out of ALERT, as far as it matters who heard of what: notifications, and how alerts fared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from streams.alerts.policy import Policy
from streams.model import Output, Reason, Severity
from streams.simulate.night.lines import WAKING
from streams.simulate.night.play import loud


class Member(msgspec.Struct, frozen=True):
    """One alert of which a message speaks, and why."""

    id: str
    reason: str


class _Group(msgspec.Struct, frozen=True):
    alerts: tuple[Member, ...]
    total: int


class _Head(msgspec.Struct, frozen=True):
    rule: str
    severity: Severity
    title: str


class _Said(msgspec.Struct, frozen=True):
    id: str
    alert_id: str
    tenant: str
    receiver: str
    reason: Reason
    at: int
    alert: _Head
    route: str = ""
    why: str = ""
    to: tuple[str, ...] = ()
    group: _Group | None = None


class _Hiding(msgspec.Struct, frozen=True):
    stage: str
    by: str


class _Version(msgspec.Struct, frozen=True):
    id: str
    tenant: str
    rule: str
    severity: Severity
    title: str
    status: str
    created_at: int
    disposition: str = ""
    suppressed: tuple[_Hiding, ...] = ()


class _Done(msgspec.Struct, frozen=True):
    command_id: str
    outcome: str


_said = msgspec.json.Decoder(_Said)
_version = msgspec.json.Decoder(_Version)
_done = msgspec.json.Decoder(_Done)


@dataclass(frozen=True, slots=True)
class Told:
    """One message. ``about``: the alerts it speaks of; ``loud``: it rings; ``zone``: where whoever it rings for lives,
    as the rotation says; empty where there is none.
    """

    id: str
    at: int
    receiver: str
    reason: str
    alert: str
    tenant: str
    rule: str
    severity: str
    title: str
    to: tuple[str, ...]
    route: str
    why: str
    about: tuple[Member, ...]
    loud: bool
    zone: str

    @property
    def people(self) -> tuple[str, ...]:
        """Who is told: those on call, or else whoever stands behind the receiver."""
        return self.to or (self.receiver,)


@dataclass(slots=True)
class Fared:
    """One alert, as it stood last. ``hidden_by``: (stage, by) of all that ever kept somebody from hearing of it."""

    id: str
    tenant: str
    rule: str
    severity: str
    title: str
    created_at: int
    status: str = ""
    disposition: str = ""
    hidden_by: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Heard:
    """What a policy made of the input. ``told`` has what was told from ``begin`` on, in order of partition and time."""

    begin: int = 0
    told: list[Told] = field(default_factory=list)
    alerts: dict[str, Fared] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)  #: commands that were done
    records: int = 0  #: of these: findings, commands and what was refused
    commands: int = 0
    refused: int = 0
    dead: int = 0
    reached: set[tuple[str, str]] = field(default_factory=set)  #: (alert, receiver), whenever it was
    crowds: set[str] = field(default_factory=set)  #: receivers that were told of more alerts than a message lists
    waiting: set[str] = field(default_factory=set)  #: alerts of which somebody was yet to be told when time ended
    _policy: Policy | None = None
    _loud: frozenset[str] = frozenset()  #: under ``_policy``

    @property
    def findings(self) -> int:
        return self.records - self.commands - self.dead

    def take(self, outputs: Sequence[Output], policy: Policy, now: int, records: int = 0) -> None:
        """What came out of one step of ``records`` records at ``now`` under ``policy``."""
        counts = now >= self.begin
        self.records += records * counts
        for output in outputs:
            match output.topic:
                case "notifications":
                    self._tell(_said.decode(output.value), policy)
                case "alerts":
                    self._alert(_version.decode(output.value))
                case "operations":
                    done = _done.decode(output.value)
                    self.commands += counts
                    if done.outcome == "applied":
                        self.applied.add(done.command_id)
                    else:
                        self.refused += counts
                case "dead-letter":
                    self.dead += counts

    def was_told(self, alert: str, receiver: str) -> bool:
        """Whether a message about the alert went to the receiver, as far as messages say."""
        return (alert, receiver) in self.reached or receiver in self.crowds

    def opened(self) -> list[Fared]:
        """The alerts opened from ``begin`` on, in order of time."""
        found = [one for one in self.alerts.values() if one.created_at >= self.begin]
        return sorted(found, key=lambda one: (one.created_at, one.id))

    def _tell(self, said: _Said, policy: Policy) -> None:
        group = said.group
        about = group.alerts if group is not None else (Member(said.alert_id, said.reason.value),)
        self.reached.update((one.id, said.receiver) for one in about)
        if group is not None and group.total > len(group.alerts):
            self.crowds.add(said.receiver)
        if said.at < self.begin:
            return
        if policy is not self._policy:
            self._policy, self._loud = policy, loud(policy)
        receiver = policy.by_name.get(said.receiver)
        schedule = policy.oncall.get(receiver.oncall) if receiver is not None else None
        self.told.append(
            Told(
                said.id, said.at, said.receiver, said.reason.value, said.alert_id, said.tenant, said.alert.rule,
                said.alert.severity.value, said.alert.title, said.to, said.route, said.why, about,
                loud=said.receiver in self._loud and said.reason in WAKING,
                zone=schedule.timezone if schedule is not None else "",
            )
        )  # fmt: skip

    def _alert(self, one: _Version) -> None:
        known = self.alerts.get(one.id)
        if known is None:
            known = self.alerts[one.id] = Fared(one.id, one.tenant, one.rule, "", "", one.created_at)
        known.severity, known.title = one.severity.value, one.title
        known.status, known.disposition = one.status, one.disposition
        known.hidden_by.update((hiding.stage, hiding.by) for hiding in one.suppressed)
