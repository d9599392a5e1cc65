"""The command ``tocsin``. Subcommands are imported when they are called, so that none slows or breaks another."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from streams.cli.context import Invocation
from streams.errors import FAILED, TocsinError

#: Every subcommand: the module that exports it as ``command``, and what it does.
COMMANDS = {
    "demo": ("streams.cli.demo", "See it work: local Kafka, simulated attacks, alerts."),
    "run": ("streams.cli.run", "Run a worker."),
    "topics": ("streams.cli.topics", "Create, check and list the topics."),
    "rules": ("streams.cli.rules", "Check, test, list and apply rules."),
    "lists": ("streams.cli.lists", "Apply, show and sync the indicator lists that rules name."),
    "alerts": ("streams.cli.alerts", "List alerts, work with them, raise and report."),
    "incidents": ("streams.cli.incidents", "List, open, handle and export incidents."),
    "routes": ("streams.cli.routes", "Show, try out and test where alerts go."),
    "oncall": ("streams.cli.oncall", "Who is on call, until when, and who instead."),
    "silences": ("streams.cli.silences", "Silence what matches for a time, and see what that hides."),
    "maintenance": ("streams.cli.maintenance", "Maintenance windows, once or recurring."),
    "notify": ("streams.cli.notify", "Show what a notifier would send; send a test."),
    "deliveries": ("streams.cli.deliveries", "What was sent where, what came of it, and sending it again."),
    "dlq": ("streams.cli.dlq", "Dead letters: look, send back, discard."),
    "storage": ("streams.cli.storage", "Fill a storage again from its topics."),
    "archive": ("streams.cli.archive", "What archives hold; are they whole; remove what is old."),
    "replay": ("streams.cli.replay", "Run recorded events through rules."),
    "backtest": ("streams.cli.backtest", "What rules would have said of recorded events, as a report."),
    "tune": ("streams.cli.tune", "A rule with other thresholds: the curve, and which to take."),
    "explain": ("streams.cli.explain", "Why an alert is there, and who was told."),
    "state": ("streams.cli.state", "What a rule knew of a key at any moment."),
    "coverage": ("streams.cli.coverage", "Which offsets the rules have looked at."),
    "simulate": ("streams.cli.simulate", "Make labelled traffic."),
    "night": ("streams.cli.night", "Play a night of alerts against a policy."),
    "score": ("streams.cli.score", "Precision, recall and time to detect of the rules."),
    "local": ("streams.cli.local", "Kafka, PostgreSQL and Redis on this machine."),
}

_EPILOG = """\b
Examples:
  tocsin demo                        everything, in a minute
  tocsin local up --only kafka       a real Kafka on this machine
  tocsin topics create               the topics it needs
  tocsin run                         a worker with all roles
  tocsin rules test                  the tests in the rule files

\b
Configuration: tocsin.yaml by --config or TOCSIN_CONFIG; without one the defaults. Exit status 2: usage or
configuration, 1: something else is wrong, 70-74: a worker's own ends.
"""


class _Registry(click.Group):
    """Lists ``COMMANDS`` and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name][0]
        try:
            command = importlib.import_module(module).command
        except ModuleNotFoundError as error:
            raise TocsinError(
                f"`tocsin {cmd_name}` needs the Python module {error.name}, which is not installed",
                "pip install 'tocsin[local]'" if error.name and not error.name.startswith("streams") else "",
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


def _say_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("tocsin")
    except PackageNotFoundError:
        found = "unknown (not installed)"
    click.echo(f"tocsin, version {found}")
    ctx.exit()


@click.command(
    cls=_Registry, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="tocsin.yaml, or another file like it.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Show the version and exit.",
)
@click.pass_context
def cli(ctx: click.Context, config: Path | None, debug: bool) -> None:
    """Finds suspicious patterns in events on Kafka: exact, replayable alerts."""
    ctx.obj = Invocation(config=config, debug=debug)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: errors that a person can do something about as a message, without a traceback."""
    given = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in given or os.environ.get("TOCSIN_DEBUG") == "1"
    try:
        status = cli.main(args=given, prog_name="tocsin", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            _name_the_nearest(error)
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains when it flushes
        sys.exit(141)
    except TocsinError as error:
        if debug:
            traceback.print_exc()
        _say(error.message, error.hint)
        sys.exit(error.status)
    except Exception as error:
        if debug:
            traceback.print_exc()
        kind, text = _described(error)
        _say(f"{kind}: {text}", "`tocsin --debug …` shows where it happened")
        sys.exit(FAILED)
    sys.exit(status if isinstance(status, int) else 0)


def _name_the_nearest(error: click.UsageError) -> None:
    """Say which command may have been meant: click does so of options alone."""
    wrong = re.fullmatch(r"No such command '(.*)'\.", error.message)
    if wrong is None or error.ctx is None or not isinstance(error.ctx.command, click.Group):
        return
    from streams.rules.problems import did_you_mean

    error.message = error.message.removesuffix(".") + did_you_mean(wrong[1], error.ctx.command.list_commands(error.ctx))


def _described(error: Exception) -> tuple[str, str]:
    """The words for an error nobody foresaw: Kafka's by what it says, others by their type."""
    first: Any = error.args[0] if error.args else ""
    if type(error).__name__ == "KafkaException" and hasattr(first, "str"):
        return "Kafka", f"{first.str()} ({first.name()})"
    return type(error).__name__, str(error).splitlines()[0][:500] if str(error) else "(no message)"


def _say(message: str, hint: str) -> None:
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    if hint:
        click.echo(f"  hint: {hint}", err=True)
