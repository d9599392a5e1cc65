"""A group of commands that imports a subcommand's module when that is called, so that none slows another."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click


class OnDemand(click.Group):
    """``elsewhere`` are the subcommands of other modules: their names, and where they are, ``module:attribute``.

    The help of the group imports them all, for their first lines.
    """

    def __init__(self, *args: Any, elsewhere: dict[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._elsewhere])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._elsewhere:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._elsewhere[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command
