"""What the API answers: JSON always, errors with a named code, and never a secret or a traceback."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from aiohttp import web

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Problem(Exception):
    """An answer that is an error. ``code`` is for programs, ``message`` for people."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> web.Response:
        return answer({"error": {"code": self.code, "message": self.message}}, self.status, self.headers)


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode(document) + b"\n"
    return web.Response(status=status, body=body, content_type="application/json", headers=_HEADERS | (headers or {}))


def refuse(status: int, code: str, message: str) -> NoReturn:
    raise Problem(status, code, message)
