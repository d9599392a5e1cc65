"""No secret leaves, in whatever dress it comes."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import SinkBroken
from connectors.redact import Secrets, is_reference

SECRET = "p@ss/w+rd =99"


def secrets() -> Secrets:
    known = Secrets({"S": SECRET, "W": "whsec_QUJDQUJDQUJDQUJDQUJDQUJD"})
    known.resolve("env:S")
    known.resolve("env:W")
    return known


@pytest.mark.parametrize(
    "text",
    [
        SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode(), f"a{SECRET}b{SECRET}", repr(SECRET),
    ],
)  # fmt: skip
def test_a_known_secret_is_taken_out_in_every_form(text: str) -> None:
    shown = secrets().redact(f"failed: {text}!")
    assert "***" in shown
    assert text not in shown


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("https://user:hunter22@example.com/x", "hunter22"),
        ("postgresql://tocsin:s3cr3t@db/x", "s3cr3t"),
        ("GET /x?api_key=abc123&b=2", "abc123"),
        ("POST https://x/y?sig=deadbeef", "deadbeef"),
        ("Authorization: Bearer eyJhbGciOi.J9", "eyJhbGciOi"),
        ("authorization=Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("bad secret whsec_MfKQ9r8GKYqrTwjUPD8", "MfKQ9r8"),
        ("https://hooks.slack.com/services/T000/B000/XXXX", "XXXX"),
        ("signed with QUJDQUJDQUJDQUJDQUJDQUJD", "QUJDQUJD"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_unknown(text: str, gone: str) -> None:
    assert gone not in secrets().redact(text)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:sekret/word-9@db/x", "postgresql://u:sekret#word-9@db/x", "redis://:[sekret@word-9@db:1/0",
        "postgresql://db/x?password=sekret&user=word-9@y",
    ],
)  # fmt: skip
def test_a_password_is_hidden_in_parts_where_its_signs_are_not_escaped(url: str) -> None:
    known = Secrets({"U": url})
    try:
        assert known.address("env:U") == url
    except SinkBroken as error:
        assert "sekret" not in f"{error} {error.hint}"
    quoted = "invalid literal for int() with base 10: 'sekret'; no database sekret/word-9"
    assert "sekret" not in known.redact(quoted)


def test_a_secret_has_no_final_newline_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("hunter2\n")
    known = Secrets({"S": "hunter2\r\n", "EMPTY": "\n"})
    assert known.resolve("env:S") == known.resolve(f"file:{tmp_path / 's'}") == "hunter2"
    with pytest.raises(SinkBroken, match="EMPTY is not set"):
        known.resolve("env:EMPTY")


@pytest.mark.parametrize("url", ["postgresql://a:1,b:2/x", "unix:///run/redis.sock?db=1", "redis://db:6379/0"])
def test_an_address_without_a_password_is_what_it_says(url: str) -> None:
    assert Secrets({"U": f"{url}\n"}).address("env:U") == Secrets({}).address(url) == url


def test_an_error_stays_readable() -> None:
    text = "ClientConnectorError: Cannot connect to host example.com:443 ssl:default [Connection refused]"
    assert secrets().redact(text) == text


def test_control_characters_and_length_are_tamed() -> None:
    shown = secrets().redact("\x1b[2J\r\nforged line\0" + "x" * 10_000)
    assert len(shown) == 500
    assert shown.isprintable()


@given(st.text(), st.text(min_size=4))
def test_a_secret_never_survives_around_any_text(text: str, secret: str) -> None:
    known = Secrets({})
    known.hide(secret)
    assert secret not in known.redact(f"{text}{secret}{text}", limit=10_000) or secret in "***"


def test_a_short_value_does_not_hide_everything() -> None:
    known = Secrets({"S": "a"})
    known.resolve("env:S")
    assert known.redact("a plain error") == "a plain error"


@pytest.mark.parametrize("reference", ["env:NOPE", "file:/nowhere/secret", "file:/", "hunter2", "vault:x"])
def test_a_reference_that_leads_nowhere_breaks_the_sink(reference: str) -> None:
    with pytest.raises(SinkBroken) as caught:
        Secrets({}).resolve(reference)
    assert "hunter2" not in str(caught.value)


def test_a_secret_from_a_file_loses_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("top secret \n")
    assert Secrets({}).resolve(f"file:{tmp_path / 's'}") == "top secret "


def test_a_secret_file_that_is_empty_or_binary_breaks_the_sink(tmp_path: Path) -> None:
    for content in (b"", b"\n", b"\xff\xfe\x00"):
        (tmp_path / "s").write_bytes(content)
        with pytest.raises(SinkBroken):
            Secrets({}).resolve(f"file:{tmp_path / 's'}")


@pytest.mark.parametrize(("text", "yes"), [("env:A_1", True), ("file:/x y", True), ("env:1A", False), ("env:", False)])
def test_what_a_reference_is(text: str, yes: bool) -> None:
    assert is_reference(text) is yes


def test_a_sink_sees_that_a_file_it_read_was_replaced_and_another_sink_does_not(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old-token")
    everybody = Secrets({"NAME": "value-of-it"})
    one, other = everybody.for_one(), everybody.for_one()
    assert (one.resolve(f"file:{file}"), one.resolve("env:NAME")) == ("old-token", "value-of-it")
    assert not one.replaced()
    file.write_text("new-token")
    assert (one.replaced(), other.replaced()) == (True, False)
    file.unlink()
    assert not one.replaced()  # it is being written: what we have is all there is
    assert everybody.redact("old-token") == "***"
