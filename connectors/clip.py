"""Text made fit to show: nothing invisible in it, no longer than a vendor takes, and where it was cut one sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import msgspec

CUT = "… [cut]"
_LAYOUT = frozenset("\n\t\u200c\u200d")  # the joiners: emoji and several scripts are wrong without them
Escape = Callable[[str], str]
_MARKDOWN = re.compile(r"[\\`*_\[\]()<>#|~@]|^[ \t]*[-+]|:(?=//)", re.MULTILINE)


def clean(value: object, limit: int = 2000) -> str:
    """Any value as text without control, bidirectional and other invisible characters, cut at ``limit`` characters."""
    if not isinstance(value, str):
        try:
            value = msgspec.json.encode(value).decode()
        except (TypeError, ValueError, OverflowError, RecursionError):
            value = repr(value)
    text = "".join(ch if ch.isprintable() or ch in _LAYOUT else "\ufffd" for ch in value[: limit + 1])
    return text if len(text) <= limit else text[: max(0, limit - len(CUT))] + CUT[:limit]


def one_line(value: object, limit: int = 300) -> str:
    return " ".join(clean(value, limit).split())


def length(text: str) -> int:
    """In UTF-16 units, as most vendors count; never less than the number of characters."""
    return len(text) + sum(ch > "\uffff" for ch in text)


def size(text: str) -> int:
    """In bytes of UTF-8."""
    return len(text.encode("utf-8", "replace"))


def fit(text: str, limit: int, escape: Escape = str, measure: Callable[[str], int] = length) -> str:
    """``text`` escaped, cut before escaping so that the outcome measures at most ``limit`` and no escape is torn."""
    whole = escape(text[: limit + 1])
    if len(text) <= limit and measure(whole) <= limit:
        return whole
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(escape(text[:middle] + CUT)) <= limit:
            low = middle
        else:
            high = middle - 1
    return escape(text[:low] + CUT) if measure(escape(CUT)) <= limit else ""


def as_slack(text: str) -> str:
    """Slack's three: nothing in it is a link, a mention or a channel then."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_html(text: str) -> str:
    return as_slack(text).replace('"', "&quot;").replace("'", "&#39;")


def as_json(text: str) -> str:
    """As it stands between the quotes of a JSON text."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def as_markdown(text: str) -> str:
    """Markdown as Discord and Teams read it: what could begin something, or make a link, has a backslash before it."""
    return _MARKDOWN.sub(r"\\\g<0>", text)
