"""Every metric, declared once, with what it tells a person on call; and the log's set-up.

The pure core counts in ``state.counts`` (a name and labels); ``record`` turns those into metrics here.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()

#: Events read from a source, before any rule. A rate of 0 while producers publish: look at lag and readiness.
EVENTS = Counter("tocsin_events_total", "Events read.", ["source"], registry=REGISTRY)
#: Records refused. Look at the dead-letter topic: each carries its origin and the error.
DEAD = Counter("tocsin_dead_letters_total", "Records refused, by reason.", ["source", "reason"], registry=REGISTRY)
#: Events older than any window of the rule. Rising: clocks or a slow producer; see the late topic.
LATE = Counter("tocsin_late_total", "Events too late for a rule.", ["rule"], registry=REGISTRY)
#: Events with an id already counted for that rule and key: a producer retries.
DUPLICATES = Counter("tocsin_duplicates_total", "Events already counted.", ["rule"], registry=REGISTRY)
#: Events further ahead of their record than max_skew: a producer's clock is wrong. They do not move the watermark.
SKEWED = Counter(
    "tocsin_skewed_total", "Events too far in the future to move the watermark.", ["source"], registry=REGISTRY
)
#: Findings sent to the alert stage.
FINDINGS = Counter("tocsin_findings_total", "Findings.", ["rule", "type", "severity"], registry=REGISTRY)
#: Alerts opened.
ALERTS = Counter("tocsin_alerts_total", "Alerts opened.", ["rule", "type", "severity"], registry=REGISTRY)
#: Alerts nobody has closed yet.
ACTIVE = Gauge("tocsin_alerts_active", "Alerts active or acknowledged.", ["severity"], registry=REGISTRY)
#: A rule raised an exception on an event. After 10 it is off in that partition until a new version of it comes.
RULE_ERRORS = Counter("tocsin_rule_errors_total", "Exceptions raised by a rule.", ["rule"], registry=REGISTRY)
#: 1 for a rule that was switched off because it kept failing. Fix the rule and apply it again.
RULE_OFF = Gauge(
    "tocsin_rule_off", "Rules switched off after repeated errors.", ["rule", "partition"], registry=REGISTRY
)
#: Keys or entries a rule had to forget for want of room (max_keys): it may miss something. Its alerts say so too.
EVICTED = Gauge("tocsin_evicted", "State forgotten for want of room.", ["rule", "partition"], registry=REGISTRY)
#: Keys for which a rule waits for silence (absence and the like): the time has come by the wall clock, but the
#: partition has not been read so far, or its producers are silent and it is not known to be complete: unknown.
UNDECIDED = Gauge(
    "tocsin_undecided_keys", "Keys whose silence is not proven yet.", ["rule", "partition"], registry=REGISTRY
)
#: Time to step one event through one rule, sampled. A slow rule stands out here.
RULE_SECONDS = Histogram(
    "tocsin_rule_seconds",
    "Evaluation time per rule and matching event, sampled.",
    ["rule"],
    registry=REGISTRY,
    buckets=(2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1),
)
#: Anything else the core counted, under its own name: verdicts, commands, notifications, evictions.
OUTCOMES = Counter("tocsin_outcomes_total", "Named outcomes of the core.", ["what", "detail"], registry=REGISTRY)
#: Records between the position and the end of a partition. Growing: add workers.
LAG = Gauge("tocsin_lag_records", "Records not yet processed.", ["topic", "partition"], registry=REGISTRY)
#: Wall clock less the partition's watermark. Large with lag 0: the producer sends old events, or is silent.
WATERMARK_DELAY = Gauge(
    "tocsin_watermark_delay_seconds", "Age of the watermark.", ["topic", "partition"], registry=REGISTRY
)
#: Duration of commits. p99 above 0.5 s: the brokers are slow.
COMMIT_SECONDS = Histogram(
    "tocsin_commit_seconds",
    "Time to end a transaction.",
    ["role"],
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
#: Transactions by how they ended. `overtaken`: a rebalance came in between; harmless unless it goes on.
TRANSACTIONS = Counter("tocsin_transactions_total", "Transactions, by outcome.", ["role", "outcome"], registry=REGISTRY)
#: Partitions this worker owns, and those of them whose state is restored.
PARTITIONS = Gauge("tocsin_partitions", "Partitions owned.", ["role", "state"], registry=REGISTRY)
#: Time to bring a partition's state back.
RESTORE_SECONDS = Gauge(
    "tocsin_restore_seconds", "Duration of the last restore.", ["topic", "partition"], registry=REGISTRY
)
#: Control position in force, and control records that were refused (the old rule set goes on running).
CONTROL_POSITION = Gauge("tocsin_control_position", "Control position in force.", registry=REGISTRY)
CONTROL_REFUSED = Counter("tocsin_control_refused_total", "Control records refused.", ["kind"], registry=REGISTRY)
#: 1 while the watched rule files cannot be used: the set in force goes on. The log names every problem with its line.
RULES_FILE_REFUSED = Gauge("tocsin_rules_file_refused", "Watched rule files are refused.", registry=REGISTRY)
#: Equal values of a source's partition_by seen in two partitions: the producer's keys are not what partition_by says,
#: and rules that are local to the source count too little. See the log for where; `tocsin topics check --sample` asks.
MISPLACED = Counter("tocsin_misplaced_keys_total", "Values in two partitions.", ["source"], registry=REGISTRY)
#: Entries of the indicator lists in force. 0, or far less than usual: what it is taken from may be broken.
LIST_ENTRIES = Gauge("tocsin_list_entries", "Entries of indicator lists in force.", ["list"], registry=REGISTRY)
#: Lists that rules in force use and nobody has applied: their conditions match nothing. `tocsin lists apply`.
LISTS_MISSING = Gauge("tocsin_lists_missing", "Lists that rules use and nobody has applied.", registry=REGISTRY)
#: Attempts to deliver, by outcome. delivered / all of a sink is its success rate.
DELIVERIES = Counter("tocsin_deliveries_total", "Delivery attempts.", ["sink", "outcome"], registry=REGISTRY)
#: Where the time goes between an event and who is told of it, per first delivery of a new alert. The stages:
#: event_to_alert (event time to the alert: disorder, lag, detection), alert_to_notification (what delays telling by
#: intent: grouping, routes), notification_to_sent (queue, rate and retries of the sink), sent_to_delivered (the
#: receiver's answer), event_to_delivered (all of it). An SLO is a share of buckets of the last one.
STAGE_SECONDS = Histogram(
    "tocsin_stage_seconds",
    "Time per stage from the event to its delivery.",
    ["stage", "sink"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
#: Items sent under a worker's own rate because the Redis that shares it was away. Growing: with several workers the
#: receiver may get a multiple of what `rate` says. The log names the error; all is well again by itself.
SINK_RATE_LOCAL = Counter(
    "tocsin_sink_rate_local_total", "Items sent by an unshared rate.", ["sink"], registry=REGISTRY
)
#: 1 while a sink works; 0: see its last error in /readyz and the log. Other sinks go on.
SINK_UP = Gauge("tocsin_sink_up", "Sink is working.", ["sink"], registry=REGISTRY)
#: Values too large to produce: a dead letter was cut, or a state key evicted.
OVERSIZE = Counter("tocsin_oversize_total", "Values too large to produce.", ["topic"], registry=REGISTRY)


class Sample(NamedTuple):
    """One number that a rule exports. ``labels`` and ``values`` go together; the first is the tenant."""

    name: str
    rule: str
    labels: tuple[str, ...]
    values: tuple[Any, ...]
    number: float


class Series(Collector):
    """What rules export for dashboards: ``tocsin_rule_<name>{rule, tenant, <parts of the key>}``."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Sample]] = {}

    def show(self, part: str, samples: list[Sample]) -> None:
        """All there is to show of one partition, in place of what was; none: it is another worker's now."""
        if samples:
            self._parts[part] = samples
        else:
            self._parts.pop(part, None)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, tuple[tuple[str, ...], GaugeMetricFamily]] = {}
        for sample in (sample for samples in list(self._parts.values()) for sample in samples):
            labels = ("rule", sample.labels[0], *map(_label, sample.labels[1:]))
            name = f"tocsin_rule_{sample.name}"
            known = families.setdefault(
                name, (labels, GaugeMetricFamily(name, "A number of a rule, by key.", labels=labels))
            )
            if known[0] == labels:  # else another rule exports other labels under this name
                known[1].add_metric([sample.rule, *(str(value)[:200] for value in sample.values)], sample.number)
        yield from (family for _, family in families.values())


def _label(name: str) -> str:
    label = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"key_{label}" if label in ("rule", "tenant") or not label[:1].isalpha() else label


SERIES = Series()
REGISTRY.register(SERIES)

#: How the core's counts map to metrics; a name not here goes to ``OUTCOMES``.
_COUNTS = {
    "events": EVENTS,
    "dead": DEAD,
    "late": LATE,
    "duplicates": DUPLICATES,
    "skewed": SKEWED,
    "findings": FINDINGS,
    "alerts": ALERTS,
    "rule_errors": RULE_ERRORS,
}


def record(counts: Tally[tuple[str, ...]]) -> None:
    """Move the core's counts into the metrics, and forget them."""
    for (name, *labels), n in counts.items():
        metric = _COUNTS.get(name)
        if metric is not None and len(metric._labelnames) == len(labels):
            metric.labels(*labels).inc(n)
        else:
            OUTCOMES.labels(name, ":".join(labels)).inc(n)
    counts.clear()


def configure_logging(level: str = "info", format: str = "text") -> None:
    """Log to file descriptor 2: Faust replaces ``sys.stderr``."""
    render: Any = (
        structlog.processors.JSONRenderer() if format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(
            file=os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        ),
        cache_logger_on_first_use=False,
    )


log = structlog.get_logger()
