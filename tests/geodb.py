"""Databases of places and networks, written for tests in MaxMind's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

BUILT = "1970-01-02"


def database(path: Path, kind: str, records: dict[str, dict[str, Any]], *, version: int = 6) -> Path:
    """A database of that type with a record for each network, built on the second day of 1970."""
    writer = MMDBWriter(version, kind, languages=["en"], ipv4_compatible=version == 6, float_type="f64")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    raw = path.read_bytes()
    begin = raw.rindex(b"build_epoch") + len(b"build_epoch")
    length, extended = (raw[begin] & 0x1F), raw[begin] >> 5 == 0
    data = begin + 1 + extended
    path.write_bytes(raw[:data] + (86_400 + 1).to_bytes(length, "big") + raw[data + length :])
    return path
