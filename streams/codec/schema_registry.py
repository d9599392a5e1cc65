"""A Confluent-compatible schema registry over HTTP: schemas by id, and the id of a schema under a subject.

An id never changes its meaning, so what was found is kept for good, on disk as well: a restart, or a replay, needs the
registry only for what it has not seen. That the registry does not answer is no event's fault (``SourceUnavailable``);
that it knows no such id is (``ValueError``).
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import ssl
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streams.codec.avro_schema import Schema, prepare
from streams.errors import ConfigError, SourceUnavailable

_TIMEOUT = 4.0  #: seconds for one answer
_PAUSES = (0.2, 0.4, 0.8)  #: seconds between attempts: with the timeouts, well below what a batch may take
_LARGEST = 5_000_000  #: bytes of an answer
_MOST_REFERENCES = 100
_SUBJECT_UNKNOWN, _VERSION_UNKNOWN, _SCHEMA_UNKNOWN = 40401, 40402, 40403
_TYPE = "application/vnd.schemaregistry.v1+json"

Pause = Callable[[float], object]


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in, resolved: a token, or a name and a password; neither: not at all."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        if self.username:
            both = base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")
            return {"Authorization": f"Basic {both}"}
        return {}


class NotThere(Exception):
    """The registry said that it has no such thing; ``code`` is its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Refused(Exception):
    """The registry does not take what was sent; the text is its own."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the login to wherever it leads."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Registry:
    """``url`` is where ``/schemas/ids/1`` stands below. ``kept``: a folder for schemas; None: only in memory."""

    def __init__(
        self, url: str, login: Login = Login(), *, ca: str | None = None, kept: Path | None = None,
        pause: Pause = _wait,
    ) -> None:  # fmt: skip
        self.url, self._login, self._pause = url.rstrip("/"), login, pause
        handlers: list[Any] = [_NoRedirect()]
        if self.url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)))
        self._opener = urllib.request.build_opener(*handlers)
        self._kept = None if kept is None else kept / hashlib.sha256(self.url.encode()).hexdigest()[:16]

    # -- reading

    def schema(self, schema_id: int) -> Schema:
        """The schema with an id. Raises ValueError where there is none or it is no use, else SourceUnavailable."""
        texts = self._from_disk(schema_id)
        if texts is None:
            try:
                texts = self._texts(self.call("GET", f"/schemas/ids/{schema_id}"))
            except NotThere:
                raise ValueError(f"the schema registry knows no schema {schema_id}") from None
            self._to_disk(schema_id, texts)
        try:
            return prepare(texts[-1], texts[:-1])
        except ValueError as error:
            raise ValueError(f"schema {schema_id}: {error}") from None

    def _texts(self, answer: Mapping[str, Any]) -> list[str]:
        """The text of a schema behind those it refers to, each once, in the order of need."""
        kind = answer.get("schemaType") or "AVRO"
        if kind != "AVRO":
            raise ValueError(f"it is {str(kind)[:40]}, not Avro")
        seen: set[tuple[str, int]] = set()
        texts: list[str] = []

        def take(part: Mapping[str, Any]) -> None:
            for reference in part.get("references") or ():
                name = str(reference["subject"]), int(reference["version"])
                if name in seen:
                    continue
                seen.add(name)
                if len(seen) > _MOST_REFERENCES:
                    raise ValueError(f"the schema refers to more than {_MOST_REFERENCES} others")
                take(self.call("GET", f"/subjects/{quote(name[0], safe='')}/versions/{name[1]}"))
            texts.append(str(part["schema"]))

        try:
            take(answer)
        except (KeyError, TypeError, RecursionError):
            raise self._odd("a schema without its parts") from None
        return texts

    def _from_disk(self, schema_id: int) -> list[str] | None:
        if self._kept is None:
            return None
        try:
            texts = json.loads((self._kept / f"{schema_id}.json").read_bytes())
        except (OSError, ValueError, RecursionError):  # not there, or not whole: it is asked for again
            return None
        return texts if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts) else None

    def _to_disk(self, schema_id: int, texts: list[str]) -> None:
        if self._kept is None:
            return
        with suppress(OSError):  # it is there to save a question
            self._kept.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._kept)
            with os.fdopen(handle, "w") as file:
                json.dump(texts, file)
            os.replace(name, self._kept / f"{schema_id}.json")

    # -- subjects

    def id_of(self, subject: str, schema: str) -> int | None:
        """The id of a schema under a subject; None where it is not registered there."""
        try:
            answer = self.call("POST", f"/subjects/{quote(subject, safe='')}", {"schema": schema})
        except NotThere:
            return None
        return self._id(answer)

    def register(self, subject: str, schema: str) -> int:
        """Register a schema under a subject; its id. Raises Refused where it does not fit those before it."""
        return self._id(self.call("POST", f"/subjects/{quote(subject, safe='')}/versions", {"schema": schema}))

    def _id(self, answer: Mapping[str, Any]) -> int:
        found = answer.get("id")
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**32:
            raise self._odd("no id")
        return found

    # -- the wire

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One question, asked again a few times where nothing, or a server's error, comes back.

        Raises NotThere, Refused, or SourceUnavailable for whatever else is no answer.
        """
        headers = {"Accept": _TYPE, **self._login.headers()}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), _TYPE
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        for pause in (*_PAUSES, None):
            try:
                with self._opener.open(request, timeout=_TIMEOUT) as answer:
                    return self._object(answer.read(_LARGEST + 1))
            except urllib.error.HTTPError as error:
                why = self._refused(error)
            except (OSError, http.client.HTTPException) as error:
                why = (str(getattr(error, "reason", "")) or str(error) or type(error).__name__)[:200]
            if pause is not None:
                self._pause(pause)
        raise SourceUnavailable(
            f"the schema registry at {self.url} does not answer: {why}", "check schema_registry.url"
        )

    def _refused(self, error: urllib.error.HTTPError) -> str:
        """Why it is worth asking again; raises where it is not."""
        code, said = 0, ""
        with suppress(ValueError, OSError, RecursionError, http.client.HTTPException):
            told = json.loads(error.read(_LARGEST))
            code, said = int(told["error_code"]), str(told.get("message", ""))[:500]
        error.close()
        if error.code == 404 and code in (_SUBJECT_UNKNOWN, _VERSION_UNKNOWN, _SCHEMA_UNKNOWN):
            raise NotThere(code, said)
        if error.code in (409, 422):
            raise Refused(said or f"status {error.code}")
        if error.code in (401, 403):
            raise SourceUnavailable(
                f"the schema registry at {self.url} refuses the login: status {error.code}",
                "check schema_registry: username and password, or token",
            )
        if error.code < 500 and error.code not in (408, 429):
            raise self._odd(f"status {error.code}")
        return f"status {error.code}"

    def _object(self, data: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(data) if len(data) <= _LARGEST else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._odd("no JSON object")
        return answer

    def _odd(self, what: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"what is at {self.url} does not answer as a schema registry does: {what}", "check schema_registry.url"
        )


def local_schema(path: Path) -> Schema:
    """The schema in an .avsc file. Raises ConfigError."""
    try:
        return prepare(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", "give the path of an .avsc file") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", "it must be a valid Avro schema of a record") from None
