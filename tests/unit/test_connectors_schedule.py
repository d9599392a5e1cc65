"""The schedule of one sink, with time as a number."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Delivered, Kind, Origin, Rejected, Result, Retry, as_record, decode_item
from connectors.offsets import Commit
from connectors.schedule import Pending, Schedule, Settled
from connectors.settings import Breaking, Policy, Rate, Retrying
from connectors.testing import notifier_item, sample_notification, storage_item
from streams.model import Group, Outcome

NEVER_BREAKS = Breaking(failures=10_000)
PLAIN = Policy(retry=Retrying(attempts=3, within_ms=10_000, first_ms=100, longest_ms=1000), breaker=NEVER_BREAKS)


def schedule(**changes: object) -> Schedule:
    return Schedule(msgspec.structs.replace(PLAIN, **changes), lambda: 0.999)


def settle(s: Schedule, batch: Sequence[Pending], result: Result, now: int) -> list[Settled]:
    return s.settle(batch, [result] * len(batch), now)


def committable(s: Schedule) -> int:
    return s.offsets.committable()["notifications", 0].offset


def test_an_item_is_attempted_at_once_and_its_offset_counts_when_it_is_delivered() -> None:
    s = schedule()
    s.add(notifier_item(1, offset=7), 0)
    batch = s.take(0)
    assert [p.item.key for p in batch] == ["n1-1"]
    assert committable(s) == 7
    (settled,) = settle(s, batch, Delivered("r"), 5)
    assert (settled.outcome, settled.attempt, settled.reference) == (Outcome.DELIVERED, 1, "r")
    assert committable(s) == 8
    assert s.open == 0


def test_items_of_one_alert_go_one_after_the_other_and_others_at_the_same_time() -> None:
    s = schedule()
    s.add(notifier_item(1, offset=0, version=1), 0)
    s.add(notifier_item(1, offset=1, version=2), 0)
    s.add(notifier_item(2, offset=2), 0)
    first, second = s.take(0), s.take(0)
    assert [p.item.key for p in (*first, *second)] == ["n1-1", "n2-1"]
    assert s.take(0) == []
    settle(s, first, Delivered(), 1)
    assert [p.item.key for p in s.take(1)] == ["n1-2"]


def test_messages_of_one_group_keep_their_order_whichever_alert_they_carry() -> None:
    """Else the resolve of a group's incident overtakes a trigger that is tried again, and it stays open for ever."""
    s = schedule()
    group = Group(id="g", key={}, alerts=(), total=2)
    for offset, alert in enumerate((1, 2)):
        note = msgspec.structs.replace(sample_notification(alert), group=group)
        item = decode_item(Kind.NOTIFIER, "ops", msgspec.json.encode(note), Origin("notifications", 0, offset))
        assert item is not None
        s.add(item, 0)
    settle(s, s.take(0), Retry("no"), 0)
    assert s.take(50) == []
    assert [p.item.key for p in s.take(100)] == ["n1-1"]


def test_a_failed_head_holds_its_own_lane_and_no_other() -> None:
    s = schedule()
    s.add(notifier_item(1, offset=0, version=1), 0)
    s.add(notifier_item(1, offset=1, version=2), 0)
    settle(s, s.take(0), Retry("no"), 0)
    assert s.take(0) == []
    assert s.wakes(0) == 100  # first delay, full jitter at its upper end
    s.add(notifier_item(2, offset=2), 1)
    assert [p.item.key for p in s.take(1)] == ["n2-1"]
    assert [p.item.key for p in s.take(100)] == ["n1-1"]


def test_offsets_wait_for_the_oldest_unfinished_item() -> None:
    s = schedule()
    for n in range(3):
        s.add(notifier_item(n, offset=n), 0)
    s.skip(Origin("notifications", 0, 3))
    batches = [s.take(0) for _ in range(3)]
    settle(s, batches[2], Delivered(), 1)
    settle(s, batches[1], Rejected("bad"), 1)
    assert committable(s) == 0
    settle(s, batches[0], Delivered(), 1)
    assert committable(s) == 4


def test_attempts_end_with_the_budget_and_the_lane_goes_on() -> None:
    s = schedule()
    s.add(notifier_item(1, offset=0, version=1), 0)
    s.add(notifier_item(1, offset=1, version=2), 0)
    outcomes, now = [], 0
    for _ in range(3):
        while not (batch := s.take(now)):
            now = s.wakes(now) or now + 1
        outcomes += settle(s, batch, Retry("no"), now)
    assert [(o.outcome, o.attempt) for o in outcomes] == [(Outcome.RETRY, 1), (Outcome.RETRY, 2), (Outcome.FAILED, 3)]
    assert "3 attempts" in outcomes[-1].error
    assert [p.item.key for p in s.take(now)] == ["n1-2"]
    assert committable(s) == 1


def test_retry_after_is_waited_for() -> None:
    s = schedule()
    s.add(notifier_item(1, offset=0), 0)
    settle(s, s.take(0), Retry("busy", after_ms=5000), 0)
    assert s.take(4999) == []
    assert s.wakes(0) == 5000
    assert len(s.take(5000)) == 1


def test_a_retry_after_beyond_the_budget_ends_the_item_now() -> None:
    s = schedule()
    s.add(notifier_item(1, offset=0), 0)
    (settled,) = settle(s, s.take(0), Retry("busy", after_ms=20_000), 0)
    assert settled.outcome is Outcome.FAILED
    assert "asked to wait 20000 ms" in settled.error


def test_a_retry_after_for_everyone_stops_the_sink_but_not_for_ever() -> None:
    s = schedule(longest_hold_ms=2000)
    s.add(notifier_item(1, offset=0), 0)
    settle(s, s.take(0), Retry("busy", after_ms=10_000_000, everyone=True), 0)
    s.add(notifier_item(2, offset=1), 1)
    assert s.take(1999) == []
    assert [p.item.key for p in s.take(2000)] == ["n2-1"]


def test_waiting_too_long_under_a_hold_gives_up_an_item_that_was_never_sent() -> None:
    s = schedule(longest_hold_ms=100_000)
    s.add(notifier_item(1, offset=0), 0)
    s.add(notifier_item(2, offset=1), 0)
    settle(s, s.take(0), Retry("busy", after_ms=60_000, everyone=True), 0)
    assert s.expire(9_999) == []
    (settled,) = s.expire(10_000)
    assert (settled.item.key, settled.outcome, settled.attempt) == ("n2-1", Outcome.FAILED, 1)
    assert "gave up after 0 attempts" in settled.error
    assert committable(s) == 2


def test_after_a_batch_that_failed_altogether_one_item_finds_out_for_the_others() -> None:
    s = schedule(
        batch=100, breaker=Breaking(failures=3, cool_off_ms=1000), retry=Retrying(attempts=None, within_ms=None)
    )
    for n in range(300):
        s.add(storage_item(n, offset=n), 0)
    told, sent, now = [], [], 0
    while s.open:
        if batch := s.take(now):
            sent.append(len(batch))
            told += settle(s, batch, Retry("down") if now < 5000 else Delivered(), now)
        else:
            now = s.wakes(now) or now + 1
    assert sent[0] == 100
    probes = sent.index(100, 1) - 1
    assert sent[1 : probes + 1] == [1] * probes
    assert len(told) == 100 + (probes - 1) + 300  # failed at first, by probes, and what was delivered in the end


def test_the_circuit_opens_after_failures_in_a_row_and_one_probe_closes_it() -> None:
    s = schedule(
        breaker=Breaking(failures=2, cool_off_ms=1000), retry=Retrying(attempts=50, within_ms=900_000, first_ms=1)
    )
    for n in range(4):
        s.add(notifier_item(n, offset=n), 0)
    settle(s, s.take(0), Retry("down"), 0)
    assert not s.breaker.open
    settle(s, s.take(0), Retry("down"), 0)
    assert s.breaker.open
    assert s.take(500) == []
    assert s.wakes(0) == 1000
    probe = s.take(1000)
    assert len(probe) == 1
    assert s.take(1000) == []  # one probe at a time
    settle(s, probe, Retry("down"), 1001)
    assert s.take(2000) == []  # twice as long now
    probe = s.take(3100)
    settle(s, probe, Delivered(), 3101)
    assert not s.breaker.open
    assert len(s.take(3101)) == 1


def test_failures_between_successes_do_not_open_the_circuit() -> None:
    s = schedule(breaker=Breaking(failures=2, cool_off_ms=1000))
    for n in range(6):
        s.add(notifier_item(n, offset=n), 0)
        settle(s, s.take(0), Retry("no") if n % 2 else Delivered(), 0)
    assert not s.breaker.open


def test_a_receiver_that_asks_to_wait_is_alive() -> None:
    s = schedule(breaker=Breaking(failures=1, cool_off_ms=1000))
    s.add(notifier_item(1, offset=0), 0)
    settle(s, s.take(0), Retry("busy", after_ms=100), 0)
    assert not s.breaker.open


def test_an_open_circuit_gives_up_items_in_bounded_time() -> None:
    s = schedule(breaker=Breaking(failures=1, cool_off_ms=600_000, longest_ms=600_000))
    for n in range(3):
        s.add(notifier_item(n, offset=n), n)
    settle(s, s.take(5), Retry("down"), 6)
    assert s.wakes(6) == 10_000
    now, gone = 6, []
    while s.open:
        now = s.wakes(now) or now
        gone += s.expire(now)
    assert [o.outcome for o in gone] == [Outcome.FAILED] * 3
    assert now <= 10_010
    assert all("down" in o.error for o in gone)
    assert committable(s) == 3


def test_a_rate_spreads_items() -> None:
    s = schedule(rate=Rate(per_second=10, burst=2))
    for n in range(4):
        s.add(notifier_item(n, offset=n), 0)
    assert [len(s.take(0)) for _ in range(3)] == [1, 1, 0]
    assert s.wakes(0) == 100
    assert [len(s.take(100)) for _ in range(2)] == [1, 0]
    assert s.take(199) == []
    assert len(s.take(200)) == 1


def test_waiting_for_the_rate_is_no_failure() -> None:
    s = schedule(rate=Rate(per_second=0.01, burst=1))
    s.add(notifier_item(1, offset=0), 0)
    s.add(notifier_item(2, offset=1), 0)
    settle(s, s.take(0), Delivered(), 0)
    assert s.expire(50_000) == []
    assert len(s.take(100_000)) == 1


def test_storage_takes_batches_in_the_order_of_versions_and_never_gives_up() -> None:
    s = Schedule(Policy(retry=Retrying(attempts=None, within_ms=None), batch=3, concurrency=1), lambda: 0.5)
    for n, (alert, version) in enumerate([(1, 1), (2, 1), (1, 2), (3, 1)]):
        s.add(storage_item(alert, offset=n, version=version), 0)
    batch = s.take(0)
    assert [(int(p.item.alert.id, 16), p.item.alert.version) for p in batch] == [(1, 1), (1, 2), (2, 1)]
    assert s.take(0) == []  # concurrency 1
    now = 0
    for _ in range(500):
        assert all(o.outcome is Outcome.RETRY for o in settle(s, batch, Retry("locked"), now))
        while not (batch := s.take(now)):
            now = s.wakes(now) or now + 1
            s.expire(now)
    settle(s, batch, Delivered(), now)  # one that found out for the others
    assert s.open == 3
    while not (batch := s.take(now)):
        now = s.wakes(now) or now + 1
    settle(s, batch, Delivered(), now)
    assert s.open <= 1


def test_what_stopping_cuts_off_stays_unfinished_even_on_its_last_attempt() -> None:
    s = schedule(retry=Retrying(attempts=1))
    s.add(notifier_item(1, offset=4), 0)
    s.abandon(s.take(0))
    assert committable(s) == 4


def test_a_lost_partition_is_forgotten_and_its_calls_do_not_count() -> None:
    s = schedule(retry=Retrying(attempts=1))
    s.add(notifier_item(1, offset=0), 0)
    s.add(notifier_item(2, offset=1), 0)
    batch = s.take(0)
    assert s.calling("notifications", 0)
    s.forget("notifications", 0)
    assert s.open == 0
    (settled,) = settle(s, batch, Retry("no"), 1)
    assert settled.outcome is Outcome.RETRY  # the new owner decides, not we
    assert s.offsets.committable() == {}
    assert s.take(2) == []
    s.add(notifier_item(1, offset=0), 3)  # it came back
    assert len(s.take(3)) == 1


def test_a_record_read_again_is_not_a_second_item() -> None:
    s = schedule()
    s.add(notifier_item(1, offset=0), 0)
    s.add(notifier_item(1, offset=0), 0)
    assert s.open == 1


def test_fetching_pauses_at_the_limit_and_goes_on_at_half() -> None:
    s = schedule(in_flight=4)
    for n in range(4):
        assert not s.full
        s.add(notifier_item(n, offset=n), 0)
    assert s.full
    settle(s, s.take(0), Delivered(), 0)
    assert not s.full
    assert not s.roomy
    settle(s, s.take(0), Delivered(), 0)
    assert s.roomy


ANSWERS = st.sampled_from(
    [Delivered(), Rejected("x"), Retry("x"), Retry("x", after_ms=50), Retry("x", after_ms=50, everyone=True)]
)


@settings(max_examples=200, deadline=None)
@given(
    alerts=st.lists(st.integers(0, 4), min_size=1, max_size=25),
    answers=st.lists(ANSWERS, min_size=1, max_size=40),
    batch=st.sampled_from([1, 3]),
    rate=st.sampled_from([None, Rate(per_second=100, burst=2)]),
    failures=st.sampled_from([1, 3, 1000]),
    concurrency=st.integers(1, 4),
)
def test_whatever_a_sink_answers_every_item_ends_once_in_order_and_within_its_budget(
    alerts: list[int], answers: list[Result], batch: int, rate: Rate | None, failures: int, concurrency: int
) -> None:
    policy = Policy(
        retry=Retrying(attempts=4, within_ms=2_000, first_ms=10, longest_ms=100),
        breaker=Breaking(failures=failures, cool_off_ms=200, longest_ms=1000),
        rate=rate, batch=batch, concurrency=concurrency,
    )  # fmt: skip
    s = Schedule(policy, lambda: 0.7)
    for n, alert in enumerate(alerts):
        s.add(notifier_item(alert, offset=n, version=n), 0)
    now, turn, ends, begun = 0, 0, [], []
    in_calls: list[list[Pending]] = []
    while s.open:
        ends += s.expire(now)
        while taken := s.take(now):
            lanes = [p.item.alert.id for call in in_calls for p in call]
            assert not {p.item.alert.id for p in taken} & set(lanes)
            begun += [p.item for p in taken]
            in_calls.append(taken)
        assert len(in_calls) <= concurrency
        if in_calls:
            call = in_calls.pop(turn % len(in_calls))
            results = [answers[(turn + i) % len(answers)] for i in range(len(call))]
            now += 3
            ends += [o for o in s.settle(call, results, now) if o.final]
            turn += 1
        elif s.open:
            wakes = s.wakes(now)
            assert wakes is not None, "items wait and nothing will wake them"
            now = max(now + 1, wakes)
        assert now < 60_000
    assert sorted(o.item.origin.offset for o in ends) == list(range(len(alerts)))
    assert s.offsets.committable() == {("notifications", 0): Commit(len(alerts))}
    for alert in set(alerts):  # attempts of an alert never go back to an older item once a newer began
        offsets = [item.origin.offset for item in begun if item.alert.id == f"{alert:032x}"]
        if batch == 1:
            assert offsets == sorted(offsets)
    assert not s._lanes


def test_a_batch_that_is_not_full_waits_for_more_and_a_full_one_does_not() -> None:
    s = schedule(batch=3, linger_ms=1000)
    s.add(notifier_item(1), 0)
    s.add(notifier_item(2), 400)
    assert s.take(999) == []
    assert s.wakes(999) == 1000
    assert len(s.take(1000)) == 2
    for number in (3, 4, 5):
        s.add(notifier_item(number), 1100)
    assert len(s.take(1100)) == 3


def test_records_of_one_partition_go_in_the_order_of_their_offsets() -> None:
    s = schedule(batch=2)
    for offset in range(4):
        s.add(as_record(b"{}", Origin("deliveries", 1, offset), 0, None), 0)
    batch = s.take(0)
    assert [p.item.key for p in batch] == ["deliveries/1/0", "deliveries/1/1"]
    assert s.take(0) == []
    settle(s, batch, Delivered(), 1)
    assert [p.item.origin.offset for p in s.take(1)] == [2, 3]
