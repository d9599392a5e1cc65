"""The form of what is written of a key or a rule: ``[FORMAT, …]`` as JSON, and reading it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from streams.detect.base import State
from streams.errors import StateMismatch
from streams.state.detect.keys import Row

#: Of the values in the changelog.
FORMAT = 3

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode
_rows_of = msgspec.json.Decoder(list[tuple[str]]).decode
_states_of = msgspec.json.Decoder(list[tuple[Literal[3], list[Any]]]).decode  # of FORMAT


def opened(value: bytes) -> list[Any]:
    """What stands in a changelog value, behind its format. Raises StateMismatch for a format of another program."""
    content = _decode(value)
    if not content or content[0] != FORMAT:
        raise StateMismatch(
            f"the changelog holds a state of format {content[:1]}, this program writes {FORMAT}",
            "it was written by another version: run that, or reset the group and its changelog",
        )
    return content


def rows_in(keys: Sequence[bytes], head: int, values: Sequence[bytes]) -> list[tuple[Row, State]] | None:
    """The rows and states in changelog records whose keys have ``head`` bytes in common, decoded as one.

    None where that will not do: not all keys are one text, not all values of this format, or there are none.
    """
    try:
        rows = _rows_of(b"[%b]" % b",".join([key[head:-1] for key in keys]))
        states = _states_of(b"[%b]" % b",".join(values))
    except ValueError:
        return None
    if not len(rows) == len(states) == len(keys) > 0:
        return None
    return [(row, state) for (row,), (_, state) in zip(rows, states, strict=True)]
