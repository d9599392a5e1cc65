"""A backtest's result as tables, for Parquet, Arrow and duckdb. ``streams/docs/backtest.md`` describes every column.

``run`` is ``candidate`` or ``baseline``. Times are UTC, to the millisecond; keys, values and events are JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.errors import ConfigError, TocsinError
from streams.model import Finding
from streams.replay.backtest.run import Ran
from streams.replay.moments import parse_moment
from streams.replay.report import evidence_of
from streams.replay.spool import merged

if TYPE_CHECKING:
    import pyarrow

FORMAT: Final = 1  #: goes up if a column changes its meaning
RUNS: Final = ("candidate", "baseline")
_BATCH = 10_000  #: rows that are in memory at a time
_finding = msgspec.json.Decoder(Finding)
_encode = msgspec.json.Encoder(order="sorted").encode

Row = dict[str, Any]
_BY_LABELS: Final = ("attacks", "found", "true", "false", "precision", "recall", "f1")
#: The columns of each table and their types: ``text``, ``int``, ``real``, ``time``, ``flag``.
COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "alerts": {
        "run": "text", "alert_id": "text", "rule": "text", "rule_version": "text", "tenant": "text", "severity": "text",
        "type": "text", "source": "text", "status": "text", "title": "text", "key": "text", "event_time": "time",
        "last_event_time": "time", "findings": "int", "observed": "real", "threshold": "real", "values": "text",
        "suppressed": "text",
    },
    "evidence": {
        "run": "text", "alert_id": "text", "number": "int", "event_id": "text", "position": "text",
        "event_time": "time", "event": "text",
    },
    "findings": {
        "run": "text", "finding_id": "text", "opens": "text", "kind": "text", "rule": "text", "rule_version": "text",
        "tenant": "text", "severity": "text", "key": "text", "event_time": "time", "position": "text",
        "observed": "real", "threshold": "real",
    },
    "rules": {
        "run": "text", "rule": "text", "rule_version": "text", "title": "text", "kind": "text", "overridden": "flag",
        "alerts": "int", "findings": "int", "attacks": "int", "found": "int", "true": "int", "false": "int",
        "precision": "real", "recall": "real", "f1": "real",
    },
    "inputs": {
        "source": "text", "topic": "text", "partition": "int", "begin": "int", "end": "int", "file": "text",
        "sha256": "text", "records": "int", "first_record": "time", "last_record": "time",
    },
}  # fmt: skip


def rows(table: str, report: Mapping[str, Any], ran: Sequence[Ran]) -> Iterator[Row]:
    """The rows of one table, each with a value or None for every column."""
    if table == "inputs":
        yield from _inputs(report)
        return
    make = _OF_RUN[table]
    for run, one in zip(RUNS, ran, strict=False):
        for row in make(run, one, report):
            yield {"run": run, **row}


def arrow(table: str, report: Mapping[str, Any], ran: Sequence[Ran]) -> pyarrow.Table:
    """One table. Raises ConfigError for a name that none has."""
    if table not in COLUMNS:
        raise ConfigError(f"there is no table {table!r:.60}", f"there are {', '.join(COLUMNS)}")
    schema = _schema(table)
    return _pyarrow().Table.from_batches(_batches(rows(table, report, ran), schema), schema)


def write_parquet(folder: Path, report: Mapping[str, Any], ran: Sequence[Ran]) -> list[Path]:
    """``TABLE.parquet`` for each, the same bytes for the same result. Raises ConfigError where that is impossible."""
    _pyarrow()
    import pyarrow.parquet

    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in COLUMNS:
            schema, path = _schema(table), folder / f"{table}.parquet"
            new = path.with_suffix(".parquet.new")
            with pyarrow.parquet.ParquetWriter(str(new), schema, compression="zstd") as writer:
                for batch in _batches(rows(table, report, ran), schema):
                    writer.write_batch(batch)
            written.append(new.replace(path))
    except OSError as error:
        raise ConfigError(f"cannot write tables to {folder}: {error.strerror or error}") from None
    return written


def _alerts(run: str, ran: Ran, report: Mapping[str, Any]) -> Iterator[Row]:
    for alert in ran.result.alerts:
        yield {
            "alert_id": alert.id, "rule": alert.rule, "rule_version": alert.rule_version, "tenant": alert.tenant,
            "severity": alert.severity.value, "type": alert.type, "source": alert.source, "status": alert.status.value,
            "title": alert.title, "key": _text(alert.key), "event_time": alert.event_time,
            "last_event_time": alert.last_event_time, "findings": alert.count,
            "observed": _real(alert.values.get("peak", alert.values.get("observed"))),
            "threshold": _real(alert.values.get("threshold")), "values": _text(alert.values),
            "suppressed": _text(alert.suppressed) if alert.suppressed else None,
        }  # fmt: skip


def _evidence(run: str, ran: Ran, report: Mapping[str, Any]) -> Iterator[Row]:
    for alert in ran.result.alerts:
        for number, one in enumerate(evidence_of(alert), 1):
            yield {
                "alert_id": alert.id, "number": number, "event_id": one.event_id, "position": one.position,
                "event_time": one.event_time, "event": None if one.event is None else _text(one.event),
            }  # fmt: skip


def _findings(run: str, ran: Ran, report: Mapping[str, Any]) -> Iterator[Row]:
    for waiting in merged(ran.result.found):
        found = _finding.decode(waiting.value)
        yield {
            "finding_id": found.id, "opens": found.alert_id, "kind": found.kind.value, "rule": found.rule,
            "rule_version": found.rule_version, "tenant": found.tenant, "severity": found.severity.value,
            "key": _text(found.key), "event_time": found.event_time, "position": found.position,
            "observed": _real(found.observed), "threshold": _real(found.threshold),
        }  # fmt: skip


def _rules(run: str, ran: Ran, report: Mapping[str, Any]) -> Iterator[Row]:
    """Every enabled rule, those that said nothing, too."""
    where = report if run == RUNS[0] else report["baseline"]
    labelled = (where.get("labels") or {}).get("rules", {})
    alerts: dict[str, list[int]] = {}
    for alert in ran.result.alerts:
        alerts.setdefault(alert.rule, []).append(alert.count)
    for rule in sorted(ran.ruleset.rules, key=lambda rule: rule.id):
        if rule.enabled:
            counts, fared = alerts.get(rule.id, []), labelled.get(rule.id, {})
            yield {
                "rule": rule.id, "rule_version": rule.version, "title": rule.title, "kind": rule.detect.name,
                "overridden": bool(rule.overridden), "alerts": len(counts), "findings": sum(counts),
                **{name: fared.get(name) for name in _BY_LABELS},
            }  # fmt: skip


def _inputs(report: Mapping[str, Any]) -> Iterator[Row]:
    """A row a partition; of files a row each, all with the counts of the partition that they make together."""
    for log in report["inputs"]:
        common = {
            "source": log["source"], "topic": log.get("topic"), "partition": log.get("partition"),
            "begin": log["begin"], "end": log["end"], "records": log["records"],
            "first_record": _moment(log["first_record"]), "last_record": _moment(log["last_record"]),
        }  # fmt: skip
        if "files" not in log:
            yield {**common, "file": None, "sha256": log["records_sha256"]}
        for file in log.get("files", ()):
            yield {**common, "file": file["path"], "sha256": file["sha256"]}


_OF_RUN: Final[Mapping[str, Callable[[str, Ran, Mapping[str, Any]], Iterator[Row]]]] = {
    "alerts": _alerts, "evidence": _evidence, "findings": _findings, "rules": _rules,
}  # fmt: skip


def _text(value: Any) -> str:
    return _encode(value).decode()


def _moment(text: str | None) -> int | None:
    return None if text is None else parse_moment(text)


def _real(value: Any) -> float | None:
    """A number, also one in decimal text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _schema(table: str) -> pyarrow.Schema:
    module = _pyarrow()
    types = {
        "text": module.string(), "int": module.int64(), "real": module.float64(),
        "time": module.timestamp("ms", tz="UTC"), "flag": module.bool_(),
    }  # fmt: skip
    fields = [module.field(name, types[kind]) for name, kind in COLUMNS[table].items()]
    return module.schema(fields, metadata={"tocsin.format": str(FORMAT), "tocsin.table": table})


def _batches(every: Iterable[Row], schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
    left = iter(every)
    while some := list(islice(left, _BATCH)):
        yield _pyarrow().RecordBatch.from_pylist(some, schema)


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise TocsinError("tables need the Python module pyarrow", "pip install 'tocsin[archive]'") from None
    return pyarrow
