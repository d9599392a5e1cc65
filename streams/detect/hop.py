"""What travels over ``rekeyed``: copies of matched events to the partition of another key, and watermarks behind them.

An origin partition decides everything that only its own log can tell: the order time of an event, its lateness, its
time gates. So the other side depends on nothing but what is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.rules.program import Key
from streams.rules.rule import Rule


class Copy(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="copy", omit_defaults=True, gc=False):
    """One event for all rules of one key set that matched it. ``values[i]`` belong to ``rules[i]``: of the kind's
    fields, then of what its templates need.
    """

    ruleset: str
    rules: tuple[str, ...]  #: id@version
    values: tuple[tuple[tuple[Any, ...], ...], ...]  #: each as (value,), or () where missing
    tenant: str
    key: tuple[Any, ...]  #: parts, as in ``streams.state.detect.keys``
    order: int  #: max(event time, the origin's watermark before this record), ms
    topic: str
    partition: int
    offset: int
    position: str
    event_time: int
    event_id: str
    event: msgspec.Raw  #: the envelope, fitted
    from_record: bool = False
    arms: tuple[tuple[int, ...], ...] = ()  #: by which it came into ``rules[i]``; empty: by the only one, everywhere


class Mark(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="watermark", omit_defaults=True):
    """How far an origin has come: no copy with an order time below ``watermark`` follows. Idle: it never had events."""

    topic: str
    partition: int
    watermark: int | None = None
    idle: bool = False


_decoder: msgspec.json.Decoder[Copy | Mark] = msgspec.json.Decoder(Copy | Mark)
_encode = msgspec.json.Encoder().encode


def read(value: bytes) -> Copy | Mark:
    """A record of ``rekeyed``. Raises ValueError."""
    return _decoder.decode(value)


def keyset(rule: Rule) -> tuple[str, ...]:
    """Rules of one key set share their copies: the scope and the parts of the key, as the rule writes them."""
    return rule.scope, *(part.text for part in rule.key)


def hop_key(fields: tuple[str, ...], tenant: str, key: Key) -> bytes:
    """The record key: everything of one key set and key goes to one partition."""
    return _encode([fields, tenant, *key])


def packed(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], ...]:
    """Values of an event so that missing and null stay two things."""
    return tuple([() if value is msgspec.UNSET else (value,) for value in values])


def packed_each(values: Sequence[tuple[Any, ...]]) -> tuple[tuple[tuple[Any, ...], ...], ...]:
    """As ``packed``, each; rules that read the same fields have one tuple of values, which is packed once."""
    if len(values) == 1:
        return (packed(values[0]),)
    known: dict[int, tuple[tuple[Any, ...], ...]] = {}
    return tuple([known.get(id(one)) or known.setdefault(id(one), packed(one)) for one in values])


def unpacked(values: tuple[tuple[Any, ...], ...]) -> tuple[Any, ...]:
    """What ``packed`` packed."""
    return tuple([value[0] if value else msgspec.UNSET for value in values])
