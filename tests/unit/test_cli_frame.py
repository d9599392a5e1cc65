"""The command line: one message per error, the right exit status, nothing imported that was not asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import streams.cli as frame
from streams.errors import ConfigError, TocsinError

ROOT = Path(__file__).parents[2]


def run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        frame.main(args)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def raising(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.fixture
def subcommand(monkeypatch: pytest.MonkeyPatch):
    """Puts a command of ours into the registry, as the module it would come from."""

    def put(error: BaseException) -> None:
        module = type(sys)("tests_cli_frame_probe")
        module.command = raising(error)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(frame.COMMANDS, "probe", (module.__name__, "Raises."))

    return put


def test_help_lists_every_command_without_importing_any(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(["--help"], capsys)
    assert status == 0
    for name, (_, what) in frame.COMMANDS.items():
        assert name in out
        assert what in out


#: What is slow to import. A command that wants one of them imports it when it comes to it.
HEAVY = ("aiohttp", "confluent_kafka", "duckdb", "faust", "jgo", "jinja2", "prometheus_client", "pyarrow", "structlog")
#: For the help of `tocsin` itself these are too.
NOT_FOR_HELP = (*HEAVY, "asyncio", "importlib.metadata", "msgspec", "rich", "streams.config", "yaml")

SAY_WHAT_IS_IMPORTED = """
import contextlib, io, json, sys
import streams.cli as frame

for args in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            frame.main(args)
        except SystemExit as ended:
            status = ended.code
    print(json.dumps([args, status, sorted(sys.modules)]))
"""


def test_nothing_heavy_is_imported_for_commands_that_only_look(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yaml").write_text("policy: {preset: operations}\nsinks: [{name: chat, type: console}]\n")
    calls = [
        ["--help"],
        ["--config", str(tmp_path / "tocsin.yaml"), "routes", "show"],
        ["rules", "test", str(ROOT / "streams/packs/audit/audit-sequence-gap.yaml")],
        ["alerts", "--help"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", SAY_WHAT_IS_IMPORTED, json.dumps(calls)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    after = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(args, status) for args, status, _ in after] == [(args, 0) for args in calls]
    first, second, *_, last = (set(modules) for _, _, modules in after)
    assert [name for name in first if name.startswith("streams.cli.")] == ["streams.cli.context"]
    assert sorted(first.intersection(NOT_FOR_HELP)) == []
    assert "connectors.notifiers.console" in second, "the connector that is configured is there"
    assert sorted(last.intersection(HEAVY)) == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], capsys)[1].startswith("tocsin, version ")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["alrts", "list"], "Error: No such command 'alrts' (did you mean 'alerts'?)"),
        (["alerts", "lst"], "Error: No such command 'lst' (did you mean 'list'?)"),
        (["rules", "tets"], "Error: No such command 'tets' (did you mean 'test'?)"),
        (["frobnicate"], f"Error: No such command 'frobnicate' (known: {', '.join(sorted(frame.COMMANDS))})"),
    ],
)
def test_a_command_that_is_near_is_named(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(args, capsys)
    assert (status, err.splitlines()[-1]) == (2, said)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (TocsinError("it broke", "mend it"), 1, "error: it broke\n  hint: mend it\n"),
        (ConfigError("bad key"), 2, "error: bad key\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.UsageError("no such option"), 2, "Error: no such option\n"),
        (
            ValueError("odd\nsecond line"),
            70,
            "error: ValueError: odd\n  hint: `tocsin --debug …` shows where it happened\n",
        ),
        (ValueError(), 70, "error: ValueError: (no message)\n  hint: `tocsin --debug …` shows where it happened\n"),
    ],
)
def test_an_error_is_a_message_and_a_status(
    subcommand, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, said: str
) -> None:
    subcommand(error)
    got, out, err = run(["probe"], capsys)
    assert (got, out) == (status, "")
    assert err.endswith(said) if said else err.strip() == ""
    assert "Traceback" not in err


def test_debug_shows_the_traceback(subcommand, capsys: pytest.CaptureFixture[str]) -> None:
    subcommand(TocsinError("it broke"))
    status, _, err = run(["--debug", "probe"], capsys)
    assert status == 1
    assert "Traceback" in err
    assert "error: it broke" in err


def test_a_command_whose_module_is_missing_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(frame.COMMANDS, "gone", ("streams.cli.gone", "Is not there."))
    status, _, err = run(["gone"], capsys)
    assert status == 1
    assert "needs the Python module streams.cli.gone" in err
    assert run(["local", "--help"], capsys)[0] == 0


@pytest.mark.parametrize("args", [["nonsense"], ["--nonsense"], ["topics", "create", "--partitions", "0"], ["local", "up", "--only", "mysql"]])  # fmt: skip
def test_wrong_usage_is_status_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(args, capsys)
    assert (status, out) == (2, "")
    assert "Error: " in err


def test_a_bad_configuration_is_status_2_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text("kafka:\n  bootstrap: x\n")
    status, out, err = run(["--config", str(tmp_path / "bad.yaml"), "topics", "check"], capsys)
    assert (status, out) == (2, "")
    assert f"{tmp_path}/bad.yaml:2: kafka.bootstrap: is not known here" in err


@pytest.mark.parametrize("command", ["list", "check"])
def test_a_closed_pipe_is_quiet(command: str, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", f"import click, streams.cli as c, sys, types\n"
         f"m = types.ModuleType('m'); m.command = click.command('{command}')(lambda: click.echo('x' * 10**6))\n"
         f"sys.modules['m'] = m; c.COMMANDS['m'] = ('m', ''); c.main(['m'])"],
        stdout=write, stderr=subprocess.PIPE, cwd=ROOT, timeout=30, check=False,
    )  # fmt: skip
    os.close(write)
    assert done.stderr == b""
    assert done.returncode != 0
