"""The page about alerts names what there is, and nothing else."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import product
from pathlib import Path

import click
import pytest

from streams.alerts.case import Why
from streams.alerts.fold import Verdict
from streams.alerts.incidents import PHASES
from streams.alerts.lifecycle import TRANSITIONS, Move, Refusal
from streams.cli.alerts import command as alerts
from streams.cli.incidents import command as incidents
from streams.model import Disposition, Status

PAGE = (Path(__file__).parents[2] / "streams/docs/alerts.md").read_text("utf-8")


@pytest.mark.parametrize("words", [Why, Verdict, Refusal, Disposition], ids=lambda words: words.__name__)
def test_every_word_is_on_the_page(words: type[StrEnum]) -> None:
    assert [word.value for word in words if f"`{word.value}`" not in PAGE] == []
    assert [phase for phase in PHASES if phase not in PAGE] == []


def test_the_table_of_life_is_the_one_that_is_obeyed() -> None:
    section = PAGE.split("## Life", 1)[1].split("##", 1)[0]
    head, _, *rows = [line for line in section.splitlines() if line.startswith("|")]
    names = [cell.strip() for cell in head.strip("|").split("|")][1:]
    shown: dict[tuple[Status, Move], Status] = {}
    for row in rows:
        name, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        for to, cell in zip(names, cells, strict=True):
            for word in re.sub(r"\([^)]*\)", "", cell).replace(",", " ").split():
                shown[Status(name.strip("*")), Move(word)] = Status(to)
    assert shown == TRANSITIONS
    assert len(list(product(Status, Move))) > len(shown), "most of what could be asked is refused"


def test_every_command_is_on_the_page_and_every_command_of_the_page_exists() -> None:
    for group, name in ((alerts, "alerts"), (incidents, "incidents")):
        said = {word for words in re.findall(rf"tocsin {name} ([a-z|]+)", PAGE) for word in words.split("|")}
        assert said <= set(group.commands), name
        missing = {word for word in group.commands if not re.search(rf"\b{word}\b", PAGE)}
        assert missing <= {"list", "show"}, name


@pytest.mark.parametrize("line", re.findall(r"^tocsin (?:alerts|incidents) .+$", PAGE, re.MULTILINE))
def test_the_options_of_the_examples_exist(line: str) -> None:
    _, name, word, rest = line.split(" ", 3)
    group = {"alerts": alerts, "incidents": incidents}[name]
    known = {text for option in group.commands[word].params if isinstance(option, click.Option) for text in option.opts}
    assert set(re.findall(r"--[a-z-]+", rest)) <= known
