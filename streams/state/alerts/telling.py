"""Who is told what: what suppresses an alert, which ways it takes, what goes at once and what waits in the tray.

Order: maintenance → silence → inhibition → dependency → throttle → route → escalate. Each suppression is named on the
alert and counted; what was held back is told when nothing suppresses it any more. That a thing is over is told to all
who were told that it began, whatever suppresses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from streams.alerts.case import OPEN, Case, Why
from streams.alerts.crowds import INCIDENT, STORM
from streams.alerts.inhibition import DEPENDENCY, INHIBITION, Standing
from streams.alerts.lifecycle import BEGINNINGS
from streams.alerts.maintenance import MAINTENANCE, Window
from streams.alerts.memory import Timer
from streams.alerts.policy import Policy
from streams.alerts.reminders import REMINDER
from streams.alerts.silences import SILENCE
from streams.alerts.subject import Subject
from streams.model import Alert, Reason, Status, Suppression
from streams.route import Receiver
from streams.route.escalation import Escalation
from streams.route.intervals import may_tell, next_cron, next_telling
from streams.route.tree import Route, Way
from streams.state.alerts.rates import Rates
from streams.state.alerts.tray import Tray, Waiting
from streams.state.detect.lookup import Lookup

THROTTLE = "throttle"
#: Alerts that ALERT raised about itself, which no limit of theirs may hide.
OWN = frozenset({STORM, INCIDENT, REMINDER})
_HOUR = 3_600_000
#: Reasons that come of nobody's doing.
_BY_TIME = frozenset({Reason.ESCALATED, Reason.REPEATED, Reason.BREACHED})


@dataclass(frozen=True, slots=True)
class Said:
    """One notification to be written with the alert's next version."""

    receiver: Receiver
    reason: Reason
    path: str = ""
    why: str = ""
    level: int = 0


class Telling:
    """Decides, and remembers what decisions need: what stands, how many were told, what waits."""

    def __init__(self, counts: Counter[tuple[str, ...]]) -> None:
        self.policy = Policy()
        self.standing = Standing()
        self.rates = Rates()
        self.tray = Tray()
        self.storms: list[tuple[Case, int]] = []  #: of this step: cases that were too many, and how many were told
        self.turned: set[str] = set()  #: of this step: tenants of which something that hides others is hidden now
        self._counts = counts
        self._lookup = Lookup(self.policy)

    # --- one alert

    @property
    def lookup(self) -> Lookup:
        """Of the policy in force."""
        if self._lookup.policy is not self.policy:
            self._lookup = Lookup(self.policy)
        return self._lookup

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
        if not (case.reasons or case.failed or case.again):
            return []
        said: list[Said] = []
        begun = self._begun(case)
        hidden = bool(begun or (case.again and case.is_open)) and self._is_hidden(case, begun, now)
        knowing: set[str] = (
            set()
        )  #: who is told in this step that it stands: that it is bad, they need not hear as well
        for reason in [*(one for one in begun if one not in case.reasons), *case.reasons]:
            if reason is Reason.RESOLVED:
                said += self._over(case)
                case.heard.clear()
            elif reason in begun and not hidden:
                told = self._say(case, reason, now, knowing)
                case.heard.update((one.receiver.name, None) for one in told)
                said += told
        instead = self._instead(case)
        if instead:
            case.heard.update((one.receiver.name, None) for one in instead)
            case.changed(Why.DELIVERY_FAILED)
        said += instead
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

    def _is_hidden(self, case: Case, reasons: Iterable[Reason], now: int) -> bool:
        ruling = self._ruling(case, reasons, now)
        if ruling is None:
            self._show(case, now)
        else:
            self._hide(case, ruling, reasons)
        return ruling is not None

    def _say(self, case: Case, reason: Reason, now: int, knowing: set[str]) -> list[Said]:
        policy, view = self.policy, _seen(case)
        if reason is Reason.ESCALATED:
            return self._level(case)
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
        for name in case.heard:
            receiver = self.policy.by_name.get(name)
            if receiver is not None and receiver.send_resolved and not receiver.digest:
                said.append(Said(receiver, Reason.RESOLVED))
        return said

    def _instead(self, case: Case) -> list[Said]:
        """The fallbacks of receivers that could not be reached."""
        said: dict[str, Said] = {}
        for name in case.failed:
            receiver = self.policy.by_name.get(name)
            fallback = self.policy.by_name.get(receiver.fallback) if receiver is not None else None
            if fallback is not None and case.status in OPEN:
                said[fallback.name] = Said(fallback, Reason.FALLBACK, why=f"{name} could not be reached")
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

    # --- suppression

    def held_back(self, case: Case, reason: Reason, now: int) -> bool:
        """Whether something that has waited is suppressed by now: then it is held back, as if it had come now."""
        ruling = self.suppression(case, now)
        if ruling is not None:
            self._hide(case, ruling, [reason])
        return ruling is not None

    def _ruling(self, case: Case, reasons: Iterable[Reason], now: int) -> Suppression | None:
        if (found := self.suppression(case, now)) is not None:
            return found
        limited = case.suppressed and case.suppressed[0].stage == THROTTLE
        if limited and _BY_TIME.issuperset(reasons) and case.why is not Why.WOKEN and case.asked in ("", "time"):
            return case.suppressed[0]  # told as one of many, it is not told by itself because time has passed
        if BEGINNINGS.isdisjoint(reasons) or case.base.rule in OWN:
            return None
        return self._throttled(case, now)

    def suppression(self, case: Case, now: int) -> Suppression | None:
        """What suppresses an alert, limits apart. Of a reminder nothing: a silence would hide that it ends."""
        if case.base.rule == REMINDER:
            return None
        tenant, subject = case.base.tenant, Subject(case)
        for one in self.lookup.hiding(subject):
            if (until := one.covers(tenant, subject, now)) is not None:
                stage = MAINTENANCE if isinstance(one, Window) else SILENCE
                return Suppression(stage=stage, by=one.id, since=now, until=until)
        if (hidden := self.standing.hides(case.base.id, tenant, subject)) is not None:
            return Suppression(stage=hidden[0].stage, by=hidden[1], since=now)
        return None

    def _throttled(self, case: Case, now: int) -> Suppression | None:
        rates, tenant, rule = self.rates, case.base.tenant, case.base.rule
        (every, most), cap = case.limits, self.policy.storm
        last = rates.last(tenant, rule)
        if every and last is not None and now - last < every:
            return Suppression(stage=THROTTLE, by="every", since=now, until=last + every)
        if most and rates.within(tenant, rule, _HOUR, now) >= most:
            return Suppression(stage=THROTTLE, by="per_hour", since=now)
        if cap is not None and (told := rates.within(tenant, rule, cap.within, now)) >= cap.alerts:
            self.storms.append((case, told))
            return Suppression(stage=THROTTLE, by="storm", since=now)
        if every or most or cap is not None:
            rates.tell(tenant, rule, now, max(every, cap.within if cap else 0))
        return None

    def _hide(self, case: Case, ruling: Suppression, reasons: Iterable[Reason]) -> None:
        known = case.suppressed[0] if case.suppressed else None
        if known is None or (known.stage, known.by, known.until) != (ruling.stage, ruling.by, ruling.until):
            case.suppressed = (ruling,)
            case.changed(Why.SUPPRESSED)
            if ruling.stage in (INHIBITION, DEPENDENCY) and case.base.id in self.standing:
                self.turned.add(case.base.tenant)
        for reason in reasons:
            known_before = reason in case.held and reason not in case.reasons
            if ruling.stage != THROTTLE:
                case.held[reason] = None
            else:
                case.held.pop(reason, None)
            if not known_before:
                case.hidden += 1
                case.changed(Why.SUPPRESSED)
                self._counts["suppressed", ruling.stage, case.base.rule] += 1
        case.dirty = True
        if ruling.until is not None and case.held:
            case.timers[Timer.RECHECK] = ruling.until
        else:
            case.timers.pop(Timer.RECHECK, None)

    def _show(self, case: Case, now: int) -> None:
        if case.suppressed:
            case.suppressed = ()
            case.began = now  # who is told now has as long to answer as anybody
            case.changed(Why.RELEASED)
        in_hand = case.in_hand_since is not None
        case.held = {reason: None for reason in case.held if in_hand and reason in BEGINNINGS}
        case.timers.pop(Timer.RECHECK, None)


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


def _seen(case: Case) -> Alert:
    """The alert as receivers look at it."""
    return msgspec.structs.replace(case.base, severity=case.severity, tags=case.tags)
