"""Who calls, and what that key may do. Keys are kept as hashes and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from streams.config.references import resolved
from streams.config.settings import ApiKey
from streams.errors import ConfigError

ANY = "*"
_SHORTEST = 16


class May(StrEnum):
    """What is asked for."""

    READ = "read"  #: alerts
    WORK = "work"  #: commands to alerts
    INGEST = "ingest"  #: hand in events


_ROLES = {
    "viewer": frozenset({May.READ}),
    "operator": frozenset({May.READ, May.WORK}),
    "ingest": frozenset({May.INGEST}),
    "admin": frozenset(May),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A known key. ``tenant``: whose alerts it reaches; ``*``: it names one with each request."""

    name: str
    tenant: str
    role: str
    digest: bytes

    def may(self, what: May) -> bool:
        return what in _ROLES[self.role]


class Keys:
    """All keys there are. Raises ConfigError for a reference that leads nowhere, a short key, or one given twice."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = [Key(one.name, one.tenant, one.role, _digest(one)) for one in keys]
        if len({key.digest for key in self._keys}) < len(self._keys):
            raise ConfigError("api.keys: two of them are the same key", "give each its own")

    def of(self, authorization: str | None) -> Key | None:
        """The key behind ``Authorization: Bearer …``; every known one is looked at, whichever it is."""
        scheme, _, token = (authorization or "").partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "replace")).digest()
        found: Key | None = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found if scheme.lower() == "bearer" and token else None


def _digest(one: ApiKey) -> bytes:
    if one.key.startswith("sha256:"):
        return bytes.fromhex(one.key.removeprefix("sha256:"))
    secret = str(resolved(f"api.keys {one.name}", one.key))
    if len(secret) < _SHORTEST:
        raise ConfigError(f"api.keys {one.name}: the key has fewer than {_SHORTEST} characters", "openssl rand -hex 24")
    return hashlib.sha256(secret.encode()).digest()
