"""What a line of sshd says: the envelope's fields for each of its messages.

One attempt to log in writes several lines (Invalid user, pam_unix … authentication failure, Failed password, PAM 2 more
authentication failures, Connection closed). Exactly one of them is a login that failed: ``Failed …``, or
``error: PAM: …`` where the method is keyboard-interactive by way of PAM, whose ``Failed`` line sshd leaves out for the
first tries. The others have types and actions of their own, so that nothing is counted twice; ``PAM N more
authentication failures`` sums up failures that each had their line. ``message repeated N times`` is its message with
``repeat: N``.

Names are whatever a stranger typed: they may hold blanks and words of these very messages, so the address is always the
last one of the line.
"""

from __future__ import annotations

import re
from typing import Any

_REPEATED = re.compile(r"message repeated (\d{1,6}) times: \[ ?(.*?) ?\]", re.DOTALL)
_PREFIXES = ("error: ", "fatal: ", "warning: ", "info: ")
_FROM = r" from (?P<ip>[^\s,]+)"
_PORT = r"(?: port (?P<port>\d{1,5}))?"
_WHO = r"(?:(?P<invalid>invalid|illegal|authenticating) )?user (?P<user>.*) (?P<ip>\S+) port (?P<port>\d{1,5})"

#: (pattern of the whole message, type, action, outcome), the first that fits. A dollar is added.
_TABLE: tuple[tuple[str, str, str, str | None], ...] = (
    (r"Failed none for (?P<invalid>invalid user |illegal user )?(?P<user>.*)" + _FROM + _PORT + r"(?: ssh\d?)?",
     "ssh.probe", "login_probe", "failure"),
    (r"Failed (?P<method>keyboard-interactive/pam) for (?P<invalid>invalid user |illegal user )?(?P<user>.*)" + _FROM
     + _PORT + r"(?: ssh\d?)?", "ssh.method_failed", "login_method", "failure"),
    (r"Failed (?P<method>\S+) for (?P<invalid>invalid user |illegal user )?(?P<user>.*)" + _FROM + _PORT
     + r"(?: ssh\d?)?(?:: [^\n]*)?", "ssh.failed", "login", "failure"),
    (r"PAM: (?P<reason>.+) for (?P<invalid>invalid user |illegal user )?(?P<user>.*)" + _FROM,
     "ssh.failed", "login", "failure"),
    (r"Accepted (?P<method>\S+) for (?P<user>.*)" + _FROM + _PORT + r"(?: ssh\d?)?(?:: [^\n]*)?",
     "ssh.accepted", "login", "success"),
    (r"(?P<invalid>Invalid|Illegal) user (?P<user>.*)" + _FROM + _PORT, "ssh.invalid_user", "invalid_user", "failure"),
    (r"input_userauth_request: (?P<invalid>invalid|illegal) user (?P<user>.*)", "ssh.invalid_user", "invalid_user",
     "failure"),
    (r"User (?P<user>.*)" + _FROM + r" not allowed because (?P<reason>.*)", "ssh.not_allowed", "login_refused",
     "denied"),
    (r"ROOT LOGIN REFUSED FROM (?P<ip>\S+)" + _PORT, "ssh.not_allowed", "login_refused", "denied"),
    (r"maximum authentication attempts exceeded for (?P<invalid>invalid user |illegal user )?(?P<user>.*)" + _FROM
     + _PORT + r"(?: ssh\d?)?", "ssh.too_many_failures", "login_attempts_exceeded", "failure"),
    (r"Disconnecting " + _WHO + r": Too many authentication failures.*", "ssh.too_many_failures",
     "login_attempts_exceeded", "failure"),
    (r"Disconnecting(?: (?P<ip>\S+) port (?P<port>\d{1,5}))?: Too many authentication failures(?: for (?P<user>.*))?",
     "ssh.too_many_failures", "login_attempts_exceeded", "failure"),
    (r"PAM (?P<repeat>\d{1,6}) more authentication failures?;(?P<pam>.*)", "ssh.pam_summary", "login_failures_summary",
     "failure"),
    (r"PAM service\(\S+\) ignoring max retries; .*", "ssh.too_many_failures", "login_attempts_exceeded", "failure"),
    (r"pam_\w+\(sshd:auth\): authentication failure;(?P<pam>.*)", "ssh.pam_failure", "pam_authentication", "failure"),
    (r"pam_\w+\(sshd:auth\): check pass; user unknown", "ssh.pam_failure", "pam_authentication", "failure"),
    (r"pam_\w+\(sshd:session\): session opened for user (?P<user>.*?)(?:\(uid=\d+\))? by .*", "ssh.session",
     "session_opened", "success"),
    (r"pam_\w+\(sshd:session\): session closed for user (?P<user>.*)", "ssh.session", "session_closed", "success"),
    (r"Connection (?:closed|reset) by " + _WHO, "ssh.disconnected", "disconnect", None),
    (r"Connection (?:closed|reset) by (?P<ip>\S+)" + _PORT, "ssh.disconnected", "disconnect", None),
    (r"Disconnected from " + _WHO, "ssh.disconnected", "disconnect", None),
    (r"Disconnected from (?P<ip>\S+)" + _PORT, "ssh.disconnected", "disconnect", None),
    (r"Received disconnect from (?P<ip>\S+?)" + _PORT + r": ?\d+: .*", "ssh.disconnected", "disconnect", None),
    (r"Did not receive identification string" + _FROM + _PORT, "ssh.scan", "connect", "failure"),
    (r"Bad protocol version identification .*" + _FROM + _PORT, "ssh.scan", "connect", "failure"),
    (r"banner exchange: Connection" + _FROM + _PORT + r":.*", "ssh.scan", "connect", "failure"),
    (r"Unable to negotiate with (?P<ip>\S+)" + _PORT + r":.*", "ssh.scan", "connect", "failure"),
    (r"reverse mapping checking getaddrinfo for .* \[(?P<ip>[^\]\s]+)\] failed.*", "ssh.reverse_mapping", "connect",
     None),
    (r"Address (?P<ip>\S+) maps to .*, but this does not map back to the address.*", "ssh.reverse_mapping", "connect",
     None),
    (r"Connection" + _FROM + _PORT + r" on .*", "ssh.connection", "connect", None),
)  # fmt: skip
#: With the words that each begins with, so that most are passed over without a look at their pattern.
_PATTERNS = tuple(
    (re.split(r"[^A-Za-z ]", pattern, maxsplit=1)[0], re.compile(pattern, re.DOTALL), kind, action, outcome)
    for pattern, kind, action, outcome in _TABLE
)
_PAM = re.compile(r"(?:^|\s)(rhost|user)=(\S*)")


def said(message: str) -> dict[str, Any]:
    """``type``, ``action`` and what else the message says; of one that is not known ``ssh.other`` and ``log``."""
    message, repeat = message.strip(), 1
    if (repeated := _REPEATED.fullmatch(message)) is not None:
        repeat, message = max(1, int(repeated[1])), repeated[2]
    message = message.removesuffix(" [preauth]")
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    for words, pattern, kind, action, outcome in _PATTERNS:
        if message.startswith(words) and (match := pattern.fullmatch(message)) is not None:
            fields = {"type": kind, "action": action, "outcome": outcome, **_fields(match.groupdict())}
            if repeat > 1 or action == "login":
                fields["repeat"] = repeat
            return fields
    return {"type": "ssh.other", "action": "log"}


def _fields(groups: dict[str, str | None]) -> dict[str, Any]:
    pam = {name: value for name, value in _PAM.findall(groups.get("pam") or "") if value}
    user, port, repeat = groups.get("user") or pam.get("user"), groups.get("port"), groups.get("repeat")
    return {
        "actor": user,
        "source_ip": groups.get("ip") or pam.get("rhost"),
        "source_port": int(port) if port else None,
        "method": groups.get("method"),
        "reason": groups.get("reason"),
        "invalid_user": True if (groups.get("invalid") or "").lower().startswith(("invalid", "illegal")) else None,
        "repeat": int(repeat) if repeat else None,
    }
