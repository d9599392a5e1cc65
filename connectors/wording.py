"""A sink's own words: its templates as the configuration gives them, and what they say about one notification."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from connectors.base import Item
from connectors.clip import Escape
from connectors.message import Message
from connectors.settings import Block
from connectors.templates import LONGEST_SOURCE, TemplateFailed, TemplateProblem, compile_template
from connectors.times import for_people


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Sources of a sink's templates; empty: the built-in words."""

    title: str = ""
    body: str = ""


def read_texts(block: Block) -> Texts:
    """``template: TEXT`` (of the body), or ``template: {title: …, body: …}``; each a text, or ``file:PATH``."""
    given = block.anything("template", None)
    if given is None:
        return Texts()
    parts = given if isinstance(given, dict) else {"body": given}
    found = {}
    for name, text in parts.items():
        path = f"template.{name}" if isinstance(given, dict) else "template"
        if name not in ("title", "body"):
            block.problem(f"template.{str(name)[:60]}", "is not known here (known: title, body)")
        elif not isinstance(text, str) or not text.strip():
            block.problem(path, "must be the text of a template, or file:PATH")
        elif (source := _source(block, path, text)) is not None:
            found[name] = source
    return Texts(**found)


def _source(block: Block, path: str, text: str) -> str | None:
    where = ""
    try:
        if text.startswith("file:"):
            where = text.removeprefix("file:")
            with Path(where).open(encoding="utf-8") as file:
                text = file.read(LONGEST_SOURCE + 1)
            where += ", "
        compile_template(text)
    except TemplateProblem as problem:
        block.problem(path, f"{where}{problem}")
    except (OSError, ValueError) as error:
        block.problem(path, f"cannot read {where}: {type(error).__name__}")
    else:
        return text
    return None


@dataclass(frozen=True, slots=True)
class Words:
    """Title and body in the vendor's markup, unbounded in length; ``None``: the built-in ones are to be used."""

    title: str | None
    body: str | None
    failed: str = ""  #: a marker to show: a template could not be rendered


class Wording:
    """A sink's templates, compiled for its markup."""

    def __init__(self, texts: Texts, escape: Escape) -> None:
        self._title = compile_template(texts.title, escape) if texts.title else None
        self._body = compile_template(texts.body, escape) if texts.body else None

    def words(self, item: Item, message: Message) -> Words:
        if self._title is None and self._body is None:
            return Words(None, None)
        data = _data(item, message)
        try:
            return Words(
                " ".join(self._title.render(data).split()) if self._title else None,
                self._body.render(data) if self._body else None,
            )
        except TemplateFailed as error:
            return Words(None, None, f"[the sink's template failed: {error}]")


def _data(item: Item, message: Message) -> dict[str, Any]:
    """Plain data with every field there is, empty ones too; times as people write them."""
    note = item.notification
    alert = for_people(msgspec.to_builtins(msgspec.structs.asdict(item.alert)))
    told = {} if note is None else msgspec.structs.asdict(note)
    group = told.pop("group", None)
    told.pop("alert", None)
    return {
        "alert": alert,
        "notification": for_people(msgspec.to_builtins(told)),
        "group": None if group is None else msgspec.to_builtins(msgspec.structs.asdict(group)),
        "title": message.title,
        "text": message.text,
        "reason": note.reason.value if note else "",
    }
