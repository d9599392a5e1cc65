"""A backtest's result as tables: every column as documented, the same bytes again, and from Python as in the example."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet
import pytest

from streams.errors import ConfigError
from streams.replay.backtest.tables import COLUMNS
from tests.unit.test_backtest_cli import EVENTS, RULE, START, tocsin
from tocsin.replay import TABLES, backtest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    for at_least in (2, 6):
        (tmp_path / f"{at_least}.yaml").write_text(RULE.replace("AT_LEAST", str(at_least)))
    return tmp_path


AUDIT = ("--source", "audit=audit.jsonl", "--rules", "2.yaml", "--baseline", "6.yaml")


def test_tables_say_what_the_report_says_and_their_bytes_are_the_same_again(here: Path) -> None:
    for out in ("one", "two"):
        tocsin(*AUDIT, "--out", out, "--parquet", "--jobs", "1" if out == "one" else "2")
    report = json.loads((here / "one/report.json").read_bytes())
    for table in COLUMNS:
        name = f"{table}.parquet"
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes(), table
        schema = pyarrow.parquet.read_schema(here / "one" / name)
        assert schema.names == list(COLUMNS[table])
        assert schema.metadata[b"tocsin.format"] == b"1"

    def asked(query: str) -> list[tuple[Any, ...]]:
        return duckdb.sql(re.sub(r"\b(FROM|JOIN) (\w+)", r"\1 read_parquet('one/\2.parquet') AS \2", query)).fetchall()

    ids = [alert["alert_id"] for alert in report["alerts"]]
    assert [row[0] for row in asked("SELECT alert_id FROM alerts WHERE run = 'candidate'")] == ids
    assert asked("SELECT count(*) FROM findings WHERE run = 'candidate'") == [(report["counts"]["findings"],)]
    assert asked("SELECT run, alerts, findings FROM rules ORDER BY run DESC") == [
        ("candidate", 4, report["counts"]["findings"]), ("baseline", 1, 2),
    ]  # fmt: skip
    evidence = asked(
        "SELECT evidence.position FROM evidence JOIN alerts USING (run, alert_id) WHERE run = 'candidate' "
        f"AND alert_id = '{ids[0]}' ORDER BY number"
    )
    assert [row[0] for row in evidence] == [one["position"] for one in report["alerts"][0]["evidence"]]
    assert asked("SELECT epoch_ms(event_time), key, observed FROM alerts WHERE run = 'baseline'") == [
        (START + 5000, '{"actor":"ada"}', 7.0)
    ]
    assert asked("SELECT file, sha256, records FROM inputs") == [
        ("audit.jsonl", report["inputs"][0]["files"][0]["sha256"], len(EVENTS))
    ]


def test_from_python_it_is_what_the_command_writes(here: Path) -> None:
    done = backtest({"audit": "audit.jsonl"}, rules=[here / "2.yaml"], baseline="6.yaml", resume="work")
    tocsin("--source", "audit=audit.jsonl", "--rules", str(here / "2.yaml"), "--baseline", "6.yaml", "--out", "out")
    assert done.to_json() == (here / "out/report.json").read_bytes()
    assert not (here / "work").exists()
    assert [alert.id for alert in done] == [alert["alert_id"] for alert in done.report["alerts"]]
    assert len(done) == len(done.alerts("test.burst")) == 4
    assert done.alerts("test.other") == []
    assert repr(done) == "<Backtest: 4 alerts of 18 events>"
    for path, table in zip(done.to_parquet("tables"), TABLES, strict=True):
        assert pyarrow.parquet.read_table(path).equals(done.to_arrow(table))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sources": {"audit": "nowhere.jsonl"}}, "there is no such file"),
        ({"begin": "2030-01-01T00:00:00Z"}, "no events in this range"),
        ({"begin": "0:5"}, "offsets are for topics"),
        ({"sources": {"audti": "audit.jsonl"}}, "no source is called 'audti'"),
        ({"labels": "nowhere.jsonl"}, "nowhere.jsonl"),
    ],
)
def test_from_python_what_cannot_be_is_an_error_of_ours(here: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        backtest(**{"sources": {"audit": "audit.jsonl"}, "rules": "2.yaml", **given})


def test_a_table_that_is_none_and_tables_without_a_folder_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="no table 'alarms'"):
        backtest({"audit": "audit.jsonl"}, rules="2.yaml").to_arrow("alarms")
    tocsin(*AUDIT, "--parquet", status=2)
    assert "--out" in capsys.readouterr().err


def test_every_column_is_documented() -> None:
    page = (ROOT / "streams/docs/backtest.md").read_text("utf-8")
    for table, columns in COLUMNS.items():
        (section,) = re.findall(rf"^\| `{table}` \| (.*) \|$", page, re.MULTILINE)
        assert re.findall(r"`(\w+)`", section) == list(columns), table


def test_the_example_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("example", ROOT / "examples/backtest_in_python.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(tmp_path)
    shown = capfd.readouterr().out
    assert "<Backtest: " in shown
    assert "baseline" in shown
    assert re.search(r"00:0\d:\d\d\.\d", shown)  # how much sooner
