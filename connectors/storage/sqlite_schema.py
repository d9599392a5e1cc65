"""The tables of the SQLite storage. ``PRAGMA user_version`` says which schema a file has."""

from __future__ import annotations

VERSION = 2
APPLICATION = 0x746F6373  #: "tocs", in the file's header: what ``file`` and we recognise it by

#: Columns of ``alerts`` that are plain fields of the alert, for queries; ``document`` holds all of it.
FIELDS = (
    "id", "version", "tenant", "rule", "severity", "severity_word", "type", "title", "source", "status", "why",
    "count", "event_time", "last_event_time", "created_at", "updated_at", "acknowledged_at", "acknowledged_by",
    "resolved_at", "resolved_by", "correlation_id", "violation_type", "deal_id", "escalation_level",
    "assignee", "snoozed_until", "disposition", "incident", "phase", "hidden",
)  # fmt: skip

#: Tables with rowids: rows hold a whole document, and a tree by id would be rewritten for each batch (measured: a third
#: of the speed). Files of before have such trees, and go on as they are.
CREATE = """
CREATE TABLE alerts (
  id TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, tenant TEXT NOT NULL, rule TEXT NOT NULL,
  severity TEXT NOT NULL,
  severity_word TEXT NOT NULL, type TEXT NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL,
  why TEXT NOT NULL, count INTEGER NOT NULL, event_time INTEGER NOT NULL, last_event_time INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, acknowledged_at INTEGER, acknowledged_by TEXT NOT NULL,
  resolved_at INTEGER, resolved_by TEXT NOT NULL, correlation_id TEXT NOT NULL, violation_type TEXT NOT NULL,
  deal_id TEXT NOT NULL, escalation_level INTEGER NOT NULL, notification_failed INTEGER NOT NULL,
  document TEXT NOT NULL, position TEXT NOT NULL,
  assignee TEXT NOT NULL DEFAULT '', snoozed_until INTEGER, disposition TEXT NOT NULL DEFAULT '',
  incident TEXT NOT NULL DEFAULT '', phase TEXT NOT NULL DEFAULT '', hidden INTEGER NOT NULL DEFAULT 0,
  suppressed_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE alert_versions (
  id TEXT NOT NULL, version INTEGER NOT NULL, tenant TEXT NOT NULL, status TEXT NOT NULL, severity TEXT NOT NULL,
  why TEXT NOT NULL, updated_at INTEGER NOT NULL, document TEXT NOT NULL, position TEXT NOT NULL,
  PRIMARY KEY (id, version)
);
CREATE INDEX alerts_tenant ON alerts (tenant, created_at);
CREATE INDEX alerts_status ON alerts (status, created_at);
CREATE INDEX alerts_severity ON alerts (severity, created_at);
CREATE INDEX alerts_type ON alerts (type, created_at);
CREATE INDEX alerts_source ON alerts (source, created_at);
CREATE INDEX alerts_created ON alerts (created_at);
CREATE INDEX alerts_incident ON alerts (incident);
CREATE INDEX alerts_assignee ON alerts (assignee, created_at);
"""
#: What brings a file of schema 1 up to date. What alerts had of it already is read from their documents.
UPGRADE = """
ALTER TABLE alerts ADD COLUMN assignee TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN snoozed_until INTEGER;
ALTER TABLE alerts ADD COLUMN disposition TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN incident TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN phase TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN suppressed_by TEXT NOT NULL DEFAULT '';
UPDATE alerts SET
  assignee = coalesce(json_extract(document, '$.assignee'), ''),
  snoozed_until = json_extract(document, '$.snoozed_until'),
  disposition = coalesce(json_extract(document, '$.disposition'), ''),
  incident = coalesce(json_extract(document, '$.incident'), ''),
  phase = coalesce(json_extract(document, '$.phase'), ''),
  hidden = coalesce(json_extract(document, '$.hidden'), 0),
  suppressed_by = coalesce(json_extract(document, '$.suppressed[0].stage') || ' '
    || json_extract(document, '$.suppressed[0].by'), '')
WHERE json_valid(document);
CREATE INDEX alerts_incident ON alerts (incident);
CREATE INDEX alerts_assignee ON alerts (assignee, created_at);
"""

_COLUMNS = (*FIELDS, "suppressed_by", "notification_failed", "document", "position")
#: An older version, or the same one again, changes nothing.
UPSERT = (
    f"INSERT INTO alerts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])} "
    "WHERE excluded.version > alerts.version"
)
KEEP = (
    "INSERT INTO alert_versions (id, version, tenant, status, severity, why, updated_at, document, position) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id, version) DO NOTHING"
)
