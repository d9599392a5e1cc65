"""``python``: findings about other events than the one just stepped, several ways in, and alerts taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import msgspec
import pytest

from streams import pipeline
from streams.detect.base import Observed
from streams.detect.detectors import Event, Found, Retraction
from streams.detect.kinds import python
from streams.detect.kinds.python import parse
from streams.model import Finding, FindingKind, Severity, alert_id
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder
from tests.detecting import AUDIT, batch, control, detecting, event, rule
from tests.driving import Came, drive

WORD = Ladder(((None, Severity.HIGH, "high"),))


class Pairs:
    """Finds ``open``/``close`` pairs in whichever order they come; the finding is always about the ``close``."""

    fields = ("v",)
    keeps = "1h"

    def __init__(self, settings: Any) -> None:
        pass

    def step(self, state: Any, event: Event) -> tuple[Any, Iterable[Found]]:
        kept = [*(state or []), [event.fields.get("v"), event.sight]]
        opened, closed = ([sight for v, sight in kept if v == word] for word in ("open", "close"))
        if len(kept) < 2 or not opened or not closed:
            return kept, []
        return [], [Found(len(kept), about=sight, evidence=[opened[0]]) for sight in closed]


class Takes:
    """Takes back the alert that the event names, by whichever way it came."""

    fields = ("alert", "key")
    keeps = "1h"

    def __init__(self, settings: Any) -> None:
        pass

    def step(self, state: Any, event: Event) -> tuple[Any, Iterable[Found]]:
        alerts = event.fields.get("alert") or []
        found = [Found(1, detail={"ways": event.ways}, retract=Retraction(alert, "audit.other", {"actor": event.fields.get("key")}))
                 for alert in alerts]  # fmt: skip
        return state, found


class Answers:
    fields = ()
    keeps = "1h"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._answer = settings["answer"]

    def step(self, state: Any, event: Event) -> tuple[Any, Iterable[Found]]:
        return None, ANSWERS[self._answer](event)


ANSWERS: dict[str, Any] = {
    "no sight": lambda _: [Found(1, about=["x"])],
    "a time that is none": lambda event: [Found(1, about=[True, *event.sight[1:]])],
    "the same event twice": lambda event: [Found(1, about=event.sight), Found(1)],
    "both": lambda _: [Found(1, clear=True, retract=Retraction("a", "r", {}))],
    "no alert": lambda _: [Found(1, retract=Retraction("", "r", {}))],
    "no key": lambda _: [Found(1, retract=Retraction("a", "r", None))],  # type: ignore[arg-type]  # on purpose
}


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(one.__name__.lower(), f"{__name__}:{one.__name__}", python.GROUP) for one in (Pairs, Takes, Answers)
    ]
    monkeypatch.setattr(python, "entry_points", lambda group: EntryPoints(points))


@pytest.mark.parametrize("order", [["open", "close"], ["close", "open"]])
def test_a_finding_is_named_after_the_event_it_is_about_in_any_order(order: list[str]) -> None:
    detector = parse({"class": "pairs"}).detector(WORD)
    ((_, seen),) = drive(detector, [Came(5, word, (word,)) for word in order])
    assert isinstance(seen, Observed)
    assert [one.event_id for one in seen.evidence] == ["open", "close"]
    assert (seen.about is None) == (order[-1] == "close")


def test_several_findings_about_several_events_may_come_of_one_step() -> None:
    detector = parse({"class": "pairs"}).detector(WORD)
    seen = drive(detector, [Came(1, "c1", ("close",)), Came(2, "c2", ("close",)), Came(3, "o", ("open",))])
    assert [[one.event_id for one in observed.evidence] for _, observed in seen] == [["o", "c1"], ["o", "c2"]]


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_names_nothing_or_a_thing_twice_is_the_failure_of_the_step(answer: str) -> None:
    detector = parse({"class": "answers", "settings": {"answer": answer}}).detector(WORD)
    with pytest.raises((TypeError, ValueError)):
        detector.step(None, Came(1, "a").moment(0))


def _findings(document: dict[str, Any], payloads: list[bytes]) -> list[Finding]:
    outputs = pipeline.detect(detecting(AUDIT), batch(payloads), 0, control(document))
    return [msgspec.json.decode(one.value or b"", type=Finding) for one in outputs if one.topic == "alert-input"]


def test_the_alert_has_the_same_id_whichever_of_its_events_came_last() -> None:
    document = rule("audit.pairs", {"python": {"class": "pairs"}}, title="{actor}")
    long = "e" * 90  # longer than ids are remembered
    ends = event(1_000, 0, v="close", event_id=long)
    first = _findings(document, [ends, event(0, 1, v="open")])
    assert [one.evidence[-1].event_id for one in first] == [long]
    assert [(one.position, one.event_time) for one in first] == [("audit.events/0/0", first[0].evidence[-1].event_time)]
    assert first[0].alert_id == alert_id("audit.pairs", "acme", {"actor": "ada"}, "audit.events/0/0")
    assert [one.event is not None for one in first[0].evidence] == [True, False]  # what came last is at hand


def test_a_retraction_goes_to_the_thread_of_the_alert_it_names_within_its_tenant() -> None:
    document = rule("audit.takes", {"python": {"class": "takes"}}, title="{actor}", metadata={"why": "{reason}"})
    one, two = _findings(document, [event(0, 0, alert=["a-1", "a-2"], key="bob", reason="orphaned")])
    assert (one.kind, one.rule, one.key, one.tenant) == (FindingKind.RETRACT, "audit.other", {"actor": "bob"}, "acme")
    assert (one.alert_id, two.alert_id) == ("a-1", "a-2")
    assert one.id != two.id
    assert one.metadata["retracted_by"] == "audit.takes"
    assert one.metadata["why"] == "orphaned"


def test_a_class_sees_by_which_way_an_event_came() -> None:
    also = [{"name": "again", "where": {"action": "sudo"}}]
    document = rule(
        "audit.takes", {"python": {"class": "takes", "also": also}}, title="{actor}", where={}, source="audit"
    )
    came = [event(0, 0, alert=["a"], key=1), event(1, 1, alert=["b"], key=1, action="sudo")]
    assert [one.metadata["ways"] for one in _findings(document, came)] == [[""], ["", "again"]]


def test_further_ways_are_part_of_the_meaning_and_only_then() -> None:
    plain = parse({"class": "takes"})
    other = parse({"class": "takes", "also": [{"source": "alerts", "by": ["key.actor"]}]})
    assert plain.arms() == ()
    assert "also" not in plain.document()
    assert [arm.source for arm in other.arms()] == ["", "alerts"]
    assert plain.document() != other.document()


@pytest.mark.parametrize(
    ("also", "problem"),
    [
        ([], "takes a list of 1 to 8 ways"),
        ([{"name": "x"}], "says neither where nor source"),
        ([{"source": "alerts", "name": "x"}, {"source": "chain", "name": "x"}], "is called 'x' already"),
        ([{"source": "alerts", "whose": 1}], "also.0.whose: is not known here"),
    ],
)
def test_a_bad_way_says_what_is_wrong(also: Any, problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        parse({"class": "takes", "also": also})
    assert problem in str(error.value)
