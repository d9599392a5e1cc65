"""A backtest's work folder: how far each log has come, so that after a kill the same command goes on.

One file a task (a rule set over a log), only ever appended to: blocks of what came since the block before. A block that
was not written whole is cut off and done again, so a process may die at any moment.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from streams.errors import ConfigError
from streams.model import DeadLetter
from streams.replay.logs import Facts
from streams.replay.runner import Detected
from streams.state.detect.detecting import DetectState
from streams.state.partition import Position

#: A block is written so often, s: what a kill costs at most, with what it takes to read up to there.
EVERY = 2.0
_HEAD = 8  #: bytes of a block's length, then as many of its checksum
_LOCK, _MANIFEST = "lock", "manifest.json"


class Manifest(msgspec.Struct, kw_only=True):
    """What a work folder is about. ``asked``: the options as given; ``arguments``: the inputs with every end resolved,
    so that ``last 7d`` is the same stretch the second time.
    """

    format: int = 1
    asked: dict[str, Any]
    content: str  #: hash of rules, policy, inputs and Tocsin's version
    arguments: list[str]
    notes: list[str] = []


class _Block(msgspec.Struct, kw_only=True, array_like=True):
    chunks: int
    read: int
    now: int
    position: Position
    changes: list[tuple[bytes, bytes | None]]
    findings: tuple[bytes, int]  #: what was added to the spool, and how many records that is
    copies: tuple[bytes, int]
    counts: list[tuple[tuple[str, ...], int]]
    refused: list[DeadLetter]
    late: list[DeadLetter]
    timings: list[tuple[str, int]]
    mark: int | None = None  #: with ``facts``: the log has been read to its end
    facts: Facts | None = None


_encode = msgspec.msgpack.Encoder().encode
_block = msgspec.msgpack.Decoder(_Block)


class WorkFolder:
    """One backtest's. Raises ConfigError where another process works in it, or where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            strange = sorted(one.name for one in path.iterdir() if not _is_ours(one.name))
            if strange:
                raise ConfigError(
                    f"{path} is no work folder: {strange[0]!r:.80} is in it", "name an empty or a new folder"
                )
            self._lock = (path / _LOCK).open("wb")
            _locked(self._lock)
        except BlockingIOError:
            raise ConfigError(f"another backtest works in {path}", "wait for it, or name another folder") from None
        except OSError as error:
            raise ConfigError(f"cannot work in {path}: {error.strerror or error}") from None

    def manifest(self) -> Manifest | None:
        """What was begun here; None where nothing was."""
        try:
            return msgspec.json.decode((self.path / _MANIFEST).read_bytes(), type=Manifest)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigError(f"{self.path / _MANIFEST} cannot be read: {error}", self._hint()) from None

    def asked(self, asked: dict[str, Any]) -> Manifest | None:
        """What was begun here by these options. Raises ConfigError where it was by others."""
        begun = self.manifest()
        if begun is None or begun.asked == asked:
            return begun
        others = sorted(name for name in begun.asked.keys() | asked.keys() if begun.asked.get(name) != asked.get(name))
        raise ConfigError(f"{self.path} holds a backtest of other options ({', '.join(others)})", self._hint())

    def begin(self, manifest: Manifest) -> bool:
        """Take up what was begun, True, or begin. Raises ConfigError where rules or inputs are others by now."""
        begun = self.manifest()
        if begun is not None and begun.content != manifest.content:
            raise ConfigError(f"since {self.path} was begun, rules, inputs or Tocsin itself have changed", self._hint())
        if begun is None:
            written = self.path / f"{_MANIFEST}.new"
            written.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
            written.replace(self.path / _MANIFEST)
        return begun is not None

    def kept(self, ruleset: int, log: int) -> Kept:
        return Kept(self.path / f"{ruleset}-{log}.kept")

    def done(self) -> None:
        """The result is written: nothing of this is needed any more."""
        for one in sorted(self.path.iterdir(), key=lambda one: one.name == _MANIFEST):
            one.unlink()
        self.close()
        self.path.rmdir()

    def close(self) -> None:
        """Let others work in it."""
        self._lock.close()

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """What comes to nothing leaves the folder to whoever tries again."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _hint(self) -> str:
        return f"name another folder, or begin anew: rm -r {self.path}"


def _locked(file: IO[bytes]) -> None:
    """Raises BlockingIOError where another process holds it. Those of a backtest that was killed let go in a moment."""
    for _ in range(10):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_ours(name: str) -> bool:
    return name in (_LOCK, _MANIFEST, f"{_MANIFEST}.new") or name.endswith(".kept")


class Kept:
    """How far one task has come. Satisfies ``Keeper``; to be used by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Reads what is there and cuts off what was not written whole."""
        self._file: IO[bytes] = path.open("ab+", buffering=0)
        self._blocks: list[_Block] = _read(self._file)
        self._written = time.monotonic()
        self._findings, self._copies = (0, 0), (0, 0)  # what of the spools is kept: bytes, records
        self._timings = 0

    @property
    def finished(self) -> Facts | None:
        """What was read of the log, where it was read to its end."""
        return self._blocks[-1].facts if self._blocks else None

    @property
    def read(self) -> int:
        """Records that are not stepped again."""
        return self._blocks[-1].read if self._blocks else 0

    def made(self, topic: str, partition: int) -> Detected:
        """What became of a log that was read to its end."""
        made = Detected(topic, partition)
        self._take(made)
        last = self._blocks[-1]
        assert last.mark is not None
        made.now, made.mark, made.counts = last.now, last.mark, Counter(dict(last.counts))
        return made

    def begin(self, state: DetectState, made: Detected) -> tuple[int, int]:
        for block in self._blocks:
            for key, value in block.changes:
                if value is None:
                    state.unload(key)
                else:
                    state.load(key, value)
        if not self._blocks:
            state.loaded()
            return 0, 0
        last = self._blocks[-1]
        state.position = last.position
        state.loaded()
        state.counts.update(dict(last.counts))
        self._take(made)
        self._blocks = []
        return last.chunks, last.now

    def passed(self, chunks: int, now: int, state: DetectState, made: Detected) -> None:
        if time.monotonic() - self._written >= EVERY:
            self._write(self._new(chunks, now, state, made))

    def finish(self, made: Detected, facts: Facts) -> None:
        """The log has been read to its end."""
        block = _Block(
            chunks=0, read=made.read, now=made.now, position=Position(committed=0, next=0), changes=[],
            **self._since(made), counts=list(made.counts.items()), mark=made.mark, facts=facts,
        )  # fmt: skip
        self._write(block)
        self.close()

    def close(self) -> None:
        self._file.close()

    def _take(self, made: Detected) -> None:
        for block in self._blocks:
            made.findings.extend(*block.findings)
            made.copies.extend(*block.copies)
            made.timings += block.timings
        last = self._blocks[-1]
        made.read, made.refused, made.late = last.read, list(last.refused), list(last.late)
        self._since(made)  # all of it is kept

    def _new(self, chunks: int, now: int, state: DetectState, made: Detected) -> _Block:
        return _Block(
            chunks=chunks, read=made.read, now=now, position=state.position, changes=list(state.changes()),
            **self._since(made), counts=list(state.counts.items()),
        )  # fmt: skip

    def _since(self, made: Detected) -> dict[str, Any]:
        """What the spools and lists got since the last block."""
        findings, copies = made.findings.since(self._findings[0]), made.copies.since(self._copies[0])
        new = {
            "findings": (findings, made.findings.count - self._findings[1]),
            "copies": (copies, made.copies.count - self._copies[1]),
            "timings": made.timings[self._timings :], "refused": made.refused, "late": made.late,
        }  # fmt: skip
        self._findings = self._findings[0] + len(findings), made.findings.count
        self._copies = self._copies[0] + len(copies), made.copies.count
        self._timings = len(made.timings)
        return new

    def _write(self, block: _Block) -> None:
        content = _encode(block)
        head = len(content).to_bytes(_HEAD, "big") + zlib.crc32(content).to_bytes(_HEAD, "big")
        rest = memoryview(head + content)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._written = time.monotonic()


def _read(file: IO[bytes]) -> list[_Block]:
    """The whole blocks; what follows them is cut off."""
    blocks: list[_Block] = []
    end = 0
    with os.fdopen(os.dup(file.fileno()), "rb") as whole:
        whole.seek(0)
        while len(head := whole.read(2 * _HEAD)) == 2 * _HEAD:
            size, check = int.from_bytes(head[:_HEAD], "big"), int.from_bytes(head[_HEAD:], "big")
            content = whole.read(size)
            if len(content) < size or zlib.crc32(content) != check:
                break
            blocks.append(_block.decode(content))
            end += 2 * _HEAD + size
    file.truncate(end)
    return blocks
