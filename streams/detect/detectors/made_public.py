"""Changes that open data to everybody: policies, access lists, shared snapshots and images, lowered guards.

The shapes are those of AWS CloudTrail, as rules of Prowler, Panther and CIS AWS Foundations (2.1, S3 public access)
look at them; MITRE ATT&CK T1530 and T1537.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from streams.detect.detectors import Event, Found

_EVERYBODY = ("/allusers", "/authenticatedusers")
_ACLS = frozenset(("public-read", "public-read-write", "authenticated-read"))
_GUARDS = frozenset(("blockpublicacls", "ignorepublicacls", "blockpublicpolicy", "restrictpublicbuckets"))
_NODES, _LONGEST = 5_000, 100_000
_decode = msgspec.json.Decoder().decode


class MadePublic:
    """Fires on a request that lets everybody in, by its parameters; ``way`` says how.

    Told are: a policy that allows ``*`` without a condition, an access list for all or for all signed-in users, a
    snapshot or an image shared with all, a function that anybody may call, a guard against public access that is set to
    false. Settings: ``parameters`` (requestParameters), a field; policies in it may be objects or JSON text. Of one
    request at most 5,000 values are looked at. There is no state.
    """

    keeps: str | int = "1d"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._parameters = str(settings.get("parameters", "requestParameters"))
        self.fields: Sequence[str] = (self._parameters,)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        way = _way(event.fields.get(self._parameters))
        return state, [Found(1, detail={"way": way})] if way else []


def _way(parameters: Any) -> str:
    for name, value, parent in _walked(parameters):
        if name in ("principal", "aws") and _has(value, "*") and _is_open(parent, parameters):
            return "policy"
        if name == "uri" and isinstance(value, str) and value.lower().endswith(_EVERYBODY):
            return "acl"
        if name in ("x-amz-acl", "acl", "cannedacl") and any(_has(value, acl) for acl in _ACLS):
            return "acl"
        if name == "group" and _has(value, "all"):
            return "shared with all"
        if name == "valuestoadd" and _has(value, "all"):
            return "shared with all"
        if name in _GUARDS and value is False:
            return "guard lowered"
        if name == "authtype" and value == "NONE":
            return "callable by anybody"
    return ""


def _is_open(statement: Mapping[str, Any], parameters: Any) -> bool:
    """Whether this statement of a policy, or the parameters of a function's permission, narrows nothing."""
    if "effect" in statement:
        return statement["effect"] == "Allow" and not statement.get("condition")
    narrowed = ("sourcearn", "sourceaccount", "principalorgid")
    return statement.get("principal") == "*" and not any(statement.get(name) for name in narrowed)


def _walked(parameters: Any) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """(name, value, the object it stands in) of all names, in lower case, JSON in text included."""
    waiting: list[tuple[Any, Mapping[str, Any]]] = [(parameters, {})]
    for _ in range(_NODES):
        if not waiting:
            return
        value, above = waiting.pop()
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and len(value) <= _LONGEST:
            try:
                value = _decode(value)
            except (msgspec.DecodeError, RecursionError, UnicodeError):
                continue
        if isinstance(value, list):
            waiting += [(item, above) for item in reversed(value)]
        elif isinstance(value, dict):
            own = {str(name).lower(): item for name, item in value.items()}
            # the principal of a statement may be an object of its own: {"AWS": "*"} stands in the statement
            inside = above if "aws" in own and "effect" in above else own
            yield from ((name, item, inside) for name, item in own.items())
            waiting += [(item, own) for name, item in own.items() if name != "remove"]


def _has(value: Any, word: str) -> bool:
    return value == word or (isinstance(value, list) and word in value)
