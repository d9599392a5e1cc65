"""Environment variables that override the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

#: Variable -> where it goes. ``[]`` at the end: a list (of paths: separated as PATH is; else by commas).
VARIABLES = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka.bootstrap_servers",
    "TOCSIN_KAFKA_SECURITY_PROTOCOL": "kafka.security_protocol",
    "TOCSIN_KAFKA_SASL_MECHANISM": "kafka.sasl.mechanism",
    "TOCSIN_KAFKA_SASL_USERNAME": "kafka.sasl.username",
    "TOCSIN_KAFKA_SASL_PASSWORD": "kafka.sasl.password",
    "TOCSIN_APP": "app",
    "TOCSIN_TOPIC_PREFIX": "topic_prefix",
    "TOCSIN_ROLES": "roles[]",
    "TOCSIN_WORKER_ID": "worker_id",
    "TOCSIN_DATA_DIR": "data_dir",
    "TOCSIN_RULES": "rules[]",
    "TOCSIN_HTTP_HOST": "http.host",
    "TOCSIN_HTTP_PORT": "http.port",
    "TOCSIN_DETECT_IDLE_COMMIT_MS": "detect.idle_commit_ms",
    "TOCSIN_DETECT_MIN_COMMIT_MS": "detect.min_commit_ms",
    "TOCSIN_DETECT_MAX_KEYS": "detect.max_keys",
    "TOCSIN_SCHEMA_REGISTRY_URL": "schema_registry.url",
    "TOCSIN_LOG_LEVEL": "log.level",
    "TOCSIN_LOG_FORMAT": "log.format",
}
_NUMBERS = {"http.port", "detect.idle_commit_ms", "detect.min_commit_ms", "detect.max_keys"}


def override(document: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The document with the environment over it, and which variable each overridden path came from.

    The password itself may stand in TOCSIN_KAFKA_SASL_PASSWORD: what goes into the document is the reference to it.
    """
    merged = {key: dict(value) if isinstance(value, Mapping) else value for key, value in document.items()}
    origins: dict[str, str] = {}
    for variable, target in VARIABLES.items():
        text = environ.get(variable)
        if not text:
            continue
        path = target.removesuffix("[]")
        value: Any = text
        if target.endswith("[]"):
            value = [part.strip() for part in text.split(os.pathsep if path == "rules" else ",") if part.strip()]
        elif path in _NUMBERS and text.isascii() and text.isdigit() and len(text) < 19:
            value = int(text)
        elif path == "kafka.sasl.password" and not text.startswith(("env:", "file:")):
            value = f"env:{variable}"
        *parents, leaf = path.split(".")
        block: Any = merged
        for parent in parents:
            inner = block.get(parent)
            if inner is not None and not isinstance(inner, Mapping):
                break  # the file has something else there, which is reported by itself
            block[parent] = dict(inner or {})
            block = block[parent]
        else:
            block[leaf] = value
            origins[path] = variable
    return merged, origins
