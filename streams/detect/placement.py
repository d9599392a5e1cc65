"""Whether a producer keys its records as the source says: equal values of ``partition_by`` in one partition.

Rules that are local to a source count on it. What a record's key is, is the producer's own affair; so what is looked at
is where equal values have been seen. Values are kept as digests, and never told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from streams.detect.clock import tenant_of
from streams.model import Batch, Source
from streams.rules.compiled.projection import Projection
from streams.rules.plain import documents
from streams.rules.values import key_part, normal, read

#: One record in so many is looked at.
EVERY = 1024
#: Values that are remembered; the oldest give way.
LIMIT = 10_000

_encode = msgspec.json.Encoder().encode


class Misplaced(NamedTuple):
    """Equal values of ``partition_by`` in two partitions, each as (partition, offset)."""

    digest: str
    first: tuple[int, int]
    then: tuple[int, int]

    def __str__(self) -> str:
        (one, offset), (other, later) = self.first, self.then
        return f"values {self.digest} stand in partition {one} (offset {offset}) and in {other} (offset {later})"


class Placement:
    """Of one source, over all partitions that somebody sees. Never raises; records that cannot be read say nothing."""

    def __init__(self, source: Source, limit: int = LIMIT) -> None:
        self._limit = limit
        self._default, self._join = source.default_tenant, source.join
        self._values = _reader(source)
        self._seen: dict[bytes, tuple[int, int]] = {}
        self._told: dict[bytes, None] = {}

    def sample(self, partition: int, batch: Batch, every: int = EVERY) -> list[Misplaced]:
        """Look at one in ``every`` records of a batch; what stands wrong. Of each values that is told once."""
        records = batch.records
        if not records:
            return []
        chosen = records[-records[0][0] % every :: every]
        looks = (self.note(partition, offset, raw, batch) for offset, raw, _ in chosen if raw is not None)
        return [misplaced for misplaced in looks if misplaced is not None]

    def note(self, partition: int, offset: int, raw: bytes, batch: Batch) -> Misplaced | None:
        """Look at one record of the batch."""
        try:
            if self._join is not None:
                raw = self._join(raw, batch.original_of(offset))
            values = self._values(raw)
            parts = tuple(key_part(tenant_of(v, self._default) if tenant else v) for tenant, v in values)
        except Exception:  # a bad record is told as a dead letter, by those who evaluate it
            return None
        if None in parts:
            return None
        digest = hashlib.blake2b(_encode(parts), digest_size=8).digest()
        first = self._seen.get(digest)
        if first is None:
            self._seen[digest] = partition, offset
            _bound(self._seen, self._limit)
            return None
        if first[0] == partition or digest in self._told:
            return None
        self._told[digest] = None
        _bound(self._told, self._limit)
        return Misplaced(digest.hex(), first, (partition, offset))


def _bound(of: dict[bytes, Any], limit: int) -> None:
    if len(of) > limit:
        del of[next(iter(of))]


def _reader(source: Source) -> Callable[[bytes], list[tuple[bool, Any]]]:
    """(whether it is the tenant, value) of each field of ``partition_by``, of a payload. Raises as a decoder does."""
    paths = source.partition_by
    if source.mapping is not None:
        document = documents(source)
        return lambda raw: [(path == "tenant", read(whole, path)) for whole in (document(raw),) for path in paths]
    projection = Projection(paths)
    decode = projection.decoder()
    texts = ", ".join(f"({path == 'tenant'}, normal({projection.source(path)}))" for path in paths)
    names: dict[str, Any] = {**projection.names, "normal": normal}
    exec(compile(f"def values(e):\n    return [{texts}]\n", "<partition_by>", "exec"), names)
    values: Callable[[Any], list[tuple[bool, Any]]] = names["values"]
    return lambda raw: values(decode(raw))
