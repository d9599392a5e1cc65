"""Keys of the API: who is known, what each may do, and what a configuration may say of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from streams.api.auth import Keys, May
from streams.config import load_config
from streams.config.settings import ApiKey
from streams.errors import ConfigError

SECRET = "0123456789abcdef-soc"


def key(name: str = "soc", role: str = "viewer", secret: str = SECRET) -> ApiKey:
    return ApiKey(name=name, key="sha256:" + hashlib.sha256(secret.encode()).hexdigest(), tenant="acme", role=role)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (f"Bearer {SECRET}", True), (f"bearer  {SECRET} ", True), (f"Basic {SECRET}", False), (SECRET, False),
        ("Bearer", False), ("Bearer ", False), (None, False), ("", False), (f"Bearer {SECRET}x", False),
        ("Bearer \udcff", False), (f"Bearer sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}", False),
    ],
)  # fmt: skip
def test_who_is_known(header: str | None, known: bool) -> None:
    assert (Keys([key("another", secret="x" * 20), key()]).of(header) is not None) is known


def test_a_key_from_a_secret_that_ends_with_a_newline_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC_KEY", f"{SECRET}\n")
    keys = Keys([ApiKey(name="soc", key="env:SOC_KEY", tenant="acme", role="viewer")])
    assert keys.of(f"Bearer {SECRET}") is not None


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", {May.READ}), ("operator", {May.READ, May.WORK}), ("ingest", {May.INGEST}), ("admin", set(May)),
    ],
)  # fmt: skip
def test_what_a_role_may(role: str, may: set[May]) -> None:
    found = Keys([key(role=role)]).of(f"Bearer {SECRET}")
    assert found is not None
    assert {what for what in May if found.may(what)} == may


def test_the_key_itself_is_not_kept() -> None:
    keys = Keys([ApiKey(name="soc", key=key().key, tenant="acme", role="admin")])
    assert SECRET not in repr(vars(keys))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([key(), key("twin")], "the same key"),
        ([ApiKey(name="soc", key="env:NO_SUCH_VARIABLE_HERE", tenant="acme", role="viewer")], "is not set"),
    ],
)
def test_keys_that_cannot_be(keys: list[ApiKey], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Keys(keys)


def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT_KEY", "0123456789abcde")
    with pytest.raises(ConfigError, match="fewer than 16"):
        Keys([ApiKey(name="soc", key="env:SHORT_KEY", tenant="acme", role="viewer")])


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("keys: [{name: a, key: in-the-clear, tenant: t, role: admin}]", "api.keys[0].key: must be a reference"),
        ("keys: [{name: a, key: env:A, tenant: t, role: god}]", "api.keys[0].role: must be one of"),
        ("keys: [{name: a, key: env:A, role: admin}]", "api.keys[0].tenant: is missing"),
        ("keys: {a: b}", "api.keys: must be a list"),
        ("keys: [{name: a, key: env:A, tenant: t, role: admin, more: 1}]", "is not known here"),
        (
            "keys: [{name: a, key: env:A, tenant: t, role: admin}, {name: a, key: env:B, tenant: t, role: admin}]",
            "is taken",
        ),
        ("slack: in-the-clear", "api.slack: must be a reference"),
        ("pagerduty: {acme: in-the-clear}", "api.pagerduty.acme: must be a reference"),
        ("pagerduty: {a/b: env:A}", "is no tenant"),
        ("per_second: 0", "api.per_second: must be a number"),
    ],
)
def test_what_is_wrong_with_the_block_is_told_without_the_secret(tmp_path: Path, block: str, said: str) -> None:
    (tmp_path / "tocsin.yaml").write_text(f"api:\n  {block}\n")
    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path / "tocsin.yaml", {})
    assert said in raised.value.message
    assert "in-the-clear" not in raised.value.message
