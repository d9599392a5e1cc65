"""To whom a message goes where the vendor wants an address of each person: e-mail, SMS, phone.

A notification may name people on call; the sink's ``people`` knows their addresses. Without one of them that is known
there, the sink's own list is told. What became of each is put together into one result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.clip import one_line
from connectors.redact import Secrets, is_reference
from connectors.remembered import Remembered
from connectors.settings import Block

_MOST = 100


class Recipients(msgspec.Struct, frozen=True, kw_only=True):
    """``to``: addresses, or one reference to a comma-separated list of them. ``people``: name on call -> address."""

    to: tuple[str, ...] = ()
    people: dict[str, str] = {}

    @property
    def reference(self) -> str:
        """Where the list stands, if not here."""
        return self.to[0] if len(self.to) == 1 and is_reference(self.to[0]) else ""

    def resolved(self, secrets: Secrets, address: re.Pattern[str], what: str) -> tuple[str, ...]:
        """``to``, also where it is a reference. Raises SinkBroken where that holds no list of ``what``."""
        if not self.reference:
            return self.to
        try:
            return listed(secrets.resolve(self.reference), address)
        except ValueError as problem:
            raise SinkBroken(f"what {self.reference} holds must be {what} with commas: {problem}") from None

    def of(self, item: Item, listed: Iterable[str]) -> tuple[str, ...]:
        """Addresses, each once, for one notification; ``listed`` is ``to``, resolved."""
        on_call = item.notification.to if item.notification else ()
        known = [self.people[person] for person in on_call if person in self.people]
        return tuple(dict.fromkeys(known or listed))

    def nobody(self, item: Item) -> Rejected:
        """Why there is no address."""
        on_call = ", ".join(one_line(one, 80) for one in (item.notification.to if item.notification else ())[:10])
        return Rejected(
            f"no address for {on_call}: add them to people, or set to" if on_call else "no address: set to, or people"
        )


def read_recipients(block: Block, address: re.Pattern[str], what: str) -> Recipients:
    """``to`` (an address, a list, or a reference) and ``people``; ``what`` an address is, for the problem."""
    given = block.anything("to", ())
    to = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    single = len(to) == 1 and isinstance(to[0], str) and is_reference(to[0])
    if not single:
        for one in to:
            if not isinstance(one, str) or not address.fullmatch(one):
                block.problem("to", f"must be {what}, a list of them, or a reference to a list, not {one!r:.60}")
                return Recipients()
    people = block.texts("people")
    for person, one in people.items():
        if not address.fullmatch(one):
            block.problem(f"people.{person[:60]}", f"must be {what}, not {one!r:.60}")
    if not to and not people:
        block.problem("to", "is missing: whom to tell where nobody in people is on call")
    if len(to) > _MOST:
        block.problem("to", f"has more than {_MOST} addresses: make it a list at the mail or phone provider's")
    return Recipients(to=to, people=people)


def listed(text: str, address: re.Pattern[str]) -> tuple[str, ...]:
    """The addresses of a comma-separated list. Raises ValueError, naming the first that is none by its place."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for number, one in enumerate(found, 1):
        if not address.fullmatch(one):
            raise ValueError(f"entry {number} is no address")
    if not 0 < len(found) <= _MOST:
        raise ValueError(f"it has {len(found)} addresses; 1 to {_MOST} are possible")
    return found


class Ledger:
    """Which of a notification's recipients have it: one that was told is not told again for another's sake."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered

    def told(self, item: Item, address: str) -> str | None:
        """The vendor's reference of an earlier attempt."""
        return self._remembered.sent(f"{item.key}\x1f{address}")

    def keep(self, item: Item, address: str, reference: str) -> None:
        self._remembered.keep(f"{item.key}\x1f{address}", reference)


def together(results: Mapping[str, Result]) -> Result:
    """One result of those of all recipients. Somebody is to be tried again: retry. All refused: rejected.

    Somebody has it and somebody never will: delivered, and the reference says who not, and why.
    """
    waiting = [one for one in results.values() if isinstance(one, Retry)]
    refused = [f"{address}: {one.reason}" for address, one in results.items() if isinstance(one, Rejected)]
    have = [one.reference for one in results.values() if isinstance(one, Delivered)]
    if waiting:
        waits = [one.after_ms for one in waiting if one.after_ms is not None]
        held = any(one.everyone for one in waiting)
        return Retry("; ".join(dict.fromkeys(one.reason for one in waiting)), max(waits, default=None), held)
    if not have:
        return Rejected("; ".join(refused) or "nobody to tell")
    reference = ", ".join(dict.fromkeys(filter(None, have)))
    return Delivered(f"{reference} (refused: {'; '.join(refused)})" if refused else reference)
