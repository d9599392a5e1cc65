"""The table of the SQLite storage. ``PRAGMA user_version`` says which schema a file has."""

from __future__ import annotations

VERSION = 3
APPLICATION = 0x746F6373  #: "tocs", in the file's header: what ``file`` and we recognise it by

#: Columns that are plain fields of the alert, for queries; ``document`` holds all of it.
FIELDS = (
    "id", "version", "tenant", "rule", "severity", "severity_word", "type", "title", "source", "status", "why",
    "count", "event_time", "last_event_time", "created_at", "updated_at", "acknowledged_at", "acknowledged_by",
    "resolved_at", "resolved_by", "correlation_id", "violation_type", "deal_id", "escalation_level",
    "assignee", "snoozed_until", "disposition", "incident", "phase", "hidden",
)  # fmt: skip
#: Columns that most alerts leave empty. Their indexes hold the others: a query must say ``!= ''`` to use them.
SPARSE = ("incident", "assignee")

#: Each version is stored once, with a rowid (rows hold a whole document, and a tree by id would be rewritten for each
#: batch). Measured: a table for the newest besides one for all took half as long again. What is listed is the newest,
#: so the indexes leave out the others.
CREATE = """
CREATE TABLE alert_versions (
  id TEXT NOT NULL, version INTEGER NOT NULL, tenant TEXT NOT NULL, rule TEXT NOT NULL, severity TEXT NOT NULL,
  severity_word TEXT NOT NULL, type TEXT NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL,
  why TEXT NOT NULL, count INTEGER NOT NULL, event_time INTEGER NOT NULL, last_event_time INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, acknowledged_at INTEGER, acknowledged_by TEXT NOT NULL,
  resolved_at INTEGER, resolved_by TEXT NOT NULL, correlation_id TEXT NOT NULL, violation_type TEXT NOT NULL,
  deal_id TEXT NOT NULL, escalation_level INTEGER NOT NULL, assignee TEXT NOT NULL, snoozed_until INTEGER,
  disposition TEXT NOT NULL, incident TEXT NOT NULL, phase TEXT NOT NULL, hidden INTEGER NOT NULL,
  suppressed_by TEXT NOT NULL, notification_failed INTEGER NOT NULL, document TEXT NOT NULL, position TEXT NOT NULL,
  newest INTEGER NOT NULL,
  UNIQUE (id, version)
);
CREATE VIEW alerts AS SELECT * FROM alert_versions WHERE newest;
CREATE INDEX newest_tenant ON alert_versions (tenant, created_at) WHERE newest;
CREATE INDEX newest_status ON alert_versions (status, created_at) WHERE newest;
CREATE INDEX newest_severity ON alert_versions (severity, created_at) WHERE newest;
CREATE INDEX newest_type ON alert_versions (type, created_at) WHERE newest;
CREATE INDEX newest_source ON alert_versions (source, created_at) WHERE newest;
CREATE INDEX newest_created ON alert_versions (created_at) WHERE newest;
CREATE INDEX newest_incident ON alert_versions (incident) WHERE newest AND incident != '';
CREATE INDEX newest_assignee ON alert_versions (assignee, created_at) WHERE newest AND assignee != '';
"""
#: The tables of schema 1 and 2: the newest, and besides them all versions with few columns and the document.
EARLIER = "SELECT document, position FROM earlier ORDER BY id, version"
SET_ASIDE = "ALTER TABLE alert_versions RENAME TO earlier; DROP TABLE alerts"
LEAVE = "DROP TABLE earlier"

_COLUMNS = (*FIELDS, "suppressed_by", "notification_failed", "document", "position", "newest")
#: The last parameter: whether no other row of the batch is newer. The same version again changes nothing.
INSERT = (
    f"INSERT INTO alert_versions ({', '.join(_COLUMNS)}) "
    f"VALUES ({', '.join(f'?{n}' for n in range(1, len(_COLUMNS)))}, ?{len(_COLUMNS)} AND NOT EXISTS "
    "(SELECT 1 FROM alert_versions WHERE id = ?1 AND version > ?2)) ON CONFLICT (id, version) DO NOTHING"
)
#: What is older than a version is not the newest.
OVERTAKE = "UPDATE alert_versions SET newest = 0 WHERE id = ? AND version < ? AND newest"
