"""What a group has to say when its time has come: which of its alerts, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from streams.alerts.book import Book
from streams.alerts.case import OPEN
from streams.model import Group, Member, Reason, Severity, Status, severity_rank
from streams.route.intervals import next_cron, next_telling
from streams.route.tree import Route
from streams.state.telling import Telling
from streams.state.tray import MEMBERS_KEPT, Pile

SHOWN: Final = 100  #: alerts that one message lists


class _Head(msgspec.Struct):
    id: str
    title: str
    severity: Severity
    status: Status


class _Shown(msgspec.Struct):
    alert: _Head


_shown = msgspec.json.Decoder(_Shown).decode


@dataclass(frozen=True, slots=True)
class Message:
    """One notification about a group. ``worst``: the alert it carries; ``told``: all it tells of."""

    reason: Reason
    worst: str
    told: tuple[str, ...]
    group: Group | None


def message_of(pile: Pile, telling: Telling, book: Book, now: int) -> Message | None:
    """What is to be said now, with the group put to its next time; None: nothing."""
    policy, tray = telling.policy, telling.tray
    receiver = policy.by_name.get(pile.receiver)
    if receiver is None:  # the policy has changed: nobody is there to be told
        tray.drop(pile)
        return None
    route = _node(policy.route, pile.path)
    later = next_telling(policy.intervals, route.mute, route.active, now)
    if later > now:
        tray.later(pile, later)
        return None
    ripe = {one: waiting.reason for one, waiting in pile.pending.items() if waiting.ripe <= now}
    if receiver.batch and len(ripe) > receiver.batch:
        ripe = dict(list(ripe.items())[: receiver.batch])
    for identity in ripe:
        del pile.pending[identity]
    reasons = {
        one: reason
        for one, reason in ripe.items()
        if one in book.entries and (receiver.digest or _still(book, one, reason))
    }
    gone = [one for one in pile.members if one not in book.entries or book.entries[one].status not in OPEN]
    for identity in gone:
        del pile.members[identity]
    repeated = not reasons and route.repeat_interval and now >= pile.told_at + route.repeat_interval
    if repeated:
        reasons = {one: Reason.REPEATED for one in pile.members if book.entries[one].status is Status.ACTIVE}
    message = _composed(pile, reasons, book, digest=bool(receiver.digest)) if reasons else None
    if message is not None:
        pile.number, pile.told_at = pile.number + 1, now
        for identity in reasons:
            pile.members[identity] = None
        for identity in list(pile.members)[: max(0, len(pile.members) - MEMBERS_KEPT)]:
            del pile.members[identity]
    due = _next(pile, route, now)
    if receiver.digest and pile.pending:
        due = next_cron(receiver.digest, receiver.timezone, now)
    if due is None:
        tray.drop(pile)
    else:
        tray.later(pile, max(due, now + 1))
    return message


def _next(pile: Pile, route: Route, now: int) -> int | None:
    """When to look again: for what is not ripe yet, or to say again what stands."""
    times: list[int] = []
    if pile.pending:
        first = min(waiting.ripe for waiting in pile.pending.values())
        times.append(max(first, pile.told_at + route.group_interval if pile.number and pile.key is not None else first))
    if route.repeat_interval and pile.members:
        times.append((pile.told_at or now) + route.repeat_interval)
    elif pile.members and pile.key is not None and not pile.pending:
        times.append((pile.told_at or now) + route.group_interval)
    return min(times, default=None)


def _still(book: Book, identity: str, reason: Reason) -> bool:
    """Whether a thing is still to be said: not of what somebody has taken in hand or closed meanwhile."""
    status = book.entries[identity].status
    return status is Status.ACTIVE or (reason in (Reason.SEVERITY_RAISED, Reason.UPDATED) and status in OPEN)


def _composed(pile: Pile, reasons: dict[str, Reason], book: Book, *, digest: bool) -> Message:
    heads = [_shown(book.entries[one].value).alert for one in reasons]
    heads.sort(key=lambda head: (-severity_rank(head.severity), head.id))
    members = tuple(
        Member(id=h.id, title=h.title, severity=h.severity.value, status=h.status.value, reason=reasons[h.id].value)
        for h in heads[:SHOWN]
    )
    said = set(reasons.values())
    if digest:
        reason = Reason.DIGEST
    elif len(said) == 1 and (len(reasons) == 1 or said != {Reason.NEW}):
        reason = said.pop()
    else:
        reason = Reason.GREW if pile.number else Reason.NEW
    if reason is Reason.NEW and pile.number and pile.key is not None:
        reason = Reason.GREW
    alone = pile.key is None and not digest
    group = None if alone else Group(id=pile.id, key=pile.key or {}, alerts=members, total=len(heads))
    return Message(reason, heads[0].id, tuple(reasons), group)


def _node(root: Route | None, path: str) -> Route:
    """The node as it is now; one that is gone tells at once."""
    return next((node for node in root.nodes() if node.path == path), Route()) if root is not None else Route()
