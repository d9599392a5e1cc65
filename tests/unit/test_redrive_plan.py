"""Which deliveries a re-drive takes, and why it leaves others alone."""

from __future__ import annotations

import msgspec
import pytest

from connectors.testing import sample_notification
from streams.model import Delivery, Group, Outcome
from streams.runtime.ledger import Entry, State, rates
from streams.runtime.redrive import LeftOut, Wanted, plan
from streams.runtime.scan import Stretch, parse_stretch


def entry(
    name: str, *outcomes: str, at: int = 0, sink: str = "hook", redriven: str = "", alert: int = 1, group: str = ""
) -> Entry:
    """``outcomes``: of its attempts; one written ``delivered@r1`` was made by the re-drive r1."""
    note = msgspec.structs.replace(sample_notification(alert, sink), id=name, at=at, redriven=redriven)
    if group:
        note = msgspec.structs.replace(note, group=Group(id=group, key={}, alerts=(), total=2))
    found = Entry(name, sink, note.alert_id, note.tenant, "new", at, note, [f"notifications/3/{at}"], redriven=redriven)
    for n, text in enumerate(outcomes, 1):
        outcome, _, mark = text.partition("@")
        found.attempts.append(
            Delivery(
                notification_id=name, alert_id=note.alert_id, tenant=note.tenant, sink=sink, attempt=n, at=at + n,
                outcome=Outcome(outcome), latency_ms=n, redriven=mark,
            )
        )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("made", "state"),
    [
        (entry("a"), State.WAITING),
        (entry("a", "retry"), State.RETRYING),
        (entry("a", "retry", "delivered"), State.DELIVERED),
        (entry("a", "rejected"), State.REJECTED),
        (entry("a", "retry", "failed"), State.FAILED),
        (entry("a", "failed", redriven="r1"), State.WAITING),  # published again, nothing heard of it yet
        (entry("a", "failed", "retry@r1", redriven="r1"), State.RETRYING),
        (entry("a", "delivered", "failed@r1", redriven="r1"), State.FAILED),  # what came last counts
        (entry("a", "failed@r1", redriven="r2"), State.WAITING),
    ],
)
def test_what_has_become_of_it(made: Entry, state: State) -> None:
    assert made.state is state


@pytest.mark.parametrize(
    ("ledger", "wanted", "ids", "left_out"),
    [
        ([entry("a", "failed"), entry("b", "delivered", alert=2)], Wanted(sink="hook"), ["a", "b"], {}),
        ([entry("a", "failed")], Wanted(sink="other"), [], {}),
        ([entry("a", "failed"), entry("b", "failed", sink="other")], Wanted(sink="hook"), ["a"], {}),
        ([entry("a"), entry("b", "retry")], Wanted(sink="hook"), [], {LeftOut.UNDER_WAY: 2}),
        # the same alert, told of later
        ([entry("a", "failed"), entry("b", "delivered", at=5)], Wanted(ids=("a",)), [], {LeftOut.SUPERSEDED: 1}),
        (
            [entry("a", "failed", group="g"), entry("b", "delivered", at=5, alert=2, group="g")],
            Wanted(ids=("a",)),
            [],
            {LeftOut.SUPERSEDED: 1},
        ),  # the same group, whose worst alert is another by now
        ([entry("a", "failed", group="g"), entry("b", "delivered", at=5)], Wanted(ids=("a",)), ["a"], {}),
        ([entry("a", "failed"), entry("b", "failed", at=5)], Wanted(ids=("a",)), ["a"], {}),
        ([entry("a", "failed"), entry("b", "delivered", at=5)], Wanted(), ["a", "b"], {}),  # both, in their order
        ([entry("a", "failed", at=5), entry("b", "delivered")], Wanted(ids=("a",)), ["a"], {}),
        ([entry("a", "failed"), entry("b", "delivered", at=5, sink="other")], Wanted(ids=("a",)), ["a"], {}),
        ([entry("a", "failed"), entry("b", "delivered", at=5, alert=2)], Wanted(ids=("a",)), ["a"], {}),
        ([entry("a", "failed", at=4), entry("b", "failed", at=6, alert=2)], Wanted(since=4, until=6), ["a"], {}),
        (
            [entry("a", "failed", at=4), entry("b", "failed", at=6, alert=2)],
            Wanted(stretch=Stretch(3, 5, 6)),
            ["b"],
            {},
        ),
        ([entry("a", "failed", at=4)], Wanted(stretch=Stretch(2, 4, 4)), [], {}),
        ([entry("a", "failed")], Wanted(tenant="globex"), [], {}),
        ([Entry("x:3", "db", "x", "acme")], Wanted(sink="db"), [], {LeftOut.OF_A_STORAGE: 1}),
        ([Entry("n1", "hook", "x", "acme")], Wanted(sink="hook"), [], {LeftOut.NOT_RETAINED: 1}),
    ],
)
def test_what_is_sent_again(ledger: list[Entry], wanted: Wanted, ids: list[str], left_out: dict[LeftOut, int]) -> None:
    made = plan(ledger, wanted)
    assert ([one.id for one in made.entries], dict(made.left_out)) == (ids, left_out)


@pytest.mark.parametrize(
    ("text", "stretch"),
    [("3/100-250", Stretch(3, 100, 250)), ("0/7", Stretch(0, 7, 7)), ("3", None), ("3/", None), ("3/9-1", None),
     ("-1/2", None), ("٣/1", None), ("1/1-", None), (f"1/{'9' * 30}", None)],
)  # fmt: skip
def test_ranges_of_offsets(text: str, stretch: Stretch | None) -> None:
    if stretch is None:
        with pytest.raises(ValueError):
            parse_stretch(text)
    else:
        assert parse_stretch(text) == stretch


def test_the_rate_of_a_sink_counts_what_is_finished() -> None:
    ledger = [entry("a", "delivered"), entry("b", "retry", "failed"), entry("c"), entry("d", "delivered", sink="other")]
    hook, other = rates(ledger)
    assert (hook.sink, hook.success, hook.attempts, hook.latency_p50_ms, hook.latency_p99_ms) == ("hook", 0.5, 3, 1, 2)
    assert (other.sink, other.success) == ("other", 1.0)
