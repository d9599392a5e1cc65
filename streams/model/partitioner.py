"""Where a key lives: the hash of Kafka's default partitioner, the only one in use here."""

from __future__ import annotations


def murmur2(data: bytes) -> int:
    """The hash of Kafka's default partitioner (Java's ``Utils.murmur2``), unsigned."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Where ``murmur2_random`` puts a record with this key (it knows no other empty key than a missing one)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
