"""Who is told what: what suppresses an alert, which ways it takes, what goes at once and what waits in the tray.

Order: suppress (``streams.state.alerts.suppressing``) → route → escalate. That a thing is over is told to all who were
told that it began, whatever suppresses it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import msgspec

from streams.alerts.case import OPEN, Case, Why
from streams.alerts.lifecycle import BEGINNINGS
from streams.alerts.policy import Policy
from streams.alerts.reminders import REMINDER
from streams.alerts.subject import Subject
from streams.model import Alert, Group, Member, Reason, Status
from streams.route import Receiver
from streams.route.escalation import Escalation
from streams.route.intervals import may_tell, next_cron, next_telling
from streams.route.tree import Route, Way
from streams.state.alerts.lookup import Lookup
from streams.state.alerts.suppressing import Suppressing
from streams.state.alerts.tray import Tray, Waiting


@dataclass(frozen=True, slots=True)
class Said:
    """One notification to be written with the alert's next version."""

    receiver: Receiver
    reason: Reason
    path: str = ""
    why: str = ""
    level: int = 0
    group: Group | None = None  #: that ends with it


class Telling:
    """Decides, and remembers what decisions need."""

    def __init__(self, counts: Counter[tuple[str, ...]]) -> None:
        self.suppressing = Suppressing(counts)
        self.tray = Tray()
        self._counts = counts

    # --- one alert

    @property
    def lookup(self) -> Lookup:
        """Of the policy in force."""
        return self.suppressing.lookup

    @property
    def policy(self) -> Policy:
        """What is in force."""
        return self.lookup.policy

    def adopt(self, policy: Policy) -> None:
        """From now on this is in force."""
        self.suppressing.lookup = Lookup(policy)

    def escalation(self, case: Case) -> Escalation | None:
        """The one in force for an alert."""
        policy = self.policy
        if not policy.escalations:
            return None
        routed = ""
        if policy.route is not None:
            routed = next((way.route.escalation for way in self.lookup.ways(Subject(case)) if way.route.escalation), "")
        return policy.escalation_of(case.severity.value, case.severity_word, routed)

    def decide(self, case: Case, now: int) -> list[Said]:
        """What is to be said of a case that changed; what waits goes into the tray, what is hidden stays held."""
        if case.asked:
            self._up(case, now)
        if case.failed:
            case.reasons[Reason.FALLBACK] = None
        if not (case.reasons or case.again):
            return []
        said: list[Said] = []
        begun = self._begun(case)
        hidden = bool(begun or (case.again and case.is_open)) and self.suppressing.is_hidden(case, begun, now)
        knowing: set[str] = set()  # told in this step that it stands: that it is bad they need not hear as well
        for reason in [*(one for one in begun if one not in case.reasons), *case.reasons]:
            if reason is Reason.RESOLVED:
                said += self._over(case)
                case.heard.clear()
            elif reason in begun and not hidden:
                told = self._say(case, reason, now, knowing)
                case.heard.update((one.receiver.name, None) for one in told)
                said += told
        case.told = tuple(dict.fromkeys((*case.told, *(one.receiver.name for one in said))))
        return said

    @staticmethod
    def _begun(case: Case) -> list[Reason]:
        """What is to be said: what was held back, then what is new. Of what somebody has in hand only what came since;
        of what was closed in the step in which it began, that it began.
        """
        begun = [reason for reason in case.reasons if reason is not Reason.RESOLVED]
        if not case.is_open:
            return [reason for reason in begun if reason in BEGINNINGS]
        if case.status is Status.SNOOZED:
            begun = [reason for reason in begun if reason is not Reason.BREACHED]
        in_hand = case.in_hand_since is not None
        held = [one for one in case.held if one not in begun and not (in_hand and one in BEGINNINGS)]
        return [*held, *begun] if begun or case.again else []

    def _say(self, case: Case, reason: Reason, now: int, knowing: set[str]) -> list[Said]:
        policy, view = self.policy, _seen(case)
        if reason is Reason.ESCALATED:
            return self._level(case)
        if reason is Reason.FALLBACK:
            return self._instead(case)
        if view.rule == REMINDER and reason is Reason.NEW:
            reason = Reason.REMINDER
        said: list[Said] = []
        why = f"{case.phase}: {case.history[-1]['why']}" if reason is Reason.UPDATED and case.history else ""
        if policy.route is None:
            takers = [one for one in policy.receivers if one.takes(view) and _is_news(case, reason, one.name, knowing)]
            return [Said(receiver, reason, why=why) for receiver in takers]
        subject = Subject(case)
        for way in self.lookup.ways(subject):
            receiver = policy.by_name[way.receiver]
            if not receiver.takes(view) or not _is_news(case, reason, receiver.name, knowing):
                continue
            wait = self._wait(case, way, receiver, reason, now)
            key = way.key(subject)
            if key is None and (receiver.digest or receiver.batch):
                key = {}  # all together
            if case.status not in OPEN and (key is not None or wait is not None):
                continue  # by then it is over, and nobody was told
            if key is None and wait is None and not (way.route.repeat_interval and case.is_open):
                said.append(Said(receiver, reason, way.route.path, why))
                continue
            ripe = now if wait is None else wait
            waiting = Waiting(reason, ripe, now)
            due = _looked_at(receiver, way.route, key, ripe, now)
            pile = self.tray.put(case.base.tenant, receiver.name, way.route.path, key, case.base.id, waiting, due)
            if receiver.batch and pile.due > now and pile.is_full(receiver.batch, now):
                self.tray.later(pile, now)
        return said

    def _wait(self, case: Case, way: Way, receiver: Receiver, reason: Reason, now: int) -> int | None:
        """Until when something is to wait; None: it goes at once."""
        route = way.route
        if receiver.digest:
            return next_cron(receiver.digest, receiver.timezone, now)
        until = now
        if reason in BEGINNINGS:
            until = max(now, case.base.created_at + way.delay(case.severity)) if reason is Reason.NEW else now
        elif reason is Reason.SEVERITY_RAISED:
            until = max(now, case.base.created_at + way.delay(case.severity))
        if not may_tell(self.policy.intervals, route.mute, route.active, until):
            until = next_telling(self.policy.intervals, route.mute, route.active, until)
        return until if until > now or receiver.batch else None

    def _over(self, case: Case) -> list[Said]:
        """Those who were told that it began are told that it is over; whoever waits to hear of it need not any more."""
        case.held.clear()
        said: list[Said] = []
        ended = self._ended(case)
        for name in case.heard:
            receiver = self.policy.by_name.get(name)
            if receiver is not None and receiver.send_resolved and not receiver.digest:
                said.append(Said(receiver, Reason.RESOLVED, group=ended.get(name)))
        return said

    def _ended(self, case: Case) -> dict[str, Group]:
        """By receiver the group that ends with it, under whose name it was told: nothing else stands or waits there.

        Where others only wait, it stays a member, so that the group can say that it is over if they never get told.
        """
        found: dict[str, Group] = {}
        subject, identity = Subject(case), case.base.id
        for way in self.lookup.ways(subject):
            key, receiver = way.key(subject), self.policy.by_name[way.receiver]
            if key is None or receiver.digest or receiver.batch:
                continue
            pile = self.tray.find(case.base.tenant, way.receiver, way.route.path, key)
            if pile is None or identity not in pile.members:
                continue
            alone = len(pile.members) == 1
            if alone and pile.pending.keys() - {identity}:
                continue
            self.tray.leave(pile, identity)
            if alone:
                found[way.receiver] = Group(id=pile.id, key=key, alerts=(_member(case),), total=1)
        return found

    def _instead(self, case: Case) -> list[Said]:
        """The fallbacks of receivers that could not be reached; where that was held back, of all there have been."""
        said: dict[str, Said] = {}
        for name in case.failed or case.notification_failed:
            receiver = self.policy.by_name.get(name)
            fallback = self.policy.by_name.get(receiver.fallback) if receiver is not None else None
            if fallback is not None:
                said[fallback.name] = Said(fallback, Reason.FALLBACK, why=f"{name} could not be reached")
        if said:
            case.changed(Why.DELIVERY_FAILED)
        return list(said.values())

    # --- escalation

    def _up(self, case: Case, now: int) -> None:
        """One level up, because it is time or because somebody asks for it."""
        escalation = self.escalation(case)
        if case.status not in OPEN or (case.asked == "time" and case.status is not Status.ACTIVE):
            return
        if escalation is None and case.asked == "time":
            return
        case.escalation_level += 1
        case.leveled = now
        case.changed(Why.ESCALATED)
        case.reasons[Reason.ESCALATED] = None
        self._counts["escalated", case.severity.value] += 1

    def _level(self, case: Case) -> list[Said]:
        escalation = self.escalation(case)
        if escalation is None:
            view = _seen(case)
            takers = [one for one in self.policy.receivers if one.takes(view)]
            return [
                Said(one, Reason.ESCALATED, level=case.escalation_level, why=f"asked by {case.asked}") for one in takers
            ]
        level = escalation.at(case.escalation_level)
        why = escalation.why(case.escalation_level)
        if case.asked and case.asked != "time":
            why = f"{why.partition(' after ')[0]}, asked by {case.asked}"
        receivers = (self.policy.by_name[name] for name in level.receivers if name in self.policy.by_name)
        return [Said(one, Reason.ESCALATED, why=why, level=case.escalation_level) for one in receivers]


def _is_news(case: Case, reason: Reason, receiver: str, knowing: set[str]) -> bool:
    """Whether a receiver is to hear it: that it stands, who does not know; that it is worse, who knew before."""
    if reason in BEGINNINGS:
        if receiver in case.heard and Reason.RESOLVED not in case.reasons:
            return False
        knowing.add(receiver)
    return reason not in (Reason.SEVERITY_RAISED, Reason.REPEATED) or receiver not in knowing


def _looked_at(receiver: Receiver, route: Route, key: dict[str, str] | None, ripe: int, now: int) -> int:
    """When a group is to be told of what may be told from ``ripe`` on."""
    if receiver.batch:
        return ripe + receiver.batch_wait
    return ripe if key is None or receiver.digest else max(ripe, now + route.group_wait)


def _member(case: Case) -> Member:
    return Member(
        id=case.base.id, title=case.title, severity=case.severity.value, status=case.status.value,
        reason=Reason.RESOLVED.value,
    )  # fmt: skip


def _seen(case: Case) -> Alert:
    """The alert as receivers look at it."""
    return msgspec.structs.replace(case.base, severity=case.severity, tags=case.tags)
