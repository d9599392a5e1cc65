"""Incidents are alerts that stand for others: what joining and leaving does to one. Pure; nothing is looked up."""

from __future__ import annotations

from collections.abc import Sequence

from streams.alerts.case import Case, Why
from streams.model import Reason, severity_rank

#: How the handling of an incident goes on.
PHASES = ("triaged", "investigating", "mitigated", "resolved")
MAX_TITLE = 1_000  #: characters
MEMBERS_SHOWN = 100  #: ids an incident lists, the first that joined; ``values.observed`` counts all
BY_MEMBERS = "members"  #: who resolved it: all of its alerts are closed


def grow(incident: Case, members: Sequence[Case], now: int) -> None:
    """``members``, of which none is in it yet, are in it from now on. It is as bad as the worst of them."""
    for member in members:
        member.incident = incident.base.id
        member.changed(Why.LINKED)
    _count(incident, _counted(incident) + len(members))
    incident.members = (*incident.members, *(member.base.id for member in members))[:MEMBERS_SHOWN]
    incident.last_event_time = max(incident.last_event_time, now)
    incident.changed(Why.GREW)
    for member in members:
        worsen(incident, member)


def shrink(incident: Case, member: Case) -> None:
    """``member`` is in it no more. How bad it was stays."""
    member.incident = ""
    member.changed(Why.LINKED)
    _count(incident, max(0, _counted(incident) - 1))
    incident.members = tuple(one for one in incident.members if one != member.base.id)
    incident.changed(Why.LINKED)


def worsen(incident: Case, member: Case) -> None:
    """An open incident is at least as bad as each of its members ever was; those it reaches are told."""
    if incident.is_open and severity_rank(member.severity) > severity_rank(incident.severity):
        incident.severity, incident.severity_word = member.severity, member.severity_word
        incident.changed(Why.SEVERITY_RAISED)
        if Reason.NEW not in incident.reasons and Reason.REOPENED not in incident.reasons:  # those say it already
            incident.notify(Reason.SEVERITY_RAISED)


def _counted(incident: Case) -> int:
    """How many are in it; who raised it by hand may have put anything there."""
    observed = incident.values.get("observed")
    return observed if type(observed) is int else len(incident.members)


def _count(incident: Case, members: int) -> None:
    """The title of an incident that came about by itself says how many; one that a person opened keeps its own."""
    incident.values["observed"], incident.count = members, max(1, members)
    if "incident" not in incident.base.key and len(incident.base.key) == 1:
        about = next(iter(incident.base.key.values()))
        incident.title = f"{members} alert{'s' * (members != 1)} about {about}"[:MAX_TITLE]
