"""Sinks in the configuration: every problem of every sink at once, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Kind
from connectors.registry import CONNECTORS, SinkErrors, parse_sinks
from connectors.settings import Rate, duration_ms
from tests.contract.sinks import NEEDED

HOOK = {"name": "ops", "type": "webhook", "url": "https://example.com/hook"}


def problems(*sinks: Any) -> dict[str, str]:
    with pytest.raises(SinkErrors) as caught:
        parse_sinks(list(sinks))
    assert caught.value.status == 2
    return dict(caught.value.problems)


def test_what_is_left_out_has_a_default_and_what_is_given_counts() -> None:
    plain, full = parse_sinks(
        [
            HOOK,
            HOOK
            | {
                "name": "b",
                "start": "latest",
                "secret": ["env:NEW", "file:/run/old"],
                "headers": {"x-team": "red", "authorization": "env:TOKEN"},
                "retry": {"attempts": 3, "within": "1m", "first": "250ms", "longest": "5s"},
                "breaker": {"failures": 2, "cool_off": "1s", "longest": "1m"},
                "rate": {"per_second": 0.5, "burst": 3},
                "concurrency": 2,
                "timeout": "3s",
                "in_flight": 10,
                "allow_private": True,
            },
        ]
    )
    assert (plain.kind, plain.start, plain.policy.retry.attempts) == (Kind.NOTIFIER, "earliest", 50)
    assert plain.options.allow_private is False
    policy = full.policy
    assert (policy.retry.attempts, policy.retry.within_ms, policy.retry.first_ms) == (3, 60_000, 250)
    assert (policy.rate, policy.concurrency, policy.timeout_ms) == (Rate(per_second=0.5, burst=3), 2, 3000)
    assert (policy.breaker.failures, policy.breaker.cool_off_ms) == (2, 1000)
    assert full.options.secrets == ("env:NEW", "file:/run/old")


def test_storage_never_gives_up_unless_told() -> None:
    forever, bounded, still = parse_sinks(
        [
            {"name": "a", "type": "sqlite"},
            {"name": "b", "type": "sqlite", "retry": {"forever": False}},
            {"name": "c", "type": "sqlite", "retry": {"first": "2s"}},
        ]
    )
    assert forever.policy.retry.attempts is forever.policy.retry.within_ms is None
    assert bounded.policy.retry.attempts == 50
    assert still.policy.retry.attempts is None
    assert still.policy.retry.first_ms == 2000


def test_all_problems_of_all_sinks_come_at_once() -> None:
    found = problems(
        {"name": "a b", "type": "webhook", "url": "ftp://x", "secret": "hunter2", "timeout": 5, "concurency": 3},
        {"type": "consol"},
        "not a mapping",
        {"name": "c", "type": "sqlite", "path": "", "retry": {"attempts": True, "forever": "no"}, "busy": "-1s"},
        HOOK,
        HOOK,
    )
    assert set(found) == {
        "sinks[0].name", "sinks[0].url", "sinks[0].secret", "sinks[0].timeout", "sinks[0].concurency",
        "sinks[1].name", "sinks[1].type", "sinks[2]", "sinks[3].path", "sinks[3].retry.attempts",
        "sinks[3].retry.forever", "sinks[3].busy", "sinks[4].name", "sinks[5].name",
    }  # fmt: skip
    assert "did you mean concurrency?" in found["sinks[0].concurency"]
    assert "did you mean console?" in found["sinks[1].type"]
    assert not any("hunter2" in message for message in found.values())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", None), ("url", 7), ("url", "https://"), ("url", "https://[::1"), ("url", "gopher://x"),
        ("url", "javascript:alert(1)"), ("url", "https://x:99999999/"), ("secret", []), ("secret", ["env:A", 3]),
        ("secret", {"env": "A"}), ("headers", ["a"]), ("headers", {"a": 1}), ("headers", {"a\r\nb": "c"}),
        ("headers", {"a": "b\r\nc: d"}), ("headers", {"webhook-id": "mine"}), ("headers", {"Host": "x"}),
        ("headers", {"é": "x"}), ("allow_private", "yes"), ("allow_private", 1), ("concurrency", 0),
        ("concurrency", 1.5), ("concurrency", True), ("concurrency", 10**9), ("timeout", "0s"), ("timeout", "1e9s"),
        ("timeout", "5 m"), ("timeout", "٣s"), ("timeout", "9999999999d"), ("retry", []), ("retry", {"within": None}),
        ("rate", {}), ("rate", {"per_second": 0}), ("rate", {"per_second": float("nan")}), ("start", "middle"),
        ("start", ["earliest"]), ("in_flight", -1), ("breaker", {"failures": "3"}), (7, 1), ("", 1),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_value_is_one_problem_under_its_path(key: Any, value: Any) -> None:
    found = problems(HOOK | {key: value})
    assert len(found) == 1
    assert next(iter(found)).startswith(f"sinks[0].{key}" if key else "sinks[0].''")


@pytest.mark.parametrize("name", ["", "a b", "../x", "é", "-x", "x" * 65, 7, None, True, ["x"]], ids=str)
def test_a_name_must_be_fit_for_a_consumer_group(name: Any) -> None:
    assert "sinks[0].name" in problems(HOOK | {"name": name})


@pytest.mark.parametrize("sinks", [None, {}, "x", 3])
def test_sinks_must_be_a_list(sinks: Any) -> None:
    with pytest.raises(SinkErrors, match="must be a list"):
        parse_sinks(sinks)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("500ms", 500), ("1.5s", 1500), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000), ("0s", 0),
        ("5", None), ("m", None), ("-5m", None), ("5M", None), ("5m ", None), (5, None), (None, None), ("1_0s", None),
    ],
)  # fmt: skip
def test_durations(text: Any, ms: int | None) -> None:
    assert duration_ms(text) == ms


def test_every_connector_parses_with_the_least_that_it_needs() -> None:
    sinks = parse_sinks([{"name": type_, "type": type_} | NEEDED.get(type_, {}) for type_ in CONNECTORS])
    assert [sink.type for sink in sinks] == list(CONNECTORS)
