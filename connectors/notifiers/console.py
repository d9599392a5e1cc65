"""Console: one alert, one block, to a file descriptor (Faust owns ``sys.stdout``)."""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.base import Delivered, Item, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.settings import Block
from connectors.times import duration, rfc3339
from streams.model import Alert, Notification
from streams.rules.template import shown

_COLOURS = {"critical": "1;37;41", "high": "1;31", "medium": "1;33", "low": "1;36", "info": "1;34"}
_DIM = "2"
_PIECE = 4096  # PIPE_BUF: a write of so much to a writable pipe never blocks, and is not mixed with another's
_LONGEST = 400
_LISTED = 10  #: alerts of a group


class ConsoleConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``descriptor`` 1 is stdout; with ``path`` (relative to the data directory) it appends to that file instead."""

    colour: str = "auto"  #: auto, always or never
    descriptor: int = 1
    path: str = ""


def read_config(block: Block) -> ConsoleConfig:
    path = block.text("path", "")
    if "\0" in path:
        block.problem("path", "must be the path of a file")
    return ConsoleConfig(
        colour=block.choice("colour", ("auto", "always", "never"), "auto"),
        descriptor=block.integer("descriptor", 1, 0, 1_000_000),
        path=path,
    )


def plain(value: Any, limit: int = _LONGEST) -> str:
    """Any value on one line, without control characters: an event must not paint on an operator's terminal."""
    if not isinstance(value, str):
        try:
            value = msgspec.json.encode(value).decode()
        except (TypeError, ValueError, RecursionError):
            value = repr(value)[:limit]
    text = "".join(ch if ch.isprintable() else "\ufffd" for ch in value[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def render(alert: Alert, reason: str, at: int, colour: bool, note: Notification | None = None) -> str:
    """What fired, why, for which key, on which evidence, and where to look next; of a group all that it tells of."""

    def paint(code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour else text

    word = alert.severity_word if alert.severity_word.lower() != alert.severity.value else ""
    shown = alert.severity.value.upper() + (f" ({plain(word, 20)})" if word else "")
    key = " · ".join(
        [f"tenant {plain(alert.tenant, 80)}", *(f"{plain(k, 60)} {plain(v, 120)}" for k, v in alert.key.items())]
    )
    mark = f"ESCALATED to level {note.escalation_level} · " if note is not None and note.escalation_level else ""
    lines = [
        f"{mark}{paint(_COLOURS[alert.severity.value], f' {shown} ')} {plain(alert.title)}  "
        + paint(_DIM, f"{plain(reason, 40)} · {rfc3339(at)}"),
        _line("why", why(alert)),
        _line("key", key),
        _line("events", evidence(alert)),
    ]
    if alert.description:
        lines.append(_line("what", plain(alert.description)))
    lines += [_line(name, text) for name, text in _more(alert, note) if text]
    show = "incidents" if alert.phase else "alerts"
    look = f"tocsin {show} show {plain(alert.id, 80)}"
    lines.append(_line("see", f"{plain(alert.runbook, 200)} · {look}" if alert.runbook else look))
    return "\n".join(lines) + "\n\n"


def _line(name: str, text: str) -> str:
    return f"  {name:<7}{text}" if len(name) < 7 else f"  {name} {text}"


def _more(alert: Alert, note: Notification | None) -> list[tuple[str, str]]:
    """What only some alerts and notifications have to say."""
    stands = [
        f"phase {plain(alert.phase, 20)}, {alert.count} alerts" if alert.phase else "",
        f"in incident {plain(alert.incident, 80)}" if alert.incident else "",
        f"assigned to {plain(alert.assignee, 80)}" if alert.assignee else "",
        f"missed its target to {' and '.join(plain(one, 20) for one in alert.breached)}" if alert.breached else "",
        f"was {plain(alert.disposition, 40).replace('_', ' ')}" if alert.disposition else "",
    ]
    found = [("stands", " · ".join(filter(None, stands)))]
    if note is None:
        return found
    found += [("because", plain(note.why)), ("to", ", ".join(plain(one, 80) for one in note.to))]
    if note.group is not None:
        shared = " · ".join(f"{plain(name, 60)} {plain(value, 120)}" for name, value in note.group.key.items())
        found.append(("group", f"{note.group.total} alerts" + (f" of {shared}" if shared else "")))
        found += [("", f"{one.severity} {plain(one.title, 120)} ({one.reason})") for one in note.group.alerts[:_LISTED]]
        if note.group.total > _LISTED:
            found.append(("", f"and {note.group.total - _LISTED} more"))
    return found


def why(alert: Alert) -> str:
    """``observed 20, threshold 5 within 10m · audit.failed-login-burst · 3 findings``."""
    parts = [observed(alert), plain(alert.rule, 120), f"{alert.count} finding{'s' * (alert.count != 1)}"]
    return " · ".join(filter(None, parts))


def observed(alert: Alert) -> str:
    """``observed 20, threshold 5 within 10m (peak 30)``; empty where the rule measures nothing."""
    values = alert.values
    if "observed" not in values:
        return ""
    text = f"observed {plain(shown(values['observed']), 80)}"
    if values.get("threshold") is not None:
        text += f", threshold {plain(shown(values['threshold']), 80)}"
    if type(values.get("within")) is int:
        text += f" within {duration(values['within'])}"
    if values.get("peak") is not None and values["peak"] != values["observed"]:
        text += f" (peak {plain(shown(values['peak']), 80)})"
    return text


def evidence(alert: Alert) -> str:
    """Positions of the first and the last event that spoke for the alert."""
    found = list(dict.fromkeys(plain(item.position, 120) for item in (*alert.first, *alert.last)))
    if len(found) > 4:
        found = [*found[:2], "…", *found[-2:]]
    return " ".join(found) or "none kept"


class Console:
    """Writes blocks one after the other. A reader that stopped reading makes it wait, not hang."""

    def __init__(self, config: ConsoleConfig, context: SinkContext) -> None:
        self._config, self._timeout = config, context.timeout_ms / 1000
        self._path = context.data_dir / config.path if config.path else None
        self._fd = -1
        self._colour = False

    async def open(self) -> None:
        try:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            else:
                self._fd = self._config.descriptor
                os.fstat(self._fd)
        except OSError as error:
            place = self._path or f"file descriptor {self._config.descriptor}"
            raise SinkBroken(f"cannot write to {place}: {error.strerror}") from None
        auto = os.isatty(self._fd) and not os.environ.get("NO_COLOR")
        self._colour = {"always": True, "never": False}.get(self._config.colour, auto)

    async def close(self) -> None:
        """A descriptor that was given is not ours to close."""
        if self._path is not None and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        text = "".join(self._render(item) for item in batch)
        try:
            await asyncio.to_thread(self._write, text.encode("utf-8", "backslashreplace"))
        except TimeoutError:
            return [Retry("nobody reads the console")] * len(batch)
        except OSError as error:
            return [Retry(f"cannot write to the console: {error.strerror}")] * len(batch)
        return [Delivered()] * len(batch)

    def preview(self, item: Item) -> str:
        """The block that would be written."""
        return self._render(item)

    def _render(self, item: Item) -> str:
        note = item.notification
        return render(
            item.alert,
            note.reason if note else item.alert.why,
            note.at if note else item.alert.updated_at,
            self._colour,
            note,
        )

    def _write(self, data: bytes) -> None:
        fd = self._fd
        end = time.monotonic() + self._timeout * 0.9
        poller = select.poll()
        poller.register(fd, select.POLLOUT)
        while data:
            if not poller.poll(max(0.0, end - time.monotonic()) * 1000):
                raise TimeoutError
            try:
                data = data[os.write(fd, data[:_PIECE]) :]
            except BlockingIOError:
                time.sleep(0.005)
