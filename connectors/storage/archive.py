"""The archive: records as they stood on their topics, in Parquet or JSON lines, by class of retention, day and tenant.

Each range of offsets is there once, whatever was killed when: the archive itself knows where it ends
(``connectors.storage.archive_ranges``), and what is offered again from before is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from connectors.base import Delivered, Item, Record, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.settings import Block
from connectors.storage.archive_ranges import Broken, Claimed, Ranges, Recreated
from connectors.storage.archive_retention import CLASSES, DAY, DAYS, Retention
from connectors.storage.archive_rows import FORMATS, Place, Row, row_of
from connectors.storage.archive_store import Bucket, Folder, Store
from streams.model import position

T = TypeVar("T")
_LONGEST_DAYS = 100 * 366


class ArchiveConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``path``: a folder, relative to the data directory, or ``s3://bucket/prefix``. ``topics``: besides ``alerts``."""

    path: str = "archive"
    format: str = "parquet"
    topics: tuple[str, ...] = ()
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    retention: Retention = Retention(DAYS, CLASSES)


def read_config(block: Block) -> ArchiveConfig:
    path = block.text("path", "archive")
    if "\0" in path or ("://" in path and not path.startswith("s3://")) or path == "s3://":
        block.problem("path", "must be a folder, or s3://bucket/prefix")
    topics = block.words("topics")
    access, secret = block.secret("access_key", ""), block.secret("secret_key", "")
    if bool(access) != bool(secret):
        block.problem("secret_key" if access else "access_key", "is missing: both keys are given, or neither")
    return ArchiveConfig(
        path=path,
        format=block.choice("format", FORMATS, "parquet"),
        topics=topics,
        endpoint=block.text("endpoint", ""),
        region=block.text("region", ""),
        access_key=access,
        secret_key=secret,
        retention=_retention(block),
    )


def _retention(block: Block) -> Retention:
    days = dict(DAYS)
    if (part := block.block("retention")) is not None:
        for name in part.own_keys():
            days[name] = -(-part.duration(name, DAY, DAY, _LONGEST_DAYS * DAY) // DAY)
        part.finish()
    classes = dict(CLASSES) | block.texts("classes")
    for name, class_ in classes.items():
        if not name.startswith(("topic:", "type:", "source:")):
            block.problem("classes", f"{name!r:.60} must begin with topic:, type: or source:")
        if class_ not in days:
            block.problem("classes", f"there is no class {class_!r:.60}; known: {', '.join(days)}")
    return Retention(days, classes)


def further(config: ArchiveConfig) -> tuple[str, ...]:
    return config.topics


def open_store(config: ArchiveConfig, context: SinkContext) -> Store:
    """The store, for the sink and for the commands. Raises SinkBroken."""
    if not config.path.startswith("s3://"):
        return Folder(context.data_dir / Path(config.path))
    bucket, _, prefix = config.path.removeprefix("s3://").partition("/")
    options: dict[str, Any] = {"region": config.region or "us-east-1"}
    if config.endpoint:
        options["endpoint"] = config.endpoint
    if config.access_key:
        options["access_key_id"] = context.secrets.resolve(config.access_key)
        options["secret_access_key"] = context.secrets.resolve(config.secret_key)
    return Bucket(bucket, prefix.strip("/"), options, context.timeout_ms / 1000)


class Archive:
    """All work happens on one thread of its own. Items come in the order of their offsets, partition by partition."""

    def __init__(self, config: ArchiveConfig, context: SinkContext) -> None:
        self._config, self._context = config, context
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"archive-{context.name}")
        self._store: Store | None = None
        self._ranges: dict[tuple[str, int], Ranges] = {}

    async def open(self) -> None:
        self._store = await self._on_thread(self._connect)

    async def close(self) -> None:
        self._thread.shutdown(wait=False)

    async def deliver(self, batch: Sequence[Item | Record]) -> Sequence[Result]:
        return await self._on_thread(lambda: self._write(batch))

    async def _on_thread(self, work: Callable[[], T]) -> T:
        # Shielded: the thread cannot be cancelled, and the next call queues behind this one anyway.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    def _connect(self) -> Store:
        store = open_store(self._config, self._context)
        try:
            store.read("ranges/probe")
        except OSError as error:
            raise SinkBroken(f"cannot use the archive: {error}") from None
        return store

    def _write(self, batch: Sequence[Item | Record]) -> list[Result]:
        parts: dict[tuple[str, int], list[tuple[Place, Row]]] = {}
        for work in batch:
            parts.setdefault(work.origin[:2], []).append(row_of(work, self._config.retention))
        failed: dict[tuple[str, int], Result] = {}
        for name, rows in parts.items():
            try:
                self._range(*name).write(sorted(rows, key=lambda placed: placed[1].offset))
            except (Claimed, OSError) as error:
                self._ranges.pop(name, None)  # where it ends is read again
                failed[name] = Retry(f"archive: {error}")
            except Recreated as error:
                raise SinkBroken(f"archive: {error}", "give the sink another path: the topic was made anew") from None
            except Broken as error:
                raise SinkBroken(f"archive: {error}", "`tocsin archive verify` tells what is damaged") from None
        return [failed.get(work.origin[:2]) or Delivered(position(*work.origin)) for work in batch]

    def _range(self, topic: str, partition: int) -> Ranges:
        found = self._ranges.get((topic, partition))
        if found is None:
            if self._store is None:
                raise SinkBroken("the archive is not open")
            found = Ranges(self._store, topic, partition, self._config.format)
            self._ranges[topic, partition] = found
        return found
