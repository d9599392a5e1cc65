"""Buttons of ``connectors.notifiers.slack``: the signature (``v0``) and the command that a press asks for.

The tenant stands in the button's value. It is believed because Slack signs what our bot wrote; the signing secret of
the app is therefore as strong as a key to every tenant whose alerts that bot posts.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs

from connectors.inbound.signed import Refused, hex_digest, same
from streams.model import Action, Command, content_hash

_SKEW_S = 300
_ACTIONS = {"tocsin_acknowledge": Action.ACKNOWLEDGE, "tocsin_resolve": Action.RESOLVE}
_LONGEST = 256 * 1024


def verify(secret: str, timestamp: str | None, signature: str | None, body: bytes, now_s: int) -> Refused | None:
    """None where Slack sent it: ``X-Slack-Request-Timestamp``, ``X-Slack-Signature`` and the body as it came."""
    if not secret:
        return Refused.NO_SECRET
    if not timestamp or not signature:
        return Refused.NO_SIGNATURE
    if not re.fullmatch(r"\d{1,12}", timestamp, re.ASCII) or abs(now_s - int(timestamp)) > _SKEW_S:
        return Refused.STALE
    wanted = "v0=" + hex_digest(secret, b"v0:" + timestamp.encode() + b":" + body)
    return None if same(wanted, signature) else Refused.WRONG


def commands(body: bytes, now_ms: int) -> list[Command]:
    """What the presses in a verified body ask for; empty for other interactions. Raises ValueError for nonsense.

    Slack sends a press again where we answer late: the same press makes the same id, which is applied once.
    """
    if len(body) > _LONGEST:
        raise ValueError("the interaction is too large")
    try:
        document = json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
    except (KeyError, ValueError, RecursionError):
        raise ValueError("not an interaction of Slack") from None
    if not isinstance(document, dict) or document.get("type") != "block_actions":
        return []
    pressed = document.get("actions")
    user = document.get("user")
    by = user.get("username") or user.get("id") if isinstance(user, dict) else None
    if not isinstance(pressed, list) or not isinstance(by, str):
        raise ValueError("an interaction without actions or user")
    return [command for one in pressed if (command := _command(one, by[:100], now_ms)) is not None]


def _command(pressed: Any, by: str, now_ms: int) -> Command | None:
    if not isinstance(pressed, dict) or pressed.get("action_id") not in _ACTIONS:
        return None
    action = _ACTIONS[pressed["action_id"]]
    try:
        value = json.loads(pressed["value"])
        alert, tenant, press = value["alert"], value["tenant"], pressed["action_ts"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("a button whose value is not ours") from None
    if not all(isinstance(text, str) and 0 < len(text) <= 2000 for text in (alert, tenant, press)):
        raise ValueError("a button whose value is not ours")
    return Command(
        id=content_hash("slack", press, action.value, tenant, alert),
        action=action,
        alert_id=alert,
        tenant=tenant,
        by=f"slack:{by}",
        at=now_ms,
    )
