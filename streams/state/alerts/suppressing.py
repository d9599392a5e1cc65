"""What suppresses an alert, in this order: maintenance → silence → inhibition → dependency → throttle.

Each suppression is named on the alert and counted. What was held back is told when nothing suppresses it any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from streams.alerts.case import Case, Why
from streams.alerts.crowds import INCIDENT, STORM
from streams.alerts.inhibition import DEPENDENCY, INHIBITION, Standing
from streams.alerts.lifecycle import BEGINNINGS
from streams.alerts.maintenance import MAINTENANCE, Window
from streams.alerts.memory import Timer
from streams.alerts.policy import Policy
from streams.alerts.reminders import REMINDER
from streams.alerts.silences import SILENCE
from streams.alerts.subject import Subject
from streams.model import Reason, Suppression
from streams.state.alerts.lookup import Lookup
from streams.state.alerts.rates import Rates

THROTTLE = "throttle"
#: Alerts that ALERT raised about itself, which no limit of theirs may hide.
OWN = frozenset({STORM, INCIDENT, REMINDER})
_HOUR = 3_600_000
#: Reasons that come of nobody's doing.
_UNASKED = frozenset({Reason.ESCALATED, Reason.REPEATED, Reason.BREACHED, Reason.FALLBACK})


class Suppressing:
    """Rules, and remembers what ruling needs: what stands, and how many were told."""

    def __init__(self, counts: Counter[tuple[str, ...]]) -> None:
        self.lookup = Lookup(Policy())
        self.standing = Standing()
        self.rates = Rates()
        self.storms: list[tuple[Case, int]] = []  #: of this step: cases that were too many, and how many were told
        self.turned: set[str] = set()  #: of this step: tenants of which something that hides others is hidden now
        self._counts = counts

    def is_hidden(self, case: Case, reasons: Iterable[Reason], now: int) -> bool:
        """Whether the case is suppressed; it is noted on the case, either way."""
        ruling = self._ruling(case, reasons, now)
        if ruling is None:
            self._show(case, now)
        else:
            self._hide(case, ruling, reasons)
        return ruling is not None

    def held_back(self, case: Case, reason: Reason, now: int) -> bool:
        """Whether something that has waited is suppressed by now: then it is held back, as if it had come now."""
        ruling = self.by_rule(case, now)
        if ruling is not None:
            self._hide(case, ruling, [reason])
        return ruling is not None

    def _ruling(self, case: Case, reasons: Iterable[Reason], now: int) -> Suppression | None:
        if (found := self.by_rule(case, now)) is not None:
            return found
        limited = case.suppressed and case.suppressed[0].stage == THROTTLE
        if limited and _UNASKED.issuperset(reasons) and case.why is not Why.WOKEN and case.asked in ("", "time"):
            return case.suppressed[0]  # told as one of many, it is not told by itself for what nobody has done
        if BEGINNINGS.isdisjoint(reasons) or case.base.rule in OWN:
            return None
        return self._throttled(case, now)

    def by_rule(self, case: Case, now: int) -> Suppression | None:
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
        (every, most), cap = case.limits, self.lookup.policy.storm
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
