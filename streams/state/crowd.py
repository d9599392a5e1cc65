"""What stands together: open alerts by the entity they are about, and the incidents and storms that come of them."""

from __future__ import annotations

from collections import defaultdict

from streams.alerts.book import Book
from streams.alerts.case import OPEN, Case, Why
from streams.alerts.crowds import INCIDENT, StormCap, incident_finding, storm_finding
from streams.alerts.fold import fold
from streams.alerts.policy import Policy
from streams.alerts.subject import Subject
from streams.model import severity_rank
from streams.state.telling import OWN

MEMBERS_SHOWN = 100


class Crowd:
    """Entities with open alerts: for each its alerts, by when they were opened."""

    def __init__(self) -> None:
        self._about: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)

    def put(self, identity: str, tenant: str, entity: str, opened: int, *, is_open: bool) -> None:
        """Take an alert as it stands."""
        if not entity:
            return
        if is_open:
            self._about[tenant, entity][identity] = opened
        elif (tenant, entity) in self._about:
            self._about[tenant, entity].pop(identity, None)
            if not self._about[tenant, entity]:
                del self._about[tenant, entity]

    def opened(self, book: Book, case: Case, policy: Policy, now: int) -> None:
        """A case was opened: where others stand about the same entity, it makes an incident with them."""
        grouping = policy.incidents
        if grouping is None or case.base.rule in OWN:
            return
        subject = Subject(case)
        labels = ((path, subject.label(path)) for path in grouping.by)
        entity = next((f"{path}={value}" for path, value in labels if isinstance(value, str) and value), "")
        case.entity = entity
        if not entity:
            return
        tenant = case.base.tenant
        about = self._about.get((tenant, entity), {})
        near = [one for one, at in about.items() if abs(now - at) < grouping.within and one != case.base.id]
        self.put(case.base.id, tenant, entity, case.base.created_at, is_open=True)
        if len(near) + 1 < grouping.at_least:
            return
        members = [found for one in near if (found := book.case(one)) is not None] + [case]
        before = {found.incident for found in members if found.incident}
        finding = incident_finding(case.base, entity, len(members), grouping, now)
        fold(book, finding, now)
        incident = next((one for one in reversed(book.touched.values()) if self._is(one, tenant, finding.key)), None)
        if incident is None:
            return
        incident.phase = incident.phase or "triaged"
        for member in members:
            if member.incident in ("", *before) and member.incident != incident.base.id and not member.incident:
                member.incident = incident.base.id
                member.changed(Why.LINKED)
        incident.members = tuple(dict.fromkeys((*incident.members, *(m.base.id for m in members))))[:MEMBERS_SHOWN]
        worst = max(members, key=lambda member: severity_rank(member.severity))
        if severity_rank(worst.severity) > severity_rank(incident.severity):
            incident.severity, incident.severity_word = worst.severity, worst.severity_word
            incident.changed(Why.SEVERITY_RAISED)
        incident.title = f"{len(incident.members)} alerts about {entity.partition('=')[2]}"
        incident.changed(Why.GREW)

    @staticmethod
    def _is(case: Case, tenant: str, key: dict[str, object]) -> bool:
        base = case.base
        return base.rule == INCIDENT and base.tenant == tenant and base.key == key and case.status in OPEN


def storm(book: Book, case: Case, told: int, cap: StormCap, now: int) -> None:
    """One more alert of a storm, which is told as one."""
    fold(book, storm_finding(case.base, told, cap, now), now)
