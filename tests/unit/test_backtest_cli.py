"""``tocsin backtest`` on files: the same bytes whatever the processes, what a candidate changes, and what CI is told."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow
import pyarrow.parquet
import pytest

from streams.cli import main
from streams.replay.moments import rfc3339

ROOT = Path(__file__).parents[2]
START = 1_704_067_200_000
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>{{ 7*7 }}'
RULE = """
id: test.burst
title: "{count} failures of {actor}"
source: audit
where: {action: login, outcome: failure}
group_by: [actor]
detect: {count: {at_least: AT_LEAST, within: 10m}}
severity: {medium: 2, high: 6}
cooldown: 15m
type: security
tests:
  - name: many fire
    events: [{at: 0s, actor: ada, source_ip: 192.0.2.1, action: login, outcome: failure, times: 9, every: 1s}]
    expect: [{at: 1s, severity: medium}]
"""
BY_ADDRESS = RULE.replace("test.burst", "test.by-address").replace("[actor]", "[source_ip]").replace(" of {actor}", "")


def failures(actor: str, times: int, minute: int = 0) -> list[dict[str, Any]]:
    at = START + minute * 60_000
    return [
        {"event_id": f"{actor}-{n}", "event_time": at + n * 1000, "tenant": "acme", "actor": actor,
         "source_ip": f"192.0.2.{n % 3}", "action": "login", "outcome": "failure"}
        for n in range(times)
    ]  # fmt: skip


EVENTS = [
    *failures("ada", 7),
    *failures("bea", 4, minute=1),
    *failures(HOSTILE, 5, minute=2),
    *failures("cyd", 2, minute=3),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of events, and rule files that differ in their threshold."""
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    metric = [{"event_id": f"m{n}", "event_time": START + n, "type": "cpu", "host": "db", "value": n} for n in range(5)]
    (tmp_path / "metric.jsonl").write_text("".join(json.dumps(event) + "\n" for event in metric))
    for at_least in (2, 4, 6):
        (tmp_path / f"{at_least}.yaml").write_text(RULE.replace("AT_LEAST", str(at_least)))
    (tmp_path / "address.yaml").write_text(BY_ADDRESS.replace("AT_LEAST", "3"))
    (tmp_path / "metric.yaml").write_text(
        "id: test.hot\ntitle: hot\nsource: metric\nwhere: {value: {gte: 4}}\ngroup_by: [host]\ndetect: {match: {}}\n"
        "severity: low\ntype: metrics\ntests: [{name: hot, events: [{at: 0s, host: db, value: 9}], expect: [{at: 0s}]}]\n"
    )
    return tmp_path


def tocsin(*args: str | Path, status: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["backtest", *map(str, args)])
    sys.stdout.flush()
    assert ended.value.code == status


def reported(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
    return found


ALL = ("--rules", "4.yaml", "--rules", "address.yaml", "--rules", "metric.yaml", "--baseline", "6.yaml")
BOTH = ("--source", "audit=audit.jsonl", "--source", "metric=metric.jsonl")


def test_one_process_or_several_in_whatever_order_write_the_same_bytes(here: Path) -> None:
    tocsin(*BOTH, *ALL, "--jobs", "1", "--out", "one")
    tocsin(*BOTH[2:], *BOTH[:2], *ALL, "--jobs", "4", "--out", "four")
    assert (here / "one/report.json").read_bytes() == (here / "four/report.json").read_bytes()
    assert {alert["rule"] for alert in reported(here / "one")["alerts"]} == {
        "test.burst", "test.by-address", "test.hot"
    }  # fmt: skip


def test_the_command_in_the_report_makes_it_again(here: Path) -> None:
    tocsin(*BOTH, *ALL, "--from", rfc3339(START + 60_000), "--out", "one")
    first = reported(here / "one")
    program, command, *args = shlex.split(first["command"])
    assert (program, command) == ("tocsin", "backtest")
    tocsin(*args, "--out", "again")
    assert reported(here / "again") == first
    assert first["counts"]["events"] == 4 + 5 + 2  # what is older than a minute is left out


def test_a_file_is_the_same_however_it_is_packed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = (here / "audit.jsonl").read_bytes()
    (here / "audit.gz").write_bytes(gzip.compress(plain))
    with pyarrow.CompressedOutputStream("audit.zst", "zstd") as stream:
        stream.write(plain)
    pyarrow.parquet.write_table(pyarrow.table({"value": plain.splitlines()}), "payloads.parquet")
    found = {}
    for name in ("audit.jsonl", "audit.gz", "audit.zst", "payloads.parquet"):
        tocsin("--source", f"audit={name}", "--rules", "4.yaml", "--json")
        report = json.loads(capsys.readouterr().out)
        found[name] = report["alerts"], report["inputs"][0]["files"][0]["sha256"]
    assert len({str(one) for one in found.values()}) == 1
    columns = [{**event, "extra": None} for event in EVENTS]
    table = pyarrow.Table.from_pylist(columns)
    times = pyarrow.array([event["event_time"] for event in EVENTS], pyarrow.timestamp("ms", "UTC"))
    table = table.set_column(table.schema.get_field_index("event_time"), "event_time", times)
    pyarrow.parquet.write_table(table, "columns.parquet")
    tocsin("--source", "audit=columns.parquet", "--rules", "4.yaml", "--json")
    alerts = json.loads(capsys.readouterr().out)["alerts"]
    assert [(one["key"], one["event_time"], one["count"]) for one in alerts] == [
        (one["key"], one["event_time"], one["count"]) for one in found["audit.jsonl"][0]
    ]


@pytest.mark.parametrize(("name", "content"), [("a.zst", b"\x28\xb5\x2f\xfd broken"), ("a.parquet", b"PAR1 broken")])
def test_what_is_damaged_is_said_by_name(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    (here / name).write_bytes(content)
    tocsin("--source", f"audit={name}", "--rules", "4.yaml", status=2)
    assert name in capsys.readouterr().err


def test_a_lower_threshold_tells_sooner_and_of_more_people(here: Path) -> None:
    tocsin(*BOTH[:2], "--rules", "4.yaml", "--baseline", "6.yaml", "--out", "out")
    baseline = reported(here / "out")["baseline"]
    assert [one["key"]["actor"] for one in baseline["new"]] == ["bea", HOSTILE]
    assert baseline["gone"] == []
    (changed,) = baseline["changed"]
    assert changed["key"] == {"actor": "ada"}
    assert changed["changes"]["event_time"] == {"before": rfc3339(START + 5000), "after": rfc3339(START + 3000)}
    assert changed["changes"]["findings"] == {"before": 2, "after": 4}
    assert baseline["rules_changed"] == ["test.burst"]
    tocsin(*BOTH[:2], "--rules", "6.yaml", "--baseline", "4.yaml", "--out", "back")
    back = reported(here / "back")["baseline"]
    assert [one["key"]["actor"] for one in back["gone"]] == ["bea", HOSTILE]
    assert all(one["evidence"] for one in back["gone"])  # down to its events


def test_a_candidate_in_the_shadow_is_asked_what_it_would_tell_a_baseline_there_tells_nobody(here: Path) -> None:
    (here / "shadow.yaml").write_text((here / "4.yaml").read_text() + "stage: shadow\n")
    tocsin(
        *BOTH[:2], "--rules", "shadow.yaml", "--baseline", "shadow.yaml", "--budget", "alerts=3,new=3", "--out", "out"
    )
    assert reported(here / "out")["baseline"]["counts"]["alerts"] == 0


@pytest.mark.parametrize(
    ("overrides", "alerts"),
    [
        ({"test.burst": {"detect": {"count": {"at_least": 6}}}}, 1),
        ({"tenants": {"acme": {"test.burst": {"detect": {"count": {"at_least": 5}}}}}}, 2),
    ],
)
def test_an_override_does_not_put_a_candidate_back_into_the_shadow(
    here: Path, overrides: dict[str, Any], alerts: int
) -> None:
    (here / "shadow.yaml").write_text((here / "4.yaml").read_text() + "stage: shadow\n")
    (here / "tocsin.yaml").write_text(json.dumps({"overrides": overrides}))
    with pytest.raises(SystemExit) as ended:
        main(
            ["--config", "tocsin.yaml", "backtest", *BOTH[:2], "--rules", "shadow.yaml", "--budget", f"alerts={alerts}"]
        )
    assert ended.value.code == 0


def test_rules_that_only_the_baseline_has_are_gone_where_the_whole_is_compared(here: Path) -> None:
    (here / "base").mkdir()
    for name in ("4.yaml", "metric.yaml"):
        (here / "base" / name).write_text((here / name).read_text())
    for options, gone in (((), []), (("--whole",), ["test.hot"])):
        tocsin(*BOTH, "--rules", "4.yaml", "--rules", "address.yaml", "--baseline", "base", *options, "--out", "out",
               status=0 if options else 2)  # fmt: skip
        if options:
            assert [one["rule"] for one in reported(here / "out")["baseline"]["gone"]] == gone
            assert reported(here / "out")["baseline"]["rules_removed"] == gone


LABELS = [
    {"alert_id": "x", "rule": "test.burst", "tenant": "acme", "key": {"actor": "ada"}, "disposition": "true_positive",
     "duplicate_of": None, "by": "eve", "event_ids": ["ada-3"], "positions": [], "first_event_time": START + 3000,
     "last_event_time": START + 6000},
    {"alert_id": "y", "rule": "test.burst", "tenant": "acme", "key": {"actor": "bea"}, "disposition": "false_positive",
     "duplicate_of": None, "by": "eve", "event_ids": ["bea-3"], "positions": [], "first_event_time": START + 63_000,
     "last_event_time": START + 63_000},
]  # fmt: skip


def test_what_people_said_of_alerts_is_the_measure_and_the_unlabelled_count_for_neither(here: Path) -> None:
    (here / "labels.jsonl").write_text("".join(json.dumps(label) + "\n" for label in LABELS))
    for at_least, precision, unlabelled in (("4", 0.5, 1), ("6", 1.0, 0)):
        tocsin(*BOTH[:2], "--rules", f"{at_least}.yaml", "--labels", "labels.jsonl", "--out", "out")
        labels = reported(here / "out")["labels"]
        assert (labels["all"]["precision"], labels["all"]["recall"]) == (precision, 1.0)
        assert labels["all"]["unlabelled"] == unlabelled
        assert labels["all"]["f1"] == round(2 * precision / (precision + 1), 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "test.other"}, "their rules are not among those loaded"),
        ({"first_event_time": START + 86_400_000}, "their times lie outside"),
        ({"disposition": "so-so"}, "labels.jsonl:1"),
    ],
)
def test_labels_that_match_nothing_are_no_success(
    here: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str
) -> None:
    (here / "labels.jsonl").write_text(json.dumps({**LABELS[0], **change}) + "\n")
    tocsin(*BOTH[:2], "--rules", "4.yaml", "--labels", "labels.jsonl", status=2)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("budget", "status", "failures"),
    [
        ("alerts<=3", 0, 0),
        ("alerts<3", 1, 1),
        ("alerts<=3, new<=1,gone==0", 1, 1),
        ("alerts:test.burst>=4,events>100", 1, 2),
        ("invalid=0,late=0,duplicates=0", 0, 0),
    ],
)
def test_a_budget_decides_the_exit_status(here: Path, budget: str, status: int, failures: int) -> None:
    tocsin(
        *BOTH[:2], "--rules", "4.yaml", "--baseline", "6.yaml", "--budget", budget, "--junit", "j.xml", status=status
    )
    suite = ElementTree.parse(here / "j.xml").getroot()
    assert suite.get("failures") == str(failures)
    assert suite.get("tests") == str(budget.count(",") + 1)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--budget", "alert<=3"), "nothing is called alert"),
        (("--budget", "alerts"), "is no comparison"),
        (("--budget", "precision>=0.9"), "--labels"),
        (("--budget", "new<=0"), "--baseline"),
        (("--budget", "alerts:test.none<=0"), "no rule 'test.none'"),
        (("--from", "yesterday"), "last 7d"),
        (("--from", "2030-01-01T00:00:00Z"), "no events in this range"),
        (("--from", "last 1d"), "no events in this range"),
        (("--to", "0:5"), "offsets are for topics"),
        (("--junit", "x"), "--budget"),
        (("--labels", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], said: str
) -> None:
    tocsin(*BOTH[:2], "--rules", "4.yaml", *args, status=2)
    assert said in capsys.readouterr().err


class Elements(HTMLParser):
    """What a browser would make of the page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_fetches_nothing_runs_nothing_and_shows_hostile_titles_as_text(here: Path) -> None:
    tocsin(*BOTH, *ALL, "--out", "out")
    page = Elements((here / "out/report.html").read_text("utf-8"))
    assert f"5 failures of {HOSTILE}"[2:] in page.text
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "form", "a", "base"})
    names = {name for name, _ in page.attributes}
    assert not any(name.startswith("on") for name in names)
    assert names.isdisjoint({"src", "href", "style", "action", "xlink:href"})
    assert {"svg", "table", "details"} <= page.tags
    html = (here / "out/report.html").read_text("utf-8")
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert "http" not in html.replace("http-equiv", "")
