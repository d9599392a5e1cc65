"""What a group has to say when its time has come: which of its alerts, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from streams.alerts.book import Book
from streams.alerts.case import OPEN, Case
from streams.alerts.lifecycle import BEGINNINGS
from streams.model import Group, Member, Reason, Severity, Status, content_hash, severity_rank
from streams.route import Receiver
from streams.route.intervals import next_cron, next_telling
from streams.route.tree import Route
from streams.state.alerts.telling import Telling
from streams.state.alerts.tray import MEMBERS_KEPT, Pile, Waiting

SHOWN: Final = 100  #: alerts that one message lists


class _Head(msgspec.Struct):
    id: str
    version: int
    title: str
    severity: Severity
    status: Status


class _Shown(msgspec.Struct):
    alert: _Head


_shown = msgspec.json.Decoder(_Shown).decode


@dataclass(frozen=True, slots=True)
class Message:
    """One notification about a group. ``worst``: the alert it carries; ``told``: all it tells of.

    ``id``: of what is said of which versions, and when; a group that begins anew does not repeat those of the last.
    """

    id: str
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
    route = telling.lookup.node(pile.path)
    later = max(
        next_telling(policy.intervals, route.mute, route.active, now),
        _after_last(pile, receiver, route, now) if pile.pending else now,
    )
    if later > now:
        tray.later(pile, later)
        return None
    ripe = {one: waiting for one, waiting in pile.pending.items() if waiting.ripe <= now}
    if receiver.batch and len(ripe) > receiver.batch:
        ripe = dict(list(ripe.items())[: receiver.batch])
    for identity in ripe:
        del pile.pending[identity]
    reasons = {
        one: waiting.reason
        for one, waiting in ripe.items()
        if (case := book.case(one)) is not None and (receiver.digest or _still(case, waiting))
    }
    gone = [one for one in pile.members if one not in book.entries or book.entries[one].status not in OPEN]
    for identity in gone:
        del pile.members[identity]
    over = bool(gone) and not (pile.members or pile.pending or reasons or receiver.digest)
    if not reasons and route.repeat_interval and now >= pile.told_at + route.repeat_interval:
        reasons = {one: Reason.REPEATED for one in pile.members if book.entries[one].status is Status.ACTIVE}
    reasons = _shown_still(pile, telling, book, reasons, now)
    message = _composed(pile, receiver, route, reasons, book, now) if reasons else None
    if over and pile.key is not None and receiver.send_resolved and not receiver.batch:
        message = _ended(pile, [one for one in gone if one in book.entries], book, now)
    if message is not None:
        pile.number, pile.told_at = pile.number + 1, now
        for identity in () if receiver.digest else reasons:
            pile.members[identity] = None
        for identity in list(pile.members)[: max(0, len(pile.members) - MEMBERS_KEPT)]:
            del pile.members[identity]
    due = _next(pile, receiver, route, now)
    if receiver.digest and pile.pending:
        due = next_cron(receiver.digest, receiver.timezone, now)
    if due is None:
        tray.drop(pile)
    else:
        tray.later(pile, max(due, now + 1))
    return message


def _shown_still(
    pile: Pile, telling: Telling, book: Book, reasons: dict[str, Reason], now: int
) -> dict[str, Reason]:  # fmt: skip
    """Without what something suppresses that was not there when it began to wait: that is held back instead."""
    shown: dict[str, Reason] = {}
    for identity, reason in reasons.items():
        case = book.case(identity)
        assert case is not None, "what is told is in the book"
        if case.base.updated_at == now and telling.suppressing.by_rule(case, now) is not None:
            pile.pending[identity] = Waiting(
                reason, now + 1, now
            )  # a step gives an alert one version: it has this one's
        elif not telling.suppressing.held_back(case, reason, now):
            shown[identity] = reason
    return shown


def _after_last(pile: Pile, receiver: Receiver, route: Route, now: int) -> int:
    """Before when a group that was told is not told of more; a digest has its own times, one alert alone has none."""
    if not pile.number or pile.key is None or receiver.digest:
        return 0
    if receiver.batch:
        return 0 if pile.is_full(receiver.batch, now) else pile.told_at + receiver.batch_wait
    return pile.told_at + route.group_interval


def _next(pile: Pile, receiver: Receiver, route: Route, now: int) -> int | None:
    """When to look again: for what is not ripe yet, or to say again what stands, or to see what has ended."""
    times: list[int] = []
    if pile.pending:
        first = min(waiting.ripe for waiting in pile.pending.values())
        times.append(max(first, _after_last(pile, receiver, route, now)))
    if pile.members and route.repeat_interval:
        times.append(_turn(pile.told_at, route.repeat_interval, now))
    elif pile.members and pile.key is not None and not pile.pending:
        times.append(_turn(pile.told_at, route.group_interval, now))
    return min(times, default=None)


def _turn(begin: int, interval: int, now: int) -> int:
    """The first of ``begin + interval``, ``begin + 2 * interval`` and so on that is still to come."""
    return begin + interval * max(1, (now - begin) // interval + 1)


def _still(case: Case, waiting: Waiting) -> bool:
    """Whether a thing is still to be said: not of what was closed, or taken in hand since it began to wait. That nobody
    knows of what somebody had in hand is remembered, should he give it back."""
    since = case.in_hand_since
    if case.status in OPEN and (since is None or since <= waiting.at):
        return True
    if case.status in OPEN and waiting.reason in BEGINNINGS:
        case.held[waiting.reason] = None
        case.dirty = True
    return False


def _ended(pile: Pile, gone: list[str], book: Book, now: int) -> Message | None:
    """That all of a group is over, where what waited was never told: the others were told by themselves, but an
    incident stands for the group.
    """
    heads = _heads(gone, book)
    if not heads:
        return None
    group = _group(pile, heads, dict.fromkeys(gone, Reason.RESOLVED))
    return Message(_identity(pile, Reason.RESOLVED, heads, now), Reason.RESOLVED, heads[0].id, (), group)


def _composed(
    pile: Pile, receiver: Receiver, route: Route, reasons: dict[str, Reason], book: Book, now: int
) -> Message:  # fmt: skip
    heads = _heads(reasons, book)
    together = pile.key is not None and not (receiver.batch or receiver.digest)  # though the node groups no more
    grouped = route.group_by is not None or together
    bundled = bool(receiver.digest) or (bool(receiver.batch) and not grouped and len(heads) > 1)
    said = set(reasons.values())
    if bundled:
        reason = Reason.DIGEST
    elif len(said) == 1 and (len(reasons) == 1 or said != {Reason.NEW}):
        reason = said.pop()
    else:
        reason = Reason.GREW if pile.number else Reason.NEW
    if reason is Reason.NEW and pile.number and grouped:
        reason = Reason.GREW
    group = _group(pile, heads, reasons) if grouped or bundled else None
    return Message(_identity(pile, reason, heads, now), reason, heads[0].id, tuple(reasons), group)


def _heads(names: Iterable[str], book: Book) -> list[_Head]:
    """The alerts as they stand, the worst first."""
    heads = [_shown(book.entries[one].value).alert for one in names]
    return sorted(heads, key=lambda head: (-severity_rank(head.severity), head.id))


def _group(pile: Pile, heads: Sequence[_Head], reasons: Mapping[str, Reason]) -> Group:
    members = tuple(
        Member(id=h.id, title=h.title, severity=h.severity.value, status=h.status.value, reason=reasons[h.id].value)
        for h in heads[:SHOWN]
    )
    return Group(id=pile.id, key=pile.key or {}, alerts=members, total=len(heads))


def _identity(pile: Pile, reason: Reason, heads: Sequence[_Head], now: int) -> str:
    versions = [[head.id, head.version] for head in heads]
    return content_hash("notification", pile.id, pile.receiver, reason.value, now, versions)
