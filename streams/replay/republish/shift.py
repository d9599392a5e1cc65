"""Moving an event to another time inside its payload, whatever codec or mapping says where that stands.

Nothing is known of payloads beforehand. The mapping says what time an event has, a place that holds that time is
changed, and the mapping must then say the new time: what was not understood is never written. The rest of a JSON
payload keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from streams.codec.mapping import Mapping
from streams.model import Original, Source
from streams.replay.files import event_time_of
from streams.replay.republish.moved import moved_number, moved_text

_MOST_PLACES, _DEEPEST = 2_000, 8
_DAY = 86_400_000
Headers = tuple[tuple[str, bytes | None], ...]
Path = tuple[str | int, ...]
Move = Callable[[str, bool], str | None]  #: of a scalar's text, and whether it is a number; None: it is not the time
_raw = msgspec.json.Decoder(msgspec.Raw)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


class Form(Protocol):
    """How payloads are written: where scalars stand in one, and what it is with one of them changed."""

    def paths(self, value: bytes) -> Iterator[Path]:
        """The places of all scalars, those near the top first. Raises ValueError for another form."""

    def changed(self, value: bytes, path: Path, move: Move) -> bytes | None:
        """The payload with that scalar moved; None where it is not there or ``move`` declines it."""


class JsonForm:
    """Objects of JSON. What is not on the path keeps its bytes, but for space between fields."""

    def paths(self, value: bytes) -> Iterator[Path]:
        level: list[tuple[Path, msgspec.Raw]] = [((), _raw.decode(value))]
        seen = 0
        for _ in range(_DEEPEST):
            below: list[tuple[Path, msgspec.Raw]] = []
            for path, raw in level:
                inside = _inside(raw)
                if inside is None:
                    yield path
                    seen += 1
                    if seen > _MOST_PLACES:
                        return
                else:
                    below += [((*path, name), one) for name, one in inside]
            level = below

    def changed(self, value: bytes, path: Path, move: Move) -> bytes | None:
        if not path:
            text = bytes(value)
            if text[:1] == b'"':
                new = move(_text.decode(text), False)
                return None if new is None else _encode(new)
            number = move(text.decode(), True) if text[:1].isdigit() else None
            return None if number is None else number.encode()
        name, *rest = path
        try:
            inside: Any = _object.decode(value) if isinstance(name, str) else _array.decode(value)
            new_value = self.changed(bytes(inside[name]), tuple(rest), move)
        except (msgspec.MsgspecError, LookupError):
            return None
        if new_value is None:
            return None
        inside[name] = msgspec.Raw(new_value)
        return _encode(inside)


def _inside(raw: msgspec.Raw) -> list[tuple[str | int, msgspec.Raw]] | None:
    """What an object or an array holds; None for a scalar."""
    first = bytes(raw).lstrip()[:1]
    if first == b"{":
        return list(_object.decode(raw).items())
    return list(enumerate(_array.decode(raw))) if first == b"[" else None


class Unmovable(ValueError):
    """The event has a time, and nothing in the record could be changed to make it another."""


class Shifted(NamedTuple):
    """``own``: the event has a time of its own; else the record's is the event's, too."""

    value: bytes
    headers: Headers
    own: bool


class Shift:
    """Moves the events of one source by ``by`` ms, whole minutes."""

    def __init__(self, source: Source, by: int, form: Form | None = None) -> None:
        self._source, self._by, self._form = source, by, form or JsonForm()
        self._patterns: Final = _patterns(source)
        self._known: list[Path] = []  # where times were found, the latest first

    def of(self, value: bytes, key: bytes | None, headers: Headers) -> Shifted:
        """The record's payload and headers at their new time. Raises Unmovable."""
        at = self._at(value, key, headers)
        if at is None or not self._by:
            return Shifted(value, headers, at is not None)
        for path in [*self._known]:
            if (new := self._tried(value, key, headers, path, at)) is not None:
                return new
        for path in self._paths(value, headers):
            if (new := self._tried(value, key, headers, path, at)) is not None:
                self._known = [path, *(one for one in self._known if one != path)][:8]
                return new
        raise Unmovable("its time stands nowhere in it as one number or text that could be changed")

    def _at(self, value: bytes, key: bytes | None, headers: Headers) -> int | None:
        if self._source.join is not None:
            try:
                value = self._source.join(value, Original(key, headers))
            except ValueError:
                return None
        return event_time_of(value, self._source.mapping)

    def _paths(self, value: bytes, headers: Headers) -> Iterator[Path]:
        if self._source.join is not None:
            yield from ((-1 - number,) for number in range(len(headers)))
        try:
            yield from self._form.paths(value)
        except (ValueError, RecursionError):
            return

    def _tried(self, value: bytes, key: bytes | None, headers: Headers, path: Path, at: int) -> Shifted | None:
        """The record with what stands there moved, where that makes it an event of the new time."""
        wanted, by = at + self._by, self._by
        for _ in range(2):  # again where summer time lies between
            new = self._changed(value, headers, path, at, by)
            if new is None or (got := self._at(new[0], key, new[1])) is None:
                return None
            if got == wanted:
                return Shifted(*new, own=True)
            by += wanted - got
            if abs(wanted - got) > _DAY:
                return None
        return None

    def _changed(self, value: bytes, headers: Headers, path: Path, at: int, by: int) -> tuple[bytes, Headers] | None:
        def move(text: str, number: bool) -> str | None:
            return moved_number(text, at, by) if number else moved_text(text, at, by, self._patterns)

        if len(path) == 1 and isinstance(path[0], int) and path[0] < 0:
            number = -1 - path[0]
            text = headers[number][1] if number < len(headers) else None
            new = None if text is None else move(text.decode("utf-8", "replace"), False)
            if new is None:
                return None
            return value, (*headers[:number], (headers[number][0], new.encode()), *headers[number + 1 :])
        try:
            changed = self._form.changed(value, path, move)
        except (ValueError, RecursionError):
            return None
        return None if changed is None else (changed, headers)


def _patterns(source: Source) -> Sequence[str]:
    """The strptime patterns by which a mapping of a file reads its time."""
    if not isinstance(source.mapping, Mapping):
        return ()
    converters = [field.convert for field in source.mapping.fields if field.name == "event_time"]
    return [pattern for one in converters if isinstance(pattern := getattr(one, "args", ("",))[0], str) and pattern]
