"""Reading a request: who calls and how often, which tenant is meant, what the body says."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection
from typing import TypeVar

import msgspec
from aiohttp import web

from connectors.limits import Bucket
from connectors.settings import Rate
from streams.api.answers import Problem, refuse
from streams.api.auth import ANY, Key, Keys, May
from streams.model.decode import check_depth

T = TypeVar("T")
_STRANGERS = Rate(per_second=5, burst=20)  # of one address, while it shows no key that is known
_REMEMBERED = 10_000  # addresses


class Calls:
    """Lets in whom the key and its rate allow."""

    def __init__(self, keys: Keys, per_second: float) -> None:
        self._keys, self._rate = keys, Rate(per_second=per_second, burst=max(1, int(per_second * 2)))
        self._known: dict[str, Bucket] = {}
        self._strangers: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, request: web.Request, what: May) -> Key:
        """The key that calls. Raises Problem: 401, 403, 429."""
        key = self._keys.of(request.headers.get("Authorization"))
        if key is None:
            self.stranger(request)
            raise Problem(401, "unauthorized", "give a key: Authorization: Bearer …", WWW_Authenticate="Bearer")
        self._spend(self._known.setdefault(key.name, Bucket(self._rate)))
        if not key.may(what):
            refuse(403, "forbidden", f"the key {key.name} is a {key.role}: it may not {what.value}")
        return key

    def stranger(self, request: web.Request) -> None:
        """One request more of an address that showed nothing we believe. Raises Problem: 429."""
        address = request.remote or ""
        bucket = self._strangers.pop(address, None) or Bucket(_STRANGERS)
        self._strangers[address] = bucket
        if len(self._strangers) > _REMEMBERED:
            self._strangers.popitem(last=False)
        self._spend(bucket)

    def _spend(self, bucket: Bucket) -> None:
        now = time.monotonic_ns() // 1_000_000
        if bucket.available(now) < 1:
            after = max(1, -(-(bucket.wakes(now) - now) // 1000))
            raise Problem(429, "too_many_requests", "too many requests; wait a little", Retry_After=str(after))
        bucket.take(1)


def tenant_of(request: web.Request, key: Key) -> str:
    """Whose the request is. Raises Problem: 403 for another's tenant, 400 where one must be named."""
    asked = request.query.get("tenant_id")
    if key.tenant != ANY:
        if asked not in (None, key.tenant):
            refuse(403, "another_tenant", f"the key {key.name} is for another tenant")
        return key.tenant
    if not asked or len(asked) > 200 or not asked.isprintable():
        refuse(400, "no_tenant", "say whose it is: ?tenant_id=")
    return asked


def query(request: web.Request, known: Collection[str]) -> dict[str, str]:
    """The parameters. Raises Problem: 400 for one that is unknown, given twice or too long."""
    for name in request.query:
        if name not in known:
            refuse(400, "bad_parameter", f"there is no parameter {name[:60]!r}; known: {', '.join(sorted(known))}")
        if len(request.query.getall(name)) > 1:
            refuse(400, "bad_parameter", f"{name} is given twice")
        if len(request.query[name]) > 500:
            refuse(400, "bad_parameter", f"{name} is too long")
    return dict(request.query)


async def read_json(request: web.Request, kind: type[T]) -> T:
    """The body as ``kind``; an empty body is an empty object. Raises Problem: 400."""
    raw = await request.read() or b"{}"
    try:
        check_depth(raw)
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        refuse(400, "bad_body", f"the body is not what is expected: {error}"[:300])


def now_ms() -> int:
    return time.time_ns() // 1_000_000
