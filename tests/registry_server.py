"""A schema registry of our own, for tests: Confluent's REST API as its clients use it, over real HTTP.

Schemas are kept in memory. A new version of a subject must be able to read the one before it (BACKWARD, its default),
by Apache Avro's own checker. ``failures`` and ``password`` make it misbehave, ``asked`` tells what it was asked.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Mapping
from typing import Any, Self

from aiohttp import web

from schemas.compatibility import _avro
from schemas.library import _fill

SUBJECT_UNKNOWN, VERSION_UNKNOWN, SCHEMA_UNKNOWN, INVALID = 40401, 40402, 40403, 42201


class _Error(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class RegistryServer:
    """Serves from ``with`` to its end, on a thread of its own; ``url`` is where."""

    def __init__(self, username: str = "", password: str = "", token: str = "") -> None:
        self._login = (username, password, token)
        self.schemas: list[dict[str, Any]] = []  #: by id - 1
        self.subjects: dict[str, list[int]] = {}  #: ids, by version - 1
        self.levels: dict[str, str] = {"": "BACKWARD"}
        self.asked: list[str] = []  #: "GET /subjects"
        self.failures: list[int] = []  #: statuses of the next answers
        self.url = ""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="registry", daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> str:
        app = web.Application(middlewares=[self._guard])
        app.add_routes([
            web.get("/subjects", self._subjects),
            web.get("/subjects/{subject}/versions", self._versions),
            web.get("/subjects/{subject}/versions/{version}", self._version),
            web.post("/subjects/{subject}/versions", self._register),
            web.post("/subjects/{subject}", self._look_up),
            web.get("/schemas/ids/{id}", self._schema),
            web.post("/compatibility/subjects/{subject}/versions/{version}", self._compatible),
            web.get("/config", self._level),
            web.put("/config", self._set_level),
            web.get("/config/{subject}", self._level),
            web.put("/config/{subject}", self._set_level),
        ])  # fmt: skip
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if self.failures:
            return web.Response(status=self.failures.pop(0), text="<html>not today</html>")
        if not self._may(request.headers):
            return web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)
        try:
            answer = await handler(request)
        except _Error as error:
            return web.json_response({"error_code": error.code, "message": error.message}, status=error.status)
        return web.json_response(answer, content_type="application/vnd.schemaregistry.v1+json")

    def _may(self, headers: Mapping[str, str]) -> bool:
        username, password, token = self._login
        if token:
            return headers.get("Authorization") == f"Bearer {token}"
        wanted = base64.b64encode(f"{username}:{password}".encode()).decode()
        return not username or headers.get("Authorization") == f"Basic {wanted}"

    # -- what it knows

    def add(self, subject: str, schema: Any, references: Any = ()) -> int:
        """Register a schema; its id. Raises _Error where it is none, or does not fit the one before it."""
        entry = {"schema": schema if isinstance(schema, str) else json.dumps(schema)}
        if references:
            entry["references"] = list(references)
        before = self.subjects.get(subject, [])
        problems = self._problems(entry, before[-1], subject) if before else self._checked(entry)
        if problems:
            raise _Error(409, 409, f"Schema being registered is incompatible with an earlier schema: {problems}")
        if entry not in self.schemas:
            self.schemas.append(entry)
        schema_id = self.schemas.index(entry) + 1
        versions = self.subjects.setdefault(subject, [])
        if schema_id not in versions:
            versions.append(schema_id)
        return schema_id

    def _checked(self, entry: dict[str, Any]) -> list[Any]:
        self._avro(self._whole(entry), self._whole(entry))
        return []

    def _problems(self, entry: dict[str, Any], old: int, subject: str) -> list[Any]:
        new, level = self._whole(entry), self.levels.get(subject, self.levels[""])
        before = self._whole(self.schemas[old - 1])
        found: list[Any] = []
        if level in ("BACKWARD", "FULL"):
            found += self._avro(new, before)
        if level in ("FORWARD", "FULL"):
            found += self._avro(before, new)
        return found if level != "NONE" else self._checked(entry)

    def _avro(self, reader: Any, writer: Any) -> list[Any]:
        try:
            return list(_avro(reader, writer))
        except Exception as error:  # Apache Avro raises a dozen kinds for what is no schema
            raise _Error(422, INVALID, f"Invalid schema: {error}") from None

    def _whole(self, entry: Mapping[str, Any]) -> Any:
        """The schema with the definitions of what it refers to put in place."""
        wanted: dict[str, Any] = {}
        return _fill(wanted, self._into(wanted, entry))

    def _into(self, wanted: dict[str, Any], entry: Mapping[str, Any]) -> Any:
        for reference in entry.get("references", ()):
            referred = self.schemas[self._id(reference["subject"], reference["version"]) - 1]
            wanted[reference["name"]] = self._into(wanted, referred)
        try:
            return json.loads(entry["schema"])
        except ValueError as error:
            raise _Error(422, INVALID, f"Invalid schema: {error}") from None

    def _id(self, subject: str, version: Any) -> int:
        if subject not in self.subjects:
            raise _Error(404, SUBJECT_UNKNOWN, f"Subject '{subject}' not found.")
        known = self.subjects[subject]
        number = len(known) if version == "latest" else int(version) if str(version).isdecimal() else 0
        if not 1 <= number <= len(known):
            raise _Error(404, VERSION_UNKNOWN, f"Version {version} not found.")
        return known[number - 1]

    # -- the endpoints

    async def _subjects(self, _: web.Request) -> Any:
        return sorted(self.subjects)

    async def _versions(self, request: web.Request) -> Any:
        subject = request.match_info["subject"]
        self._id(subject, "latest")
        return list(range(1, len(self.subjects[subject]) + 1))

    async def _version(self, request: web.Request) -> Any:
        subject = request.match_info["subject"]
        schema_id = self._id(subject, request.match_info["version"])
        number = self.subjects[subject].index(schema_id) + 1
        return {"subject": subject, "version": number, "id": schema_id, **self.schemas[schema_id - 1]}

    async def _register(self, request: web.Request) -> Any:
        body = await request.json()
        return {"id": self.add(request.match_info["subject"], body["schema"], body.get("references", ()))}

    async def _look_up(self, request: web.Request) -> Any:
        subject, body = request.match_info["subject"], await request.json()
        self._id(subject, "latest")
        for number, schema_id in enumerate(self.subjects[subject], 1):
            entry = self.schemas[schema_id - 1]
            if json.loads(entry["schema"]) == json.loads(body["schema"]):
                return {"subject": subject, "version": number, "id": schema_id, **entry}
        raise _Error(404, SCHEMA_UNKNOWN, "Schema not found")

    async def _schema(self, request: web.Request) -> Any:
        number = int(request.match_info["id"])
        if not 1 <= number <= len(self.schemas):
            raise _Error(404, SCHEMA_UNKNOWN, f"Schema {number} not found")
        return self.schemas[number - 1]

    async def _compatible(self, request: web.Request) -> Any:
        subject, body = request.match_info["subject"], await request.json()
        old = self._id(subject, request.match_info["version"])
        return {"is_compatible": not self._problems(body, old, subject)}

    async def _level(self, request: web.Request) -> Any:
        return {"compatibilityLevel": self.levels.get(request.match_info.get("subject", ""), self.levels[""])}

    async def _set_level(self, request: web.Request) -> Any:
        level = (await request.json())["compatibility"]
        if level not in ("BACKWARD", "FORWARD", "FULL", "NONE"):
            raise _Error(422, 42203, f"Invalid compatibility level {level}")
        self.levels[request.match_info.get("subject", "")] = level
        return {"compatibility": level}
