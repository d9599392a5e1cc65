"""What cannot be said in our language: reported, and never said half."""

from __future__ import annotations

from typing import NamedTuple


class Inexpressible(Exception):
    """A part of a Sigma rule that has no equal here. Its text says which."""


class Refusal(NamedTuple):
    """A Sigma rule that was not imported, and why."""

    file: str
    rule: str  #: its title, name or id; empty where the file could not be read that far
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.rule}: {self.reason}" if self.rule else f"{self.file}: {self.reason}"
