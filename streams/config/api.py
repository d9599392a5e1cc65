"""The block ``api``: where it is served, who may call it, and by which secrets vendors are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connectors.redact import is_reference
from streams.config.settings import Api, ApiKey

if TYPE_CHECKING:
    from streams.config.load import _Section

#: What a key may do: look; look and work with alerts; only hand in events; all of it.
API_ROLES = ("viewer", "operator", "ingest", "admin")
_NAME = r"[A-Za-z0-9._-]{1,100}"


def api(block: _Section) -> Api:
    """All of it, problems reported to the block."""
    usual = Api()
    found = Api(
        host=block.text("host", usual.host),
        port=block.integer("port", usual.port, 0, 65_535),
        per_second=block.number("per_second", usual.per_second, 0.1, 1e6),
        keys=_keys(block),
        slack=block.secret("slack", ""),
        pagerduty=_pagerduty(block),
    )
    block.finish()
    return found


def _keys(block: _Section) -> tuple[ApiKey, ...]:
    given = block.anything("keys", [])
    if not isinstance(given, list):
        block.problem("keys", "must be a list of {name, key, tenant, role}")
        return ()
    keys: list[ApiKey] = []
    for number, one in enumerate(given):
        part = type(block)(f"{block.path}.keys[{number}]", one, block.problems)
        if not isinstance(one, dict):
            continue
        name, tenant = part.text("name"), part.text("tenant")
        key = part.anything("key", "")
        if not isinstance(key, str) or not (is_reference(key) or re.fullmatch(r"sha256:[0-9a-f]{64}", key)):
            part.problem("key", "must be a reference, env:NAME or file:PATH, or sha256: and the hash in 64 hex digits")
            key = ""
        if name in {known.name for known in keys}:
            part.problem("name", f"{name!r:.60} is taken: each key needs its own")
        keys.append(ApiKey(name=name, key=key, tenant=tenant, role=part.choice("role", API_ROLES)))
        part.finish()
    return tuple(keys)


def _pagerduty(block: _Section) -> dict[str, tuple[str, ...]]:
    part, found = block.section("pagerduty"), {}
    for tenant in list(part.given):
        if not isinstance(tenant, str) or not re.fullmatch(_NAME, tenant):
            part.problem(str(tenant)[:60], "is no tenant that can stand in a URL")
            continue
        found[tenant] = part.secrets(tenant)
    return found
