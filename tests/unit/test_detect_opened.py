"""States that are not read anew: the same findings, and never one state in two hands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.config import event_sources, load_config
from streams.detect.opened import Opened
from streams.detect.registry import KINDS
from streams.replay.recorded import Recorded
from streams.replay.runner import replay
from streams.rules.load import load_rules
from streams.simulate.traffic import generate

PACK = Path(__file__).parents[2] / "streams" / "packs" / "trade"
LONG = "x" * 200


def text_of(state: Any) -> str:
    return msgspec.json.encode(state).decode()


def test_a_state_is_handed_out_once_and_then_read_from_its_text() -> None:
    opened, state = Opened(), [LONG]
    text = text_of(state)
    opened.give(text, state)
    assert opened.take(text) is state
    again = opened.take(text)
    assert (again, again is state) == (state, False)


def test_an_equal_text_of_another_key_is_another_state() -> None:
    opened, state = Opened(), [LONG]
    text, equal = text_of(state), text_of(state)
    opened.give(text, state)
    assert opened.take(equal) is not state
    assert opened.take(text) is state


@pytest.mark.parametrize(("size", "kept"), [(50, 0), (200_000, 1), (500_000, 0)])
def test_what_is_kept_has_a_bound(size: int, kept: int) -> None:
    opened = Opened()
    states = [["x" * size] for _ in range(3)]
    texts = [text_of(state) for state in states]
    for text, state in zip(texts, states, strict=True):
        opened.give(text, state)
    assert sum(opened.take(text) is state for text, state in zip(texts, states, strict=True)) == kept


def alerts() -> list[bytes]:
    """Of the trade pack, over ten minutes of traffic with every attack that fits in."""
    sources = {source.name: source for source in event_sources(load_config(None, {}))}
    with Recorded() as recorded:
        traffic = generate(
            7, 1_704_110_400_000, 600_000, 2.0, ("trade",), every_ms=120_000, scenarios="all", areas=True
        )
        for one in traffic:
            if one.source == "trade":
                recorded.append("trade", one.event["event_time"], msgspec.json.encode(one.event))
        done = replay(recorded.logs(sources), load_rules([PACK], KINDS))
    return [msgspec.json.encode(alert) for alert in done.alerts]


def test_detectors_that_promise_plain_states_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    quick = Opened.take

    def watched(self: Opened, text: str) -> Any:
        taken.append(id(text) in self._known)
        return quick(self, text)

    monkeypatch.setattr(Opened, "take", watched)
    kept = alerts()
    assert sum(taken) > 500
    monkeypatch.setattr(Opened, "take", lambda _, text: msgspec.json.decode(text))
    monkeypatch.setattr(Opened, "give", lambda _, text, state: None)
    assert alerts() == kept
    assert len({msgspec.json.decode(alert)["rule"] for alert in kept}) >= 5
