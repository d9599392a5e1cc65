"""``python``: where a class may come from, what it is given, and what happens when it misbehaves."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any, cast

import msgspec
import pytest

from streams.detect.base import Observed, Skipped
from streams.detect.boxed import MAX_INNER, BoxedTimed
from streams.detect.detectors import Event, Found
from streams.detect.kinds import python
from streams.detect.kinds.python import parse
from streams.model import FindingKind, Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder
from tests.driving import Came, drive, told

WORD = Ladder(((None, Severity.HIGH, "high"),))
RISING = "streams.detect.detectors.runs:Rising"


class Silent:
    """Fires ``wait`` ms after the latest event, again and again."""

    fields = ("v",)
    keeps = 10_000
    version = "2"

    def __init__(self, settings: Any) -> None:
        self._wait = settings.get("wait", 5)

    def step(self, state: Any, event: Event) -> tuple[Any, list[Found]]:
        return {"due": event.time + self._wait, "seen": dict(event.fields)}, []

    def due(self, state: Any) -> Any:
        return state and state["due"]

    def expire(self, state: Any, now: int) -> tuple[Any, list[Found]]:
        state["due"] = now + self._wait
        return state, [Found(now, severity="low", detail=state["seen"])]


class Scripted:
    """Does what its ``step`` setting names."""

    fields = ("v",)
    keeps = "1s"

    def __init__(self, settings: Any) -> None:
        self._answer = SCRIPTS[settings["step"]]

    def step(self, state: Any, event: Event) -> Any:
        return self._answer(state)


class Stuck(Silent):
    def expire(self, state: Any, now: int) -> tuple[Any, list[Found]]:
        return state, []


SCRIPTS: dict[str, Callable[[Any], Any]] = {
    "raises": lambda _: 1 // 0,
    "twice": lambda _: (None, [Found(1), Found(2)]),
    "foreign": lambda _: (None, ["found"]),
    "severity": lambda _: (None, [Found(1, severity="awful")]),
    "value": lambda _: (None, [Found({1, object()})]),
    "state": lambda _: ({"a": object()}, []),
    "large": lambda _: ("x" * MAX_INNER, []),
    "changes": lambda state: ((state or []) + [1], [Found(len(state or []))]),
}


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package had declared the classes above."""
    points = [
        EntryPoint(name.lower(), f"{__name__}:{name}", python.GROUP) for name in ("Silent", "Scripted", "Stuck", "Missing")
    ]  # fmt: skip
    monkeypatch.setattr(python, "entry_points", lambda group: EntryPoints(points))


def test_the_shipped_example_tells_rises_and_their_end() -> None:
    detector = parse({"class": RISING, "settings": {"field": "v", "length": 2}}).detector(WORD)
    values = [1, 2, None, 3, True, 4, 4, 5, 6, 6]
    events = [Came(at, f"e{at}", (value,)) for at, value in enumerate(values)]
    assert told(drive(detector, events)) == ["fire 2", "fire 3", "clear 0", "fire 2", "clear 0"]


def test_a_name_of_an_entry_point_will_do_and_the_class_says_what_it_reads() -> None:
    kind = parse({"class": "silent", "settings": {"wait": 7}})
    assert (kind.fields(), kind.keeps, kind.timed) == (("v",), 10_000, True)
    assert kind.document()["version"] == "2"
    assert parse({"class": "silent", "fields": ["a.b"]}).fields() == ("a.b",)
    assert kind.document() != parse({"class": "silent", "settings": {"wait": 8}}).document()


def test_time_alone_may_find_something_but_names_an_event_once() -> None:
    detector = parse({"class": "silent"}).detector(WORD)
    seen = drive(
        detector,
        [Came(0, "a", (1,)), Came(0, None, (), 12), Came(20, "b", (msgspec.UNSET,), 19), Came(0, None, (), 99)],
    )
    assert told(seen) == ["fire 5 @5", "fire 25 @25"]
    assert [(one.severity, one.detail, one.evidence[-1].event_id) for _, one in seen] == [
        ((Severity.LOW, "low"), {"v": 1}, "a"), ((Severity.LOW, "low"), {}, "b"),
    ]  # fmt: skip


def test_a_due_that_does_not_move_on_is_refused() -> None:
    with pytest.raises(ValueError, match="it would never end"):
        drive(parse({"class": "stuck"}).detector(WORD), [Came(0, "a", (1,)), Came(0, None, (), 12)])


@pytest.mark.parametrize(("wait", "due"), [(5, 5), (9_999, 9_999), (10_000, None), (1 << 70, None), (-1, -1)])
def test_a_timer_beyond_the_life_of_its_key_is_none(wait: int, due: int | None) -> None:
    detector = parse({"class": "silent", "settings": {"wait": wait}}).detector(WORD)
    state, _ = detector.step(None, Came(0, "a", (1,)).moment(0))
    assert state is not None
    assert cast(BoxedTimed, detector).due(state) == due


@pytest.mark.parametrize("wait", ["x", 1.5, -(1 << 70), True])
def test_a_due_that_is_no_time_is_the_failure_of_the_step(wait: Any) -> None:
    class Odd(Silent):
        def due(self, state: Any) -> Any:
            return wait

    with pytest.raises((TypeError, ValueError), match="due gives"):
        BoxedTimed(Odd({}), ("v",), 10_000).step(None, Came(0, "a", (1,)).moment(0))


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("raises", ZeroDivisionError), ("twice", ValueError), ("foreign", TypeError), ("severity", ValueError),
        ("value", TypeError), ("state", TypeError), ("large", ValueError),
    ],
)  # fmt: skip
def test_what_is_no_state_and_no_finding_raises_and_leaves_the_state(script: str, error: type[Exception]) -> None:
    detector = parse({"class": "scripted", "settings": {"step": script}}).detector(WORD)
    with pytest.raises(error):
        detector.step(None, Came(1, "a", (1,)).moment(0))


def test_a_class_may_change_the_state_it_is_given_and_duplicates_never_reach_it() -> None:
    detector = parse({"class": "scripted", "settings": {"step": "changes"}}).detector(WORD)
    events = [Came(1, "a", (1,)), Came(1, "a", (1,)), Came(2, "b", (1,))]
    seen = [one for _, one in drive(detector, events)]
    assert [one.value if isinstance(one, Observed) else one for one in seen] == [0, Skipped.DUPLICATE, 1]
    assert seen[0].kind is FindingKind.FIRE


def test_evidence_is_the_first_events_since_the_last_finding_and_the_latest() -> None:
    detector = parse({"class": RISING, "settings": {"field": "v", "length": 9}}).detector(WORD)
    (fire,) = (one for _, one in drive(detector, [Came(at, f"e{at}", (at,)) for at in range(10)]))
    assert [witness.event_id for witness in fire.evidence] == ["e0", "e1", "e2", "e3", "e4", "e9"]


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({}, "class: is missing"),
        ({"class": 7}, "class: takes text, not 7"),
        ({"class": "../detector.py"}, "class: takes package.module:Class"),
        ({"class": "silnet"}, "class: 'silnet' is no entry point of tocsin.detectors (did you mean 'silent'?)"),
        ({"class": "os:system"}, "class: 'os' is no installed package that declares tocsin.detectors"),
        ({"class": "streams.detect.detectors_elsewhere:X"}, "is no installed package"),
        ({"class": "streams.detect.detectors.missing:X"}, "cannot be loaded: ModuleNotFoundError"),
        ({"class": "streams.detect.detectors.runs:Falling"}, "cannot be loaded: AttributeError"),
        ({"class": "missing"}, "cannot be loaded: AttributeError"),
        ({"class": "streams.detect.detectors:Event"}, "is no class with a step"),
        ({"class": RISING}, "does not take these settings: KeyError: 'field'"),
        ({"class": RISING, "settings": [1]}, "settings: takes a mapping"),
        ({"class": RISING, "settings": {"field": "a..b", "length": 2}}, "'a..b' is not a field"),
        ({"class": RISING, "file": "x.py"}, "file: is not known here"),
    ],
)
def test_a_bad_block_says_what_is_wrong(block: dict[str, Any], problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        parse(block)
    assert problem in str(error.value)
