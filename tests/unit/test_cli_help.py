"""Every command tells a new user what it does, what each option means and how it is called, and the calls are right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from streams.cli import cli


def _commands(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands((*path, name), below)


COMMANDS = dict(_commands(("tocsin",), cli))


def _examples(command: click.Command) -> list[str]:
    """The calls in its help, each on one line, without what a shell does with them."""
    text = re.sub(r"\\\n\s*", "", f"{command.help or ''}\n{command.epilog or ''}")
    calls = re.findall(r"^\s*(?:Example:\s+)?(?:export \$\()?(tocsin .*)$", text, re.MULTILINE)
    return [re.split(r"\)$|\s[|>]\s|\s{2,}", call)[0] for call in calls]


def test_every_command_shows_how_it_is_called() -> None:
    leaves = {name: one for name, one in COMMANDS.items() if not isinstance(one, click.Group)}
    assert len(leaves) > 60
    assert [name for name, one in leaves.items() if not _examples(one)] == []


def test_every_option_says_what_it_means() -> None:
    options = [(name, one) for name, command in COMMANDS.items() for one in command.params]
    assert [(name, one.opts) for name, one in options if isinstance(one, click.Option) and not one.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_can_be_called(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for example in _examples(COMMANDS[name]):
        words = shlex.split(example)
        for file in re.findall(r"\b[\w-]+\.(?:json|yaml)\b", example):
            Path(file).touch()
        command: click.Command = cli
        rest = words[1:]
        while isinstance(command, click.Group):
            context = click.Context(command)
            below = command.get_command(context, rest[0]) if rest else None
            assert below is not None, example
            command, rest = below, rest[1:]
        with click.Context(command, info_name=name) as context:
            command.parse_args(context, rest)  # raises what the user would see
