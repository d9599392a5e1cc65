"""Files that the code generates, committed below ``streams/docs`` so that they are read with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import streams
from streams.errors import ConfigError

#: Where they are kept in a checkout.
DOCS: Final = Path(streams.__file__).parent / "docs"


def write_into(docs: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write each text under its name, as UTF-8; the paths. Raises ConfigError where that cannot be."""
    paths = [docs / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}", "--write is for checkouts") from None
    return paths
