"""What stands together: open alerts by the entity they are about, and the incidents and storms that come of them.

An alert that opens joins the open incident in which others about its entity stand, if that grew no longer ago than the
policy's ``within``; else it makes one with those that stand alone and were opened as close. All of it can be told from
the alerts at rest, so that a restart changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from streams.alerts.book import Book, fingerprint
from streams.alerts.case import CLOSED, Case
from streams.alerts.crowds import Grouping, StormCap, incident_finding, storm_finding
from streams.alerts.fold import fold
from streams.alerts.incidents import BY_MEMBERS, grow, worsen
from streams.alerts.lifecycle import Move, move
from streams.alerts.policy import Policy
from streams.alerts.subject import Subject
from streams.model import Status, severity_rank
from streams.state.alerts.suppressing import OWN

Place = tuple[str, str]  #: tenant and entity


class Crowd:
    """Open alerts that are about an entity, or in an incident."""

    def __init__(self) -> None:
        self._at: dict[str, tuple[Place, str, int]] = {}  #: each alert: its place, its incident, when it was opened
        self._alone: dict[Place, dict[str, int]] = defaultdict(dict)  #: in no incident, and when they were opened
        self._joined: dict[Place, Counter[str]] = defaultdict(Counter)  #: how many are in which incident
        self._standing: Counter[str] = Counter()  #: open alerts of an incident

    def put(self, identity: str, place: Place, incident: str, opened: int, *, is_open: bool) -> None:
        """Take an alert as it stands."""
        now = (place, incident, opened) if is_open and (place[1] or incident) else None
        before = self._at.get(identity)
        if now == before:
            return
        if before is not None:
            self._leave(identity, *before)
            del self._at[identity]
        if now is not None:
            self._at[identity] = now
            if incident:
                self._standing[incident] += 1
                if place[1]:
                    self._joined[place][incident] += 1
            else:
                self._alone[place][identity] = opened

    def _leave(self, identity: str, place: Place, incident: str, _: int) -> None:
        if not incident:
            self._alone[place].pop(identity, None)
            if not self._alone[place]:
                del self._alone[place]
            return
        for counter in (self._standing, self._joined[place]):
            counter[incident] -= 1
            if not counter[incident] > 0:
                del counter[incident]
        if not self._joined[place]:
            del self._joined[place]

    def changed(self, book: Book, cases: Iterable[Case], policy: Policy, now: int) -> None:
        """What follows for incidents of ``cases`` that this step has changed, before it is decided who is told."""
        ended: dict[str, None] = {}
        for case in cases:
            before = self._at.get(case.base.id)
            if before is not None and before[1] and not case.is_open:
                ended[before[1]] = None
            self._take(case)
        for case in cases:
            if case.base.version == 0 and case.is_open:
                self._opened(book, case, policy, now)
            elif case.incident:
                _follow(book, case, now)
            elif case.phase and case.is_open and case.base.status in CLOSED:
                for member in filter(None, map(book.case, case.members)):  # what they have become in the meantime
                    if member.is_open:
                        worsen(case, member)
        for identity in ended:
            incident = book.case(identity)
            if incident is not None and not self._standing[identity]:
                move(incident, Move.CLEAR, BY_MEMBERS, now, why="all of its alerts are closed")

    def _take(self, case: Case) -> None:
        base = case.base
        place = base.tenant, case.entity
        self.put(base.id, place, case.incident, base.created_at, is_open=case.is_open)

    def _opened(self, book: Book, case: Case, policy: Policy, now: int) -> None:
        grouping = policy.incidents
        if grouping is None or case.base.rule in OWN or case.incident:
            return
        subject = Subject(case)
        labels = ((path, subject.label(path)) for path in grouping.by)
        case.entity = next((f"{path}={value}" for path, value in labels if isinstance(value, str) and value), "")
        place = case.base.tenant, case.entity
        if not case.entity:
            return
        members, incident = [case], self._nearby(book, place, grouping, now)
        if incident is None:
            alone = self._alone.get(place, {}).items()
            near = [one for at, one in sorted((at, one) for one, at in alone if abs(now - at) < grouping.within)]
            others = [found for one in near if one != case.base.id and (found := book.case(one)) is not None]
            members = [*(other for other in others if other.is_open), case]
            if len(members) >= grouping.at_least:
                incident = _raised(book, members, case.entity, grouping, now)
        if incident is not None:
            grow(incident, members, now)
        for member in members:
            self._take(member)

    def _nearby(self, book: Book, place: Place, grouping: Grouping, now: int) -> Case | None:
        """The open incident about an entity that grew last, if that is no longer ago than ``within``."""
        found = (book.case(identity) for identity in self._joined.get(place, ()))
        near = [one for one in found if one and one.is_open and now - one.last_event_time < grouping.within]
        return max(near, key=lambda one: (one.last_event_time, one.base.id), default=None)


def _raised(book: Book, members: list[Case], entity: str, grouping: Grouping, now: int) -> Case | None:
    """The entity's incident: a new one, or the one that is still open."""
    worst = max(members, key=lambda member: severity_rank(member.severity))
    finding = incident_finding(members[-1].base, entity, worst.severity, worst.severity_word, grouping, now)
    fold(book, finding, now)
    thread = book.threads[fingerprint(finding.rule, finding.tenant, finding.key)]
    return book.case(thread.open[-1][1]) if thread.open else None


def _follow(book: Book, case: Case, now: int) -> None:
    """A member became worse, or is open again: so does its incident."""
    again = case.base.status in CLOSED
    if not case.is_open or (case.severity is case.base.severity and not again):
        return
    if (incident := book.case(case.incident)) is None:
        return
    if again and incident.status is Status.RESOLVED and incident.resolved_by == BY_MEMBERS:
        move(incident, Move.REFIRE, BY_MEMBERS, now, why="one of its alerts is open again")
    worsen(incident, case)


def storm(book: Book, case: Case, told: int, cap: StormCap, now: int) -> None:
    """One more alert of a storm, which is told as one."""
    fold(book, storm_finding(case.base, told, cap, now), now)
