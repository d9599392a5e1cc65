"""How the language describes itself: one named setting, for the reference page and the editors' schema."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """One setting of a block.

    ``takes``: ``duration``, ``integer``, ``number``, ``field``, ``fields``, ``key``, ``text``, ``texts``, ``template``,
    ``flag``, ``condition``, ``threshold``, ``value``, ``values``, ``size``, ``mapping``, ``step``, ``steps``, ``ways``,
    ``members``, ``block``, ``one of a, b, c``, or another word that ``streams.reference.schema`` knows. ``default`` as
    it would be written, empty without one; None: required. ``of``: the settings inside, where it takes a block or a
    list of blocks.
    """

    name: str
    takes: str
    default: str | None
    meaning: str
    of: tuple[Option, ...] = ()
