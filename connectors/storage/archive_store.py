"""Where an archive lies: a folder, or a bucket that speaks S3. Whole objects, written atomically.

Their names have ``/`` in them. Those that begin with a dot are unfinished writes, and are never listed.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from connectors.base import SinkBroken


class Store(Protocol):
    """Raises OSError where waiting may help, SinkBroken where it will not."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a new object; False, and nothing changes, where there is one of that name already."""

    def replace(self, name: str, data: bytes) -> None:
        """Write an object, whether or not there is one."""

    def read(self, name: str) -> bytes | None:
        """None where there is none."""

    def delete(self, name: str) -> None:
        """It is gone, whether or not it was there."""

    def names(self, under: str) -> Iterator[str]:
        """Names that begin with ``under`` and ``/``, in no order."""


class Folder:
    """A write is on the disk before it has its name: a power cut leaves the whole object, or none."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, name: str, data: bytes) -> bool:
        with self._written(name, data) as (part, path):
            try:
                os.link(part, path)
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes) -> None:
        with self._written(name, data) as (part, path):
            os.replace(part, path)

    def read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        path = self.root / name
        path.unlink(missing_ok=True)
        for folder in path.relative_to(self.root).parents:
            if folder == Path():
                break
            try:
                (self.root / folder).rmdir()
            except OSError:  # not empty, or somebody writes there
                break

    def names(self, under: str) -> Iterator[str]:
        for folder, _, files in os.walk(self.root / under):
            base = Path(folder).relative_to(self.root)
            yield from (str(base / file) for file in files if not file.startswith("."))

    @contextlib.contextmanager
    def _written(self, name: str, data: bytes) -> Iterator[tuple[Path, Path]]:
        path = self.root / name
        for _ in range(3):  # ``delete`` may remove the folder between making and using it
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.parent / f".{uuid.uuid4().hex}.part"
            try:
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                break
            except FileNotFoundError:
                continue
        else:
            raise OSError(f"cannot keep the folder {path.parent}")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield part, path
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


class Bucket:
    """``create`` is a conditional put (If-None-Match), so that of two writers one wins."""

    def __init__(self, bucket: str, prefix: str, options: dict[str, Any], seconds: float) -> None:
        try:
            import obstore
            from obstore import exceptions
            from obstore.store import S3Store
        except ImportError:
            raise SinkBroken("an archive in S3 needs obstore", "pip install 'tocsin[archive]'") from None
        self._api, self._errors = obstore, exceptions
        http = str(options.get("endpoint", "")).startswith("http://")
        try:
            self._store = S3Store(
                bucket,
                prefix=prefix or None,
                client_options={"allow_http": http, "timeout": f"{seconds:g}s", "connect_timeout": f"{seconds:g}s"},
                retry_config={"max_retries": 2},
                **options,
            )
        except exceptions.BaseError as error:
            raise SinkBroken(f"cannot use the bucket {bucket}: {error}") from None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        errors = self._errors
        try:
            yield
        except (errors.PermissionDeniedError, errors.UnauthenticatedError) as error:
            raise SinkBroken(f"S3 refuses: {_first(error)}", "correct access_key, secret_key or the rights") from None
        except errors.BaseError as error:
            if "NoSuchBucket" in str(error):
                raise SinkBroken("there is no such bucket", "make it, or correct the sink's path") from None
            raise OSError(f"S3: {_first(error)}") from None

    def create(self, name: str, data: bytes) -> bool:
        with self._told():
            try:
                self._api.put(self._store, name, data, mode="create")
            except self._errors.AlreadyExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes) -> None:
        with self._told():
            self._api.put(self._store, name, data)

    def read(self, name: str) -> bytes | None:
        with self._told():
            try:
                return bytes(self._api.get(self._store, name).bytes())
            except (FileNotFoundError, self._errors.NotFoundError) as error:
                if "NoSuchBucket" in str(error):
                    raise SinkBroken("there is no such bucket", "make it, or correct the sink's path") from None
                return None

    def delete(self, name: str) -> None:
        with self._told(), contextlib.suppress(FileNotFoundError, self._errors.NotFoundError):
            self._api.delete(self._store, name)

    def names(self, under: str) -> Iterator[str]:
        with self._told():
            for page in self._api.list(self._store, prefix=under):
                for found in page:
                    if not found["path"].rpartition("/")[2].startswith("."):
                        yield found["path"]


def _first(error: BaseException) -> str:
    return str(error).split("\n\nDebug source")[0].strip()[:400]
