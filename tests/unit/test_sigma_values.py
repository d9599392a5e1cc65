"""Every modifier and kind of value of Sigma, by events that must match and events that must not."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from tests.sigma import document_of, imported, matches, rule_text

_B64 = b64encode
MISSING: dict[str, Any] = {}

#: detection of ``sel``, events that match, events that do not
VALUES = {
    "text is equal without regard to case": ("{f: Foo}", [{"f": "foo"}, {"f": "FOO"}], [{"f": "foo "}, {"f": "xfoo"}, {"f": None}, {"f": ["foo"]}, MISSING]),
    "cased text is equal to the letter": ("{f|cased: Foo}", [{"f": "Foo"}], [{"f": "foo"}, {"f": "FOO"}]),
    "a list is any of it": ("{f: [a, b, 3]}", [{"f": "A"}, {"f": "b"}, {"f": 3}, {"f": "3"}], [{"f": "c"}, {"f": 4}, {"f": True}, MISSING]),
    "a number and its text are the same": ("{f: 4624}", [{"f": 4624}, {"f": "4624"}, {"f": 4624.0}], [{"f": 4625}, {"f": "04624"}, {"f": True}, {"f": None}]),
    "the text of a number too": ("{f: '10'}", [{"f": 10}, {"f": "10"}], [{"f": 1}, {"f": "010"}]),
    "a boolean and its text are the same": ("{f: true}", [{"f": True}, {"f": "true"}, {"f": "True"}], [{"f": False}, {"f": 1}, {"f": "yes"}]),
    "the text of a boolean too": ("{f: 'false'}", [{"f": False}, {"f": "FALSE"}], [{"f": True}, {"f": 0}, {"f": None}, MISSING]),
    "a huge number as text is text": ("{f: '123456789012345678901234567890'}", [{"f": "123456789012345678901234567890"}], [{"f": "123456789012345678901234567891"}]),
    "null is null or nothing": ("{f: null}", [{"f": None}, MISSING], [{"f": ""}, {"f": 0}, {"f": "null"}, {"f": False}]),
    "an empty list is null": ("{f: []}", [{"f": None}, MISSING], [{"f": ""}]),
    "an empty text is an empty text": ("{f: ''}", [{"f": ""}], [{"f": None}, {"f": " "}, MISSING]),
    "null among values": ("{f: [a, null]}", [{"f": "a"}, {"f": None}, MISSING], [{"f": "b"}, {"f": ""}]),
    "an asterisk at the end": ("{f: 'ab*'}", [{"f": "AB"}, {"f": "abc"}], [{"f": "xab"}]),
    "an asterisk at the beginning": ("{f: '*ab'}", [{"f": "ab"}, {"f": "xAB"}], [{"f": "abx"}]),
    "asterisks on both sides": ("{f: '*ab*'}", [{"f": "xABx"}], [{"f": "a b"}]),
    "an asterisk within spans lines": ("{f: 'a*b'}", [{"f": "ab"}, {"f": "a\nxB"}], [{"f": "abx"}, {"f": "xab"}, {"f": "ab\n"}]),
    "a question mark is one character": ("{f: 'a?c'}", [{"f": "abc"}, {"f": "a\nC"}, {"f": "aéc"}], [{"f": "ac"}, {"f": "abbc"}]),
    "an escaped asterisk is itself": (r"{f: 'a\*c'}", [{"f": "a*c"}], [{"f": "abc"}, {"f": r"a\*c"}]),
    "an escaped question mark is itself": (r"{f: 'a\?'}", [{"f": "A?"}], [{"f": "ab"}]),
    "an escaped backslash before an asterisk": (r"{f: 'a\\*'}", [{"f": "a\\"}, {"f": "A\\x"}], [{"f": "a*"}, {"f": "ax"}]),
    "a backslash before a letter is itself": (r"{f|endswith: '\cmd.exe'}", [{"f": r"C:\x\CMD.exe"}], [{"f": "xcmd.exe"}, {"f": r"\cmdxexe"}]),
    "characters of patterns are themselves": ("{f: 'a.(b)[c]{d}^$|+*z'}", [{"f": "a.(b)[c]{d}^$|+ z"}], [{"f": "ax(b)[c]{d}^$|+z"}]),
    "an asterisk alone is anything that is there": ("{f: '*'}", [{"f": ""}, {"f": "x"}, {"f": 1}, {"f": False}], [{"f": None}, MISSING]),
    "unicode folds": ("{f: 'ÄB*'}", [{"f": "äbc"}], [{"f": "abc"}]),
    "contains": ("{f|contains: [aB, cd]}", [{"f": "xAbx"}, {"f": "CD"}], [{"f": "a-b"}, {"f": 5}, MISSING]),
    "contains keeps inner wildcards": ("{f|contains: 'a*c'}", [{"f": "xabcx"}], [{"f": "ca"}]),
    "contains all": ("{f|contains|all: [a, b]}", [{"f": "b-A"}], [{"f": "a"}, {"f": "b"}, MISSING]),
    "startswith": ("{f|startswith: 'C:\\'}", [{"f": "c:\\x"}], [{"f": " c:\\x"}]),
    "endswith": ("{f|endswith: .exe}", [{"f": "X.EXE"}], [{"f": "x.exe "}, {"f": "xaexe"}]),
    "startswith, cased": ("{f|startswith|cased: Ab}", [{"f": "Abc"}], [{"f": "abc"}]),
    "re looks anywhere and minds case": ("{f|re: 'a[0-9]+b'}", [{"f": "xa12b"}], [{"f": "A1b"}, {"f": "ab"}, {"f": 5}]),
    "re with stars and backslashes": (r"{f|re: '^a\*\\\.x*$'}", [{"f": "a*\\."}, {"f": "a*\\.xx"}], [{"f": "aa\\."}]),
    "re without regard to case": ("{f|re|i: 'ab+'}", [{"f": "xABB"}], [{"f": "a"}]),
    "re over lines": ("{f|re|m: '^b$'}", [{"f": "a\nb\nc"}], [{"f": "abc"}]),
    "re whose dot is a line's end": ("{f|re|s: 'a.b'}", [{"f": "a\nb"}], [{"f": "ab"}]),
    "re whose dot is none": ("{f|re: 'a.b'}", [{"f": "axb"}], [{"f": "a\nb"}]),
    "re, any of them": ("{f|re: ['^a', '^b']}", [{"f": "a"}, {"f": "b"}], [{"f": "cab"}]),
    "re, all of them": ("{f|re|all: ['a', 'b']}", [{"f": "ab"}], [{"f": "a"}]),
    "cidr of version 4": ("{f|cidr: 10.0.0.0/8}", [{"f": "10.255.0.1"}, {"f": "::ffff:10.0.0.1"}], [{"f": "11.0.0.1"}, {"f": "10.0.0"}, {"f": 10}]),
    "cidr of version 6": ("{f|cidr: ['fe80::/10', 10.0.0.0/8]}", [{"f": "fe80::1"}, {"f": "10.0.0.1"}], [{"f": "2001::1"}]),
    "base64": ("{f|base64|contains: hello}", [{"f": "x" + _B64(b"hello").decode()}], [{"f": "hello"}]),
    "base64 at any offset": ("{f|base64offset|contains: hello world}", [{"f": _B64(b"x" * n + b"hello world" + b"y" * m).decode()} for n in range(3) for m in range(3)], [{"f": _B64(b"hallo world").decode()}]),
    "wide text in base64": ("{f|wide|base64offset|contains: IEX}", [{"f": _B64(b"x" * n + "IEX (".encode("utf-16le")).decode()} for n in range(3)], [{"f": _B64(b"IEX (New-Object").decode()}]),
    "utf16 begins with its mark": ("{f|utf16|base64: ab}", [{"f": _B64("ab".encode("utf-16")).decode()}], [{"f": _B64("ab".encode("utf-16le")).decode()}]),
    "windash": ("{f|windash|contains: ' -enc '}", [{"f": "x -enc y"}, {"f": "x /ENC y"}, {"f": "x \u2013enc y"}, {"f": "x \u2014enc y"}, {"f": "x \u2015enc y"}], [{"f": "x enc y"}, {"f": "x +enc y"}]),
    "windash, all": ("{f|windash|contains|all: [' -a', ' -b']}", [{"f": "x /a -b"}], [{"f": "x /a"}]),
    "it exists": ("{f|exists: true}", [{"f": "x"}, {"f": ""}, {"f": 0}], [MISSING]),
    "it does not exist": ("{f|exists: false}", [MISSING], [{"f": "x"}, {"f": 0}]),
    "less": ("{f|lt: 5}", [{"f": 4.99}, {"f": "4"}, {"f": -1}], [{"f": 5}, {"f": "5"}, {"f": "x"}, {"f": True}, {"f": None}, MISSING]),
    "less or equal": ("{f|lte: 5}", [{"f": 5}, {"f": "5.0"}], [{"f": 5.01}]),
    "greater": ("{f|gt: 1.5}", [{"f": 1.6}, {"f": 2}, {"f": "115792089237316195423570985008687907853269984665640564039457584007913129639935"}], [{"f": 1.5}, {"f": "1.5"}]),
    "greater or equal": ("{f|gte: 0.000001}", [{"f": "0.000001"}, {"f": 1}], [{"f": "0.0000009"}, {"f": 0}]),
    "any bound of a list": ("{f|gt: [10, 5]}", [{"f": 6}], [{"f": 5}]),
    "not this value, or none at all": ("{f|neq: x}", [{"f": "y"}, {"f": None}, MISSING], [{"f": "X"}]),
    "none of these values": ("{f|neq: [x, y*]}", [{"f": "z"}, MISSING], [{"f": "X"}, {"f": "yes"}]),
    "all fields of a map": ("{f: a, g: b}", [{"f": "a", "g": "b"}], [{"f": "a"}, {"g": "b"}]),
    "any map of a list": ("[{f: a, g: b}, {h: c}]", [{"f": "a", "g": "b"}, {"h": "C"}], [{"f": "a"}, {"g": "b"}]),
    "fieldref: two fields are the same, case aside": (
        "{f|fieldref: g.h}",
        [{"f": "Ab", "g": {"h": "aB"}}, {"f": 5, "g": {"h": 5.0}}],
        [{"f": "a", "g": {"h": "b"}}, {"f": "a"}, {"g": {"h": "a"}}, MISSING],
    ),
    "fieldref: two fields differ": (
        "{f|fieldref|neq: g}",
        [{"f": "a", "g": "b"}, {"f": "a"}, MISSING],
        [{"f": "a", "g": "A"}],
    ),
    "a dot path": ("{userIdentity.sessionContext.name: ada}", [{"userIdentity": {"sessionContext": {"name": "Ada"}}}], [{"userIdentity": "ada"}, {"userIdentity": {"name": "ada"}}]),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_a_value_means_what_sigma_says(name: str) -> None:
    detection, yes, no = VALUES[name]
    document = document_of(rule_text(detection))
    assert [event for event in yes if not matches(document, event)] == []
    assert [event for event in no if matches(document, event)] == []


_BLOCKS = """sel_a: {a: 1}
sel_b: {b: 1}
filter_x: {x: 1}
_hidden: {h: 1}"""
#: condition, events as the letters that are set, for each whether it matches
CONDITIONS = {
    "sel_a and sel_b": {"": 0, "a": 0, "ab": 1},
    "sel_a or sel_b": {"": 0, "a": 1, "b": 1},
    "not sel_a": {"": 1, "a": 0},
    "sel_a and not filter_x": {"a": 1, "ax": 0, "": 0},
    "not (sel_a or sel_b)": {"": 1, "a": 0, "b": 0},
    "not (sel_a and sel_b)": {"": 1, "a": 1, "ab": 0},
    "1 of sel_*": {"": 0, "a": 1, "b": 1, "x": 0},
    "any of sel_*": {"b": 1, "x": 0},
    "all of sel_*": {"a": 0, "ab": 1},
    "1 of them": {"x": 1, "a": 1, "h": 0, "": 0},
    "all of them": {"ab": 0, "abx": 1},
    "1 of sel_* and not 1 of filter_*": {"a": 1, "ax": 0},
    "sel_a and sel_b or filter_x": {"x": 1, "ab": 1, "a": 0},
    "not sel_a and not sel_b": {"": 1, "a": 0, "b": 0},
    "[sel_a and sel_b, filter_x]": {"x": 1, "ab": 1, "a": 0},
}  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_means_what_sigma_says(condition: str) -> None:
    document = document_of(rule_text(_BLOCKS, condition=condition))
    for letters, wanted in CONDITIONS[condition].items():
        assert matches(document, dict.fromkeys(letters, 1)) == bool(wanted), letters


#: detection of ``sel``, and a part of the reason for which it is refused
REFUSED = {
    "a value without a field": ("[mimikatz, 'sekurlsa*']", "without a field"),
    "a placeholder": ("{f|expand: '%admins%'}", "%admins% has no values"),
    "a part of a time": ("{f|hour: 3}", "inside a time"),
    "an anchored regular expression": ("{f|re|startswith: 'a.*'}", "anchored"),
    "a look-around": ("{f|re: '(?=a)b'}", ""),
    "a field whose name is a group's": ("{not: x}", "cannot be addressed"),
    "a field with an empty segment": ("{a..b: x}", "a segment of the path is empty"),
    "part of another field": ("{f|fieldref|startswith: g}", "part of another field"),
    "an unknown modifier": ("{f|sounds_like: g}", "Unknown modifier"),
    "a bad network": ("{f|cidr: 10.0.0.1/8}", "Invalid CIDR"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_equal_is_refused_with_its_reason(name: str) -> None:
    detection, reason = REFUSED[name]
    found = imported(rule_text(detection))
    if name == "a look-around" and not found.refused:
        with pytest.raises(Exception, match="RE2"):  # refused when it is loaded, which the command does for every rule
            matches(found.rules[0][1], {"f": "ab"})
        return
    assert found.rules == []
    ((file, rule, why),) = found.refused
    assert file.endswith("rule.yml")
    assert rule == "a rule"
    assert reason in why


def test_fields_keywords_and_placeholders_come_from_the_mapping() -> None:
    mapping = {
        "fields": {"User": "actor"},
        "keywords": ["message", "raw"],
        "placeholders": {"admins": ["root", "a*"]},
    }
    document = document_of(rule_text("{User|expand: '%admins%'}"), mapping)
    assert [matches(document, {"actor": actor}) for actor in ("ROOT", "A*", "ada")] == [True, True, False]
    document = document_of(rule_text("[mimikatz, 'seku*lsa']"), mapping)
    assert matches(document, {"message": "ran MimiKatz.exe"})
    assert matches(document, {"message": 1, "raw": "xx sekurlsa yy"})
    assert not matches(document, {"other": "mimikatz"})


def test_a_logsource_decides_the_source_and_what_else_must_hold() -> None:
    mapping = {
        "logsources": [
            {
                "match": {"product": "aws"},
                "source": "trail",
                "where": {"log": "cloudtrail"},
                "fields": {"f": "g"},
                "group_by": ["who"],
            }
        ]
    }
    document = document_of(rule_text("{f: x}"), mapping)
    assert document["source"] == "trail"
    assert document["where"] == {"log": "cloudtrail", "g": {"eq": "x", "case_sensitive": False}}
    assert document["group_by"] == ["who"]


def test_strict_refuses_what_the_mapping_does_not_name() -> None:
    known = {"logsources": [{"match": {"product": "aws"}, "source": "trail"}], "fields": {"f": "g"}}
    assert imported(rule_text("{f: x}"), known, strict=True).refused == []
    assert "field h" in imported(rule_text("{h: x}"), known, strict=True).refused[0].reason
    assert (
        "logsource {product: aws}"
        in imported(rule_text("{f: x}"), {"fields": {"f": "g"}}, strict=True).refused[0].reason
    )


def test_equality_in_a_cased_log_minds_case_and_files_the_rule() -> None:
    mapping = {"logsources": [{"match": {"product": "aws"}, "source": "audit", "cased": True}]}
    document = document_of(rule_text("{f: [Foo, Bar], g: 'Ab*'}"), mapping)
    assert document["where"] == {"f": {"in": ["Foo", "Bar"]}, "g": {"starts_with": "Ab", "case_sensitive": False}}
    assert matches(document, {"f": "Foo", "g": "abc"})
    assert not matches(document, {"f": "foo", "g": "abc"})
