"""Where the entries of an indicator list come from: a file (text, CSV, JSON), or a Redis set."""

from __future__ import annotations

import csv
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from streams.errors import ConfigError, TocsinError
from streams.rules.indicators import ListProblems, NamedList, named_list
from streams.rules.lists import bind, used
from streams.rules.operators import list_name
from streams.rules.rule import RuleSet

MAX_BYTES = 128 * 1024 * 1024
_SCAN = 5_000


def checked_name(name: str) -> str:
    """The name of a list. Raises ConfigError."""
    try:
        return list_name(name)
    except ValueError as error:
        raise ConfigError(f"the list: {error}") from None


def list_of_file(name: str, file: Path, column: str | None = None) -> NamedList:
    """The list in a file: CSV with ``column``, a JSON array in ``*.json``, else a text a line with ``#`` comments.

    Raises ConfigError that names the lines which cannot stand in a list.
    """
    checked_name(name)
    data = _read(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file}:{line}: is not UTF-8", "save it as UTF-8") from None
    if column is not None or file.suffix.lower() == ".csv":
        found = list(_of_csv(file, text, column))
    elif file.suffix.lower() == ".json":
        found = list(_of_json(file, data))
    else:
        lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
        found = [(number, line) for number, line in lines if line and not line.startswith("#")]
    try:
        return named_list(name, (entry for _, entry in found))
    except ListProblems as problems:
        told = [f"{file}:{found[number - 1][0]}: {what}" for number, what in problems.problems[:10]]
        more = len(problems.problems) - len(told)
        text = "\n".join([*told, *([f"and {more} more"] if more else [])])
        raise ConfigError(text, "correct the file; nothing was applied") from None


def with_lists(ruleset: RuleSet, given: Sequence[str]) -> RuleSet:
    """The rules with the lists of ``NAME=FILE``; warns of those that they use and that are not given."""
    bound = with_given_lists(ruleset, given)
    warn_of_missing(bound, bound.lists)
    return bound


def warn_of_missing(ruleset: RuleSet, known: Container[str]) -> None:
    """Say which lists the rules use that are not ``known``."""
    if missing := [name for name in used(ruleset) if name not in known]:
        click.echo(
            f"warning: lists that are not given match nothing: {', '.join(missing)} (--list NAME=FILE)", err=True
        )


def with_given_lists(ruleset: RuleSet, given: Sequence[str]) -> RuleSet:
    """The rules with the lists of ``NAME=FILE``. Raises ConfigError for one that none of them uses."""
    lists: dict[str, NamedList] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not file:
            raise ConfigError(f"--list {text!r:.100}: write NAME=FILE")
        lists[name] = list_of_file(name, Path(file))
    names = used(ruleset)
    for name in lists.keys() - names.keys():
        raise ConfigError(f"--list {name}: none of the rules uses it", f"they use {', '.join(names) or 'none'}")
    return bind(ruleset, lists)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{file}: is larger than {MAX_BYTES >> 20} MiB")
    return data


def _of_csv(file: Path, text: str, column: str | None) -> Iterator[tuple[int, str]]:
    """The cells of a column, by its name in the first row or its number from 1; blank ones are passed over."""
    rows = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = next(rows, [])
        if column is not None and column.isascii() and column.isdigit():
            place = int(column) - 1
            if 0 <= place < len(header) and (cell := header[place].strip()) and not cell.startswith("#"):
                yield rows.line_num, cell
        elif column in header:
            place = header.index(column or "")
        else:
            what = "say which column: --column" if column is None else f"has no column {column!r:.60}:"
            named = ", ".join(header)[:200] or "an empty first row"
            raise ConfigError(f"{file}:1: {what} (there are {named})", "--column takes a name, or a number from 1")
        for row in rows:
            if place < len(row) and (cell := row[place].strip()) and not row[0].startswith("#"):
                yield rows.line_num, cell
    except csv.Error as error:
        raise ConfigError(f"{file}:{rows.line_num}: is not CSV: {error}") from None


def _of_json(file: Path, data: bytes) -> Iterator[tuple[int, Any]]:
    try:
        entries = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(f"{file}: is not JSON: {str(error)[:200]}") from None
    if not isinstance(entries, list):
        raise ConfigError(f"{file}: holds no array of texts")
    return iter(enumerate(entries, 1))


def list_of_redis(name: str, url: str, key: str, *, allow_empty: bool = False) -> NamedList:
    """The members of a Redis set, read with SSCAN: it blocks nobody, and may miss what is added meanwhile.

    Raises TocsinError where Redis cannot be read, where there is no such set (unless ``allow_empty``: a feed that broke
    must not silently empty a list) or where a member cannot stand in a list.
    """
    try:
        import redis
    except ModuleNotFoundError:
        raise TocsinError("reading Redis needs the Python module redis", "pip install 'tocsin[redis]'") from None
    try:
        with redis.Redis.from_url(url, socket_timeout=30, socket_connect_timeout=10) as client:
            members = [_text(key, member) for member in client.sscan_iter(key, count=_SCAN)]
    except ValueError as error:
        raise ConfigError(
            f"--redis: {error}", "write redis://host:6379/0, or env:NAME for a variable that holds it"
        ) from None
    except redis.RedisError as error:
        raise TocsinError(f"cannot read the set {key!r:.100} from Redis: {str(error)[:300]}") from None
    if not members and not allow_empty:
        raise TocsinError(
            f"Redis has no set {key!r:.100}, or it is empty; the list stays as it is", "--allow-empty takes it as it is"
        )
    try:
        return named_list(name, members)
    except ListProblems as problems:
        raise TocsinError(f"the set {key!r:.100} cannot be a list: {problems}", "the list stays as it is") from None


def _text(key: str, member: bytes) -> str:
    try:
        return member.decode()
    except UnicodeDecodeError:
        raise TocsinError(
            f"a member of {key!r:.100} is not UTF-8: {member[:60]!r}", "the list stays as it is"
        ) from None
