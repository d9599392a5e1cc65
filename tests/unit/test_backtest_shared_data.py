"""All recorded data beside the checkout through the default packs, as one report."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from streams.replay.scoring.realdata import DATA, KNOWN
from tests.unit.test_backtest_cli import tocsin

#: One line is a whole test of a rule, not an event: ``tests/correlation_cases.py`` plays them.
CASES = {"panther_correlation_tests.jsonl"}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there: it has the recorded data")
def test_one_report_of_three_sources_by_three_codecs_is_the_same_from_one_process_and_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    files = [(known.source, DATA / file) for known in KNOWN for file in known.files]
    assert {file.name for _, file in files} == {file.name for file in DATA.glob("*/*.jsonl")} - CASES
    given = [part for source, file in files for part in ("--source", f"{source}={file}")]
    given += [part for known in KNOWN for part in ("--mapping", f"{known.source}={known.mapping}")]
    for jobs in ("1", "2"):
        tocsin(*given, "--out", jobs, "--parquet", "--jobs", jobs)
    for name in ("report.json", "alerts.parquet", "evidence.parquet", "findings.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name

    report = json.loads((tmp_path / "1/report.json").read_bytes())
    assert report["counts"]["invalid"] == 0
    assert report["counts"]["events"] == sum(file.read_bytes().count(b"\n") for _, file in files)
    told = Counter(alert["rule"] for alert in report["alerts"])
    for known in KNOWN:
        truth = json.loads((DATA / known.truth).read_bytes())
        for wanted in known.wanted:
            expected = len(wanted.of(truth))
            assert sum(told[rule] for rule in wanted.rules) >= expected, wanted.what
