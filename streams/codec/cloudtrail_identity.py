"""CloudTrail's identities: what kind of session a call was made in, on what machine, and whom a call is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from streams.model.decode import decode_full

_KINDS = {
    "Root": "root", "IAMUser": "user", "AssumedRole": "role", "Role": "role", "FederatedUser": "federated",
    "WebIdentityUser": "federated", "SAMLUser": "federated", "IdentityCenterUser": "federated", "AWSService": "service",
    "AWSAccount": "account", "Directory": "user",
}  # fmt: skip
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}", re.ASCII)
#: Whom calls to identity services are about, best first.
_TARGETS = (("userName", "user"), ("roleName", "role"), ("groupName", "group"), ("policyArn", "policy"),
            ("policyName", "policy"), ("roleArn", "role"))  # fmt: skip
_IDENTITY_SERVICES = ("iam.amazonaws.com", "sts.amazonaws.com")
_ADMIN_POLICIES = ("AdministratorAccess", "IAMFullAccess")
_ALL = ("*", "*:*", "iam:*")
_MOST = 131_072  #: characters of a policy; the service takes 10,240


def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def instance(identity: Mapping[str, Any]) -> str | None:
    """The machine that the session's credentials were handed out on; its name is that of the session."""
    arn, principal = text(identity.get("arn")) or "", text(identity.get("principalId")) or ""
    name = arn.rpartition("/")[2] if ":assumed-role/" in arn else principal.rpartition(":")[2]
    return name if _INSTANCE.fullmatch(name) else None


def session_kind(identity: Mapping[str, Any]) -> str | None:
    """``root user role instance federated service account``; None where the record does not say."""
    kind = _KINDS.get(text(identity.get("type")) or "")
    if kind in (None, "role") and instance(identity):
        return "instance"
    return kind


def mfa(record: Mapping[str, Any]) -> bool | None:
    """Whether a second factor was given: for this login, or when the session began; None where nothing is said."""
    used = mapping(record.get("additionalEventData")).get("MFAUsed")
    if used is None:
        session = mapping(mapping(record.get("userIdentity")).get("sessionContext"))
        used = mapping(session.get("attributes")).get("mfaAuthenticated")
    said = str(used).lower() if isinstance(used, (str, bool)) else ""
    return {"yes": True, "true": True, "no": False, "false": False}.get(said)


def target(record: Mapping[str, Any], actor: str | None) -> tuple[str, str] | None:
    """(name, kind) of the user, role, group or policy that a call changes; a call without one is about its caller."""
    service = record.get("eventSource")
    if service is not None and service not in _IDENTITY_SERVICES:
        return None
    parameters = mapping(record.get("requestParameters"))
    for name, kind in _TARGETS:
        if (value := text(parameters.get(name))) is not None:
            return value, kind
    made = text(mapping(mapping(record.get("responseElements")).get("accessKey")).get("userName"))
    if record.get("eventName") == "CreateAccessKey" and (own := made or actor):
        return own, "user"
    return None


def grants_admin(record: Mapping[str, Any]) -> bool:
    """Whether the call gives an administrator's rights: by a policy of that name, one that allows all, or a group."""
    parameters, name = mapping(record.get("requestParameters")), str(record.get("eventName"))
    if name in ("AttachUserPolicy", "AttachRolePolicy", "AttachGroupPolicy"):
        return (text(parameters.get("policyArn")) or "").rpartition("/")[2] in _ADMIN_POLICIES
    if name in ("PutUserPolicy", "PutRolePolicy", "PutGroupPolicy", "CreatePolicy", "CreatePolicyVersion"):
        return _allows_all(parameters.get("policyDocument"))
    return name == "AddUserToGroup" and "admin" in (text(parameters.get("groupName")) or "").lower()


def _allows_all(document: Any) -> bool:
    if isinstance(document, str) and len(document) <= _MOST:
        try:
            document = decode_full((unquote(document) if document.startswith("%7B") else document).encode())
        except (ValueError, RecursionError):
            return False
    statements = mapping(document).get("Statement")
    for statement in statements if isinstance(statements, list) else [statements]:
        one = mapping(statement)
        actions = one.get("Action")
        listed = actions if isinstance(actions, list) else [actions]
        if one.get("Effect") == "Allow" and any(isinstance(action, str) and action in _ALL for action in listed):
            return True
    return False
