"""``POST /api/v1/alerts/process-event``: an event handed in, checked and put on its source's topic under its key."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

import schemas
from streams.api.answers import answer, refuse
from streams.api.auth import May
from streams.api.request import Calls, query, tenant_of
from streams.model import Source
from streams.model.decode import decode_full
from streams.runtime.asking import Asking

PATH = "/api/v1/alerts/process-event"
_encode = msgspec.json.Encoder().encode


class Events:
    """``sources``: those whose payloads are JSON, by name."""

    def __init__(self, sources: Mapping[str, Source], asking: Asking, calls: Calls) -> None:
        self._sources, self._asking, self._calls = sources, asking, calls

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.process)]

    async def process(self, request: web.Request) -> web.Response:
        """202 and the position of the record, once the brokers have it: what rules make of it follows.

        An envelope without ``event_id`` gets one, so that nothing sent twice by Kafka's clients counts twice; give
        your own and you may send it again yourself.
        """
        key = self._calls.admit(request, May.INGEST)
        given = query(request, {"tenant_id", "source"})
        tenant, source = tenant_of(request, key), self._sources.get(given.get("source", "audit"))
        if source is None:
            refuse(400, "unknown_source", f"?source= is one of {', '.join(sorted(self._sources))}")
        raw = await request.read()
        value, envelope = _mapped(raw, source, tenant) if source.mapping else _native(raw, source, tenant)
        parts = [envelope.get(name) for name in source.partition_by]
        where = await self._asking.produce(source.topic, value, _encode(parts))
        return answer({"event_id": envelope.get("event_id"), "position": where, "source": source.name}, 202)


def _native(raw: bytes, source: Source, tenant: str) -> tuple[bytes, dict[str, Any]]:
    event = _decoded(raw)
    if event.setdefault("tenant", tenant) != tenant:
        refuse(403, "another_tenant", "the event says that it is another tenant's")
    event.setdefault("event_id", uuid.uuid4().hex)
    subject = source.topic if source.topic in schemas.subjects() else f"{source.name}.events"
    if subject in schemas.subjects() and (problems := schemas.validate(subject, event)):
        refuse(422, "invalid_event", "; ".join(problems)[:1000])
    return _encode(event), event


def _mapped(raw: bytes, source: Source, tenant: str) -> tuple[bytes, dict[str, Any]]:
    """A foreign payload stays byte for byte as it is; whose it is, its mapping tells."""
    _decoded(raw)
    assert source.mapping is not None
    try:
        envelope = source.mapping(raw)
    except Exception as error:  # a mapping may raise anything on what it does not understand
        refuse(422, "invalid_event", f"{type(error).__name__}: {error}"[:300])
    if envelope.get("tenant", source.default_tenant) != tenant:
        refuse(403, "another_tenant", "by its mapping the event is another tenant's")
    return raw, envelope | {"tenant": tenant}


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        return decode_full(raw)
    except (ValueError, RecursionError) as error:
        refuse(400, "bad_body", f"the body is not an object in JSON: {error}"[:300])
