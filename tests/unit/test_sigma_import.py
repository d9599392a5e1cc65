"""Files of Sigma rules through ``tocsin rules import-sigma``: what is written passes, what is not is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from sigma.modifiers import modifier_mapping

from streams.cli.context import Invocation
from streams.cli.rules import command
from streams.detect.registry import KINDS
from streams.rules.conditions import Not
from streams.rules.document import parse_document
from streams.rules.load import load_rules
from streams.rules.pattern_text import texts_matching
from streams.rules.satisfying import satisfying
from streams.rules.values import read
from streams.rules.where import parse_where
from streams.rules.writing import written
from tests.sigma import document_of, imported, rule_text

DOCS = Path(__file__).parents[2] / "streams" / "docs"

ROOT_LOGIN = """
title: Console Login Of The Root User {really}
id: 0a1b2c3d-0000-4000-8000-000000000001
status: test
description: |
    The root user signed in at the console.
    Nobody should.
references:
    - https://docs.example.org/root
author: Ada Example, Bob Example
tags: [attack.privilege-escalation, attack.t1078.004]
logsource: {product: aws, service: cloudtrail}
detection:
    selection:
        eventSource: signin.amazonaws.com
        eventName: ConsoleLogin
        userIdentity.type: Root
    filter_network:
        sourceIPAddress|cidr: [10.0.0.0/8, 192.168.0.0/16]
    filter_mfa:
        additionalEventData.MFAUsed: 'Yes'
    condition: selection and not 1 of filter_*
falsepositives:
    - Work on the account itself
level: high
"""
STOPPED_TRAIL = """
title: Trail Stopped Or Deleted
id: 0a1b2c3d-0000-4000-8000-000000000002
logsource: {product: aws, service: cloudtrail}
detection:
    selection:
        eventName: [StopLogging, DeleteTrail, UpdateTrail]
    success:
        errorCode: null
    condition: selection and success
level: critical
"""
ENCODED = r"""
title: Encoded Command Line
id: 0a1b2c3d-0000-4000-8000-000000000003
logsource: {category: process_creation, product: windows}
detection:
    image:
        - Image|endswith: ['\powershell.exe', '\pwsh.exe']
        - OriginalFileName: PowerShell.EXE
    flag:
        CommandLine|windash|contains: ' -enc'
    payload:
        CommandLine|wide|base64offset|contains: ['IEX ', 'Invoke-']
    pattern:
        CommandLine|re|i: '\s(frombase64string|[a-z]{3,}download)\('
    known:
        ParentImage|startswith: 'C:\Program Files\'
        User|contains: ['SYSTEM', '$*']
    condition: image and (all of flag* and payload or pattern) and not known
level: medium
"""
RETIRED = """
title: An Old Idea
status: deprecated
logsource: {product: aws}
detection: {sel: {a: b}, condition: sel}
"""
KEYWORDS = """
title: Words Anywhere
logsource: {product: linux}
detection: {keywords: [panic, 'oom*killer'], condition: keywords}
"""
BURST = """
title: Failed
name: failed
logsource: {product: app}
detection: {sel: {action: login, outcome: failure}, condition: sel}
---
title: Failed Login Burst
correlation:
    type: event_count
    rules: [failed]
    group-by: [actor]
    timespan: 10m
    condition: {gte: 5}
level: low
"""


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], obj=Invocation(None), standalone_mode=False)


def folder_of(tmp_path: Path, *texts: str) -> Path:
    folder = tmp_path / "sigma"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.yml").write_text(text, encoding="utf-8")
    return folder


def test_what_is_written_checks_and_passes_its_own_tests(tmp_path: Path) -> None:
    folder, out = folder_of(tmp_path, ROOT_LOGIN, STOPPED_TRAIL, ENCODED, RETIRED, BURST), tmp_path / "out"
    done = invoke("import-sigma", folder, "--out", out)
    assert done.return_value == 0, done.output
    assert "5 rules written, 0 refused" in done.output
    assert invoke("check", out).return_value == 0
    assert invoke("test", out).return_value == 0
    rules = {rule.id: rule for rule in load_rules([out], KINDS).rules}
    assert set(rules) == {
        "sigma.console-login-of-the-root-user-really",
        "sigma.trail-stopped-or-deleted",
        "sigma.encoded-command-line",
        "sigma.an-old-idea",
        "sigma.failed-login-burst",
    }
    assert all(
        any(case["expect"] for case in rule.tests) and any(not case["expect"] for case in rule.tests)
        for rule in rules.values()
    )
    root = rules["sigma.console-login-of-the-root-user-really"]
    assert root.title == "Console Login Of The Root User {{really}}"
    assert root.tags == ("sigma", "attack.privilege-escalation", "attack.t1078.004")
    assert root.severity.at(1)[0].value == "high"
    assert root.metadata["sigma_author"] == "Ada Example, Bob Example"
    assert (
        "False positives:\n- Work on the account itself\nReferences:\n- https://docs.example.org/root"
        in root.description
    )
    assert [rule.id for rule in rules.values() if not rule.enabled] == ["sigma.an-old-idea"]


def test_what_is_refused_is_told_with_file_rule_and_reason_and_status_1(tmp_path: Path) -> None:
    folder, out = folder_of(tmp_path, KEYWORDS, STOPPED_TRAIL), tmp_path / "out"
    done = invoke("import-sigma", folder, "--out", out, "--json")
    assert done.return_value == 1
    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert lines[0]["imported"] == "sigma.trail-stopped-or-deleted"
    assert (lines[1]["refused"], lines[1]["from"]) == ("Words Anywhere", str(folder / "0.yml"))
    assert "keywords can say" in lines[1]["reason"]
    assert [file.name for file in out.iterdir()] == ["sigma.trail-stopped-or-deleted.yaml"]


def test_a_rule_that_our_language_cannot_hold_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    look_behind = rule_text("{f|re: '(?<=a)b'}")
    contradiction = rule_text("sel: {a: x}\nsel2: {a: y}", condition="sel and sel2").replace("a rule", "another")
    done = invoke("import-sigma", folder_of(tmp_path, look_behind, contradiction), "--out", tmp_path / "out", "--json")
    reasons = {line["refused"]: line["reason"] for line in map(msgspec.json.decode, done.stdout.splitlines())}
    assert "RE2" in reasons["a rule"] or "regular expression" in reasons["a rule"].lower()
    assert "no event was found" in reasons["another"] or "never match" in reasons["another"]
    assert list((tmp_path / "out").iterdir()) == []


def test_a_mapping_with_slips_is_told_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(
        "fields:\n  User: 'a..b'\nlogsources:\n  - match: {planet: mars}\n    source: audit\nwhat: 1\n"
    )
    done = invoke(
        "import-sigma", folder_of(tmp_path, RETIRED), "--out", tmp_path / "out", "--mapping", tmp_path / "map.yaml"
    )
    text = str(done.exception)
    assert "map.yaml:2: fields.User" in text
    assert "map.yaml:4: logsources.0.match" in text
    assert "map.yaml:6: what" in text


#: text of a file, a part of the reason
BAD_FILES = {
    "no YAML": ("a: [", "is not YAML"),
    "no mapping": ("- a\n- b", "is not a mapping"),
    "no detection": ("title: x\nlogsource: {product: a}", "detection"),
    "no logsource": ("title: x\ndetection: {sel: {a: b}, condition: sel}", "log source"),
    "no condition": ("title: x\nlogsource: {product: a}\ndetection: {sel: {a: b}}", "condition"),
    "an unknown detection": (rule_text("{a: b}", condition="nobody"), "nobody"),
    "a selector of nothing": (rule_text("{a: b}", condition="1 of other*"), "other*"),
    "a pipe": (rule_text("{a: b}", condition="sel | count() > 5"), "pipe"),
    "a timeframe": (rule_text("{a: b}", more="  timeframe: 5m\n"), "timeframe"),
    "a collection action": ("action: global\ntitle: x", "collection actions"),
    "an anchor that multiplies": ("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]", ""),
    "a nest": ("[" * 3_000, "is not YAML"),
    "a tag": ("a: !!python/object/apply:os.system [ls]", "is not YAML"),
    "dashes beyond measure": (rule_text("{a|windash|contains: ' -a -b -c -d -e'}"), "three dash"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_and_the_others_are_not(name: str, tmp_path: Path) -> None:
    text, reason = BAD_FILES[name]
    found = imported(text)
    assert found.rules == []
    assert len(found.refused) == 1
    assert reason in found.refused[0].reason
    out = tmp_path / "out"
    assert invoke("import-sigma", folder_of(tmp_path, text, STOPPED_TRAIL), "--out", out).return_value == 1
    assert len(list(out.iterdir())) == 1


def test_rules_of_one_title_get_ids_that_stay() -> None:
    text = f"{ROOT_LOGIN}\n---\n{ROOT_LOGIN.replace('000000000001', '000000000009').replace('Root', 'root')}".replace(
        "title: Console Login Of The root User", "title: Console Login Of The Root User"
    )
    ids = [document["id"] for _, document in imported(text).rules]
    assert len(set(ids)) == 2
    assert all(name.startswith("sigma.console-login-of-the-root-user-really-") for name in ids)
    assert ids == [document["id"] for _, document in imported(text).rules]


def test_two_rules_of_one_id_are_refused() -> None:
    assert [
        "another rule too" in refusal.reason for refusal in imported(f"{ROOT_LOGIN}\n---\n{ROOT_LOGIN}").refused
    ] == [True, True]


def test_filters_hold_for_the_rules_they_name() -> None:
    filter_ = "title: not on Sundays\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: [0a1b2c3d-0000-4000-8000-000000000002]\n  known: {userAgent: cleaner}\n  condition: not known\n"
    document = document_of(f"{STOPPED_TRAIL}\n---\n{filter_}")
    where = parse_where(document["where"])
    events = [{"eventName": "StopLogging"}, {"eventName": "StopLogging", "userAgent": "Cleaner"}]
    assert [where.holds(lambda path, event=event: read(event, path)) for event in events] == [True, False]  # type: ignore[misc]


def test_the_page_names_every_modifier_that_pysigma_knows() -> None:
    page = (DOCS / "sigma.md").read_text()
    assert [name for name in modifier_mapping if f"`{name}`" not in page] == []


# --- writing and finding examples

_scalar = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(
        [
            "no",
            "1e5",
            "0x1f",
            "~",
            "null",
            "2024-01-01",
            "a: b",
            "- x",
            "\x00",
            "\x85",
            "a\n b\n",
            "{",
            "#",
            "5m",
            "true",
            "+1",
            ".5",
            "<<",
            "=",
        ]
    )
)
_document = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
    st.recursive(
        _scalar,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.:#- ", min_size=1, max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(_document)
def test_a_document_that_is_written_reads_back_the_same(document: dict[str, Any]) -> None:
    try:
        text = written(document)
    except ValueError:
        return  # refused, never written wrong
    assert repr(parse_document(text.encode())[0]) == repr(document)


@pytest.mark.parametrize(
    "pattern", ["^a+b?[0-9]{3}$", "(foo|bar)baz", r"\s-enc\b", "[^a]x", r"\d+\.\w", "(?s)^a.*b$", "(?i)abc", "x{2,5}y*"]
)
def test_a_text_is_found_for_a_pattern(pattern: str) -> None:
    where = parse_where({"f": {"regex": pattern}})
    assert any(where.holds(lambda _, text=text: text) for text in texts_matching(pattern))  # type: ignore[misc]


@pytest.mark.parametrize(
    "where",
    [
        {"a": {"gt": 5, "lt": 6}}, {"a": {"gte": "0.5", "lte": "0.5"}}, {"a": {"starts_with": "x", "ends_with": "y", "contains": "-"}},
        {"a": {"cidr": "10.0.0.0/8"}, "not": {"a": {"in": ["10.0.0.1"]}}}, {"a.b": 1, "a.c": {"exists": False}},
        {"any": [{"a": {"exists": True}, "not": {"a": {"ne": "never"}}}, {"b": 2}]}, {"not": {"a": {"regex": ".*"}}},
        {"all": [{"any": [{"a": 1}, {"a": 2}]}, {"any": [{"a": 2}, {"a": 3}]}]}, {"a": {"ne": "example"}}, {"a": {"not_in": ["x", "example", 1, 0]}},
    ],
    ids=str,
)  # fmt: skip
def test_an_event_is_found_for_a_condition_and_for_its_opposite(where: dict[str, Any]) -> None:
    condition = parse_where(where)
    for tree in (condition, Not(condition)):
        event = satisfying(tree)
        assert event is not None
        assert tree.holds(lambda path, event=event: read(event, path))  # type: ignore[misc]
