"""Bad and odd audit events, each with what must become of it. The fault tests mix them among good traffic.

Good means: processed, never a dead letter. Bad: exactly one dead letter, whatever rules are loaded (but for those in
``ONLY_WHERE_MATCHED``: a tenant is looked at where a rule matches). ``fires``: a rule
``where: {type: poison}, group_by: [actor], detect: {match: {}}`` makes a finding of it.
"""

from __future__ import annotations

from tests.poison import fields, payloads
from tests.poison.corpus import AT, LIMIT, Corpus, Poison, largest_value, padded

__all__ = ["AT", "LIMIT", "ONLY_WHERE_MATCHED", "Poison", "largest_value", "poison", "too_large"]

#: Bad ones that only become dead letters where some rule matches them.
ONLY_WHERE_MATCHED = frozenset({"tenant-star", "tenant-201"})
FILLERS = (
    payloads.absent, payloads.foreign, payloads.syntax, payloads.truncated, payloads.text,
    fields.numbers, fields.depth, fields.times, fields.names, fields.keys, fields.shapes, fields.sizes,
)  # fmt: skip


def poison(seed: int, at: int = AT) -> list[Poison]:
    """All kinds, in an order of ``seed``'s choosing, with times around ``at`` (ms). The same seed: the same bytes."""
    corpus = Corpus(seed, at)
    for fill in FILLERS:
        fill(corpus)
    every = list(corpus.found.values())
    corpus.rng.shuffle(every)
    return every


def too_large(key: bytes | None, limit: int = LIMIT) -> bytes:
    """An event one byte larger than a broker takes: it must be refused at the door."""
    return padded(Corpus(0, AT), "too-large", largest_value(key, limit) + 1)
