"""CloudTrail records to the envelope. All of the record stays reachable under its own names.

One record an event: as CloudTrail's files list them (``eventTime``), as log shippers rewrite them (``@timestamp``), or
inside an EventBridge envelope (``detail``). A whole file with ``Records`` is refused: split it first.
"""

from __future__ import annotations

from typing import Any

from streams.codec.cloudtrail_identity import grants_admin, instance, mapping, mfa, session_kind, target, text
from streams.codec.overlay import laid_over
from streams.codec.times import rfc3339
from streams.model.decode import decode_full

#: Names in requestParameters that tell the resource, best first. A bucket's key is appended to it.
_RESOURCES = (
    "bucketName", "functionName", "secretId", "keyId", "tableName", "instanceId", "roleName", "roleArn", "userName",
    "groupName", "policyArn", "dBInstanceIdentifier", "groupId", "volumeId", "snapshotId", "imageId", "topicArn",
    "queueUrl", "clusterName", "stackName", "trailName", "logGroupName", "name",
)  # fmt: skip
#: What CloudTrail writes for a name that no user has, lest a password typed in its place be kept: nobody's name.
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_DENIED = ("accessdenied", "unauthorized", "notauthorized", "forbidden", "authorizationfailure")


def _actor(identity: dict[str, Any]) -> str | None:
    """Whom to hold to account: the user; of an assumed role its issuer; else the nearest name. A hidden one is none."""
    if identity.get("userName") == _HIDDEN:
        return None
    issuer = mapping(mapping(identity.get("sessionContext")).get("sessionIssuer"))
    return (
        text(identity.get("userName"))
        or text(issuer.get("userName"))
        or text(issuer.get("arn"))
        or text(identity.get("arn"))
        or text(identity.get("invokedBy"))
        or text(identity.get("principalId"))
        or text(identity.get("accountId"))
    )


def _session(identity: dict[str, Any]) -> str | None:
    """What ties calls of one sitting together: the ARN of an assumed role's session, else the access key."""
    arn = text(identity.get("arn"))
    if arn is not None and ":assumed-role/" in arn:
        return arn
    return text(identity.get("accessKeyId")) or arn


def _outcome(record: dict[str, Any]) -> str:
    """``denied`` where permission lacked; ``failure`` for any other error or a failed console login; ``success``."""
    code = text(record.get("errorCode"))
    if code is not None and any(word in code.lower().replace(" ", "") for word in _DENIED):
        return "denied"
    login = mapping(record.get("responseElements"))
    failed = any(login.get(name) == "Failure" for name in ("ConsoleLogin", "CheckMfa", "SwitchRole"))
    return "failure" if code is not None or text(record.get("errorMessage")) or failed else "success"


def _resource(record: dict[str, Any]) -> str | None:
    parameters = mapping(record.get("requestParameters"))
    bucket, key = text(parameters.get("bucketName")), text(parameters.get("key"))
    if bucket is not None and key is not None:
        return f"{bucket}/{key}"
    for name in _RESOURCES:
        if (value := text(parameters.get(name))) is not None:
            return value
    names = parameters.get("names", parameters.get("secretIdList"))
    if isinstance(names, list) and names and (value := text(names[0])) is not None:
        return value
    resources = record.get("resources")
    for resource in resources if isinstance(resources, list) else ():
        if (arn := text(mapping(resource).get("ARN"))) is not None:
            return arn
    return None


def cloudtrail(raw: bytes) -> dict[str, Any]:
    """The envelope of one CloudTrail record. Raises ValueError for what is none, or has an unreadable time."""
    return cloudtrail_envelope(decode_full(raw))


def cloudtrail_envelope(record: dict[str, Any]) -> dict[str, Any]:
    """The same, of a decoded record."""
    if "eventName" not in record and isinstance(record.get("detail"), dict) and "eventName" in record["detail"]:
        record = record["detail"]
    if text(record.get("eventName")) is None:
        if isinstance(record.get("Records"), list):
            raise ValueError(f"a CloudTrail file of {len(record['Records'])} records: send each record as an event")
        raise ValueError("not a CloudTrail record: it has no eventName")
    identity = mapping(record.get("userIdentity"))
    actor = _actor(identity)
    about, kind = target(record, actor) or (None, None)
    mapped = {
        "event_id": record.get("eventID"),
        "event_time": record.get("eventTime", record.get("@timestamp")),
        "tenant": text(record.get("recipientAccountId")) or text(identity.get("accountId")),
        "source": record.get("eventSource"),
        "type": record["eventName"],
        "action": record["eventName"],
        "actor": actor,
        "session": _session(identity),
        "source_ip": record.get("sourceIPAddress"),
        "outcome": _outcome(record),
        "resource": _resource(record),
        "session_kind": session_kind(identity),
        "instance": instance(identity),
        "mfa": mfa(record),
        "user_agent": record.get("userAgent"),
        "target": about,
        "target_kind": kind,
        "grants_admin": grants_admin(record) or None,
        "reason": text(record.get("errorCode")) or text(record.get("errorMessage")),
    }
    if mapped["event_time"] is not None:
        try:
            mapped["event_time"] = rfc3339(mapped["event_time"])
        except ValueError as error:
            raise ValueError(f"eventTime: {error}") from None
    return laid_over(record, mapped)
