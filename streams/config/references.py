"""Secrets: resolved from their references when they are used, never before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from streams.errors import ConfigError


def resolved(path: str, value: Any) -> Any:
    """What a reference ``env:NAME`` or ``file:PATH`` leads to; anything else as it is. Without final newlines.

    ``path`` is for the problem. Raises ConfigError for a reference that leads nowhere.
    """
    kind, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "env":
        if not (secret := os.environ.get(name, "").rstrip("\r\n")):
            raise ConfigError(f"{path}: the environment variable {name} is not set", "set it, or correct the reference")
        return secret
    if kind == "file":
        try:
            return Path(name).read_text().rstrip("\r\n")
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot read {name}: {type(error).__name__}", "correct the reference") from None
    return value
