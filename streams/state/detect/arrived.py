"""An event that came through the hop, for the rules of one key set that it matched at its origin."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from streams.detect import hop
from streams.detect.base import Ref
from streams.model.decode import INT_MAX, INT_MIN, decode_full
from streams.rules.program import Key
from streams.state.detect.keys import key_of

_encode = msgspec.json.Encoder().encode
#: Values that are the same ones behind JSON, and can be shared: nobody changes them.
_ATOMS = frozenset({str, int, float, bool, type(None), msgspec.UnsetType})


class Arrived(msgspec.Struct, gc=False):
    """See ``streams.detect.hop.Copy``, and ``streams.detect.findings.Completing``. ``values[i]`` belong to
    ``rules[i]``; rules that read the same fields may have one and the same.
    """

    order: int
    topic: str
    partition: int
    offset: int
    position: str
    at: int
    event_id: str
    tenant: str
    from_record: bool
    raw: bytes
    key: Key
    rules: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    arms: tuple[tuple[int, ...], ...]
    _document: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        if self._document is None:
            self._document = decode_full(self.raw)  # fitted at its origin
        return self._document

    def locate(self, ref: Ref) -> str:
        return str(ref)


#: The place of a copy in the one order in which all are stepped.
turn_of = attrgetter("order", "topic", "partition", "offset")


def arrived(copy: hop.Copy) -> Arrived:
    """What a record of ``rekeyed`` says. Raises ValueError."""
    if len(copy.rules) != len(copy.values) or (copy.arms and len(copy.arms) != len(copy.rules)):
        raise ValueError(f"a copy for {len(copy.rules)} rules with values for {len(copy.values)}")
    return Arrived(
        copy.order, copy.topic, copy.partition, copy.offset, copy.position, copy.event_time, copy.event_id,
        copy.tenant, copy.from_record, bytes(copy.event), key_of(list(copy.key)), copy.rules,
        tuple([hop.unpacked(values) for values in copy.values]), copy.arms,
    )  # fmt: skip


def record_of(one: Arrived, ruleset: str) -> bytes:
    """The record of ``rekeyed`` that says so. Raises ValueError or TypeError for what JSON cannot say."""
    copy = hop.Copy(
        ruleset=ruleset, rules=one.rules, arms=one.arms, values=hop.packed_each(one.values), tenant=one.tenant,
        key=one.key, order=one.order, topic=one.topic, partition=one.partition, offset=one.offset,
        position=one.position, event_time=one.at, event_id=one.event_id, event=msgspec.Raw(one.raw),
        from_record=one.from_record,
    )  # fmt: skip
    return _encode(copy)


def by_json(one: Arrived, ruleset: str) -> Arrived:
    """What arrives of it. Raises as ``record_of``."""
    copy = hop.read(record_of(one, ruleset))
    assert isinstance(copy, hop.Copy)
    return arrived(copy)


def same_by_json(one: Arrived) -> bool:
    """Whether that is certainly the same, of an event that came of JSON: then no record need be written and read."""
    for part in one.key:
        if part.__class__ is tuple and part[0] == "i" and not INT_MIN <= part[1] <= INT_MAX:
            return False
    each = {id(values): values for values in one.values}  # rules that read the same fields have the same values
    return all(_ATOMS.issuperset(map(type, values)) for values in each.values())


def of_rules(one: Arrived, places: Sequence[int]) -> Arrived:
    """The copy for some of its rules, by their places."""
    arms = tuple([one.arms[place] for place in places]) if one.arms else ()
    rules, values = tuple([one.rules[place] for place in places]), tuple([one.values[place] for place in places])
    return msgspec.structs.replace(one, rules=rules, values=values, arms=arms)
