"""What a partition shows of its rules: exported series, and keys whose silence is not proven yet."""

from __future__ import annotations

from streams import pipeline, telemetry
from streams.model import Batch
from streams.runtime.gauges import _series
from tests.detecting import BASE, Changelog, batch, control, detecting, event, rule

VOLUME = rule(
    "volume", {"aggregate": {"field": "n", "function": "sum", "above": 10**9, "within": "1m"}},
    export={"name": "volume", "max_series": 2},
)  # fmt: skip
SILENT = rule("silent", {"absence": {"within": "1m"}})


def shown(state: object) -> dict[tuple[str, ...], float]:
    series = telemetry.Series()
    samples = [sample for table in state.book.exporting() for sample in _series(table)]  # type: ignore[attr-defined]
    series.show("audit.events/0", samples)
    return {
        (metric.name, *sample.labels.values()): sample.value for metric in series.collect() for sample in metric.samples
    }


def test_a_rule_exports_its_number_for_so_many_keys_and_counts_the_others() -> None:
    state = detecting()
    payloads = [event(0, 1, n=3), event(1, 2, n=4), event(2, 3, n=5, actor="bob"), event(3, 4, n=9, actor="cyd")]
    pipeline.detect(state, batch(payloads), 7, control(VOLUME))
    assert shown(state) == {
        ("tocsin_rule_volume", "volume", "acme", "ada"): 7.0,
        ("tocsin_rule_volume", "volume", "acme", "bob"): 5.0,
    }
    (table,) = state.book.exporting()
    assert table.series.unshown == 1


def test_what_is_forgotten_is_shown_no_more() -> None:
    state = detecting()
    pipeline.detect(state, batch([event(0, 1, n=3)]), 7, control(VOLUME))
    assert shown(state)
    pipeline.detect(state, Batch([(1, event(3_600_000, 2, n=3, actor="bob"), BASE + 3_600_000)]), 7, control(VOLUME))
    assert [labels[-1] for labels in shown(state)] == ["bob"]


def test_two_rules_of_one_name_with_other_labels_do_not_spoil_the_page() -> None:
    series = telemetry.Series()
    one = telemetry.Sample("x", "a", ("tenant", "actor"), ("acme", "ada"), 1.0)
    other = telemetry.Sample("x", "b", ("tenant", "rule"), ("acme", "r"), 2.0)
    series.show("p", [one, other])
    (metric,) = series.collect()
    assert [sample.labels for sample in metric.samples] == [{"rule": "a", "tenant": "acme", "actor": "ada"}]
    series.show("p", [other])
    (metric,) = series.collect()
    assert metric.samples[0].labels == {"rule": "b", "tenant": "acme", "key_rule": "r"}


def test_silence_is_unknown_until_the_watermark_has_passed_it() -> None:
    state, log = detecting(), Changelog()
    pipeline.detect(state, batch([event(0, 1), event(30_000, 2, actor="bob")]), 7, control(SILENT))
    assert state.book.undecided(BASE + 59_000) == {}
    assert state.book.undecided(BASE + 61_000) == {"silent": 1}
    assert state.book.undecided(BASE + 500_000) == {"silent": 2}
    log.commit(state)
    state = log.reborn(detecting())
    pipeline.detect(state, Batch([(2, event(70_000, 3, actor="cyd"), BASE + 70_000)]), 7, control(SILENT))
    assert state.book.undecided(BASE + 91_000) == {"silent": 1}  # of ada it is known by now
