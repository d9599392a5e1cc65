-- Times are integer milliseconds of UTC: to_timestamp(created_at / 1000.0) shows them.
-- document holds the record as it stands on the topic, all of it. It is json and not jsonb, which refuses \u0000.

CREATE TABLE alerts (
  id text PRIMARY KEY,
  version bigint NOT NULL,
  tenant text NOT NULL,
  rule text NOT NULL,
  severity text NOT NULL,
  severity_word text NOT NULL,
  type text NOT NULL,
  title text NOT NULL,
  source text NOT NULL,
  status text NOT NULL,
  why text NOT NULL,
  count bigint NOT NULL,
  event_time bigint NOT NULL,
  last_event_time bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  acknowledged_at bigint,
  acknowledged_by text NOT NULL,
  resolved_at bigint,
  resolved_by text NOT NULL,
  correlation_id text NOT NULL,
  violation_type text NOT NULL,
  deal_id text NOT NULL,
  escalation_level bigint NOT NULL,
  assignee text NOT NULL,
  incident text NOT NULL,
  disposition text NOT NULL,
  snoozed_until bigint,
  suppressed boolean NOT NULL,
  notification_failed boolean NOT NULL,
  document json NOT NULL,
  position text NOT NULL
);
CREATE INDEX alerts_tenant ON alerts (tenant, created_at);
CREATE INDEX alerts_status ON alerts (tenant, status, created_at);
CREATE INDEX alerts_severity ON alerts (tenant, severity, created_at);
CREATE INDEX alerts_type ON alerts (tenant, type, created_at);
CREATE INDEX alerts_source ON alerts (tenant, source, created_at);
CREATE INDEX alerts_created ON alerts (created_at);
CREATE INDEX alerts_incident ON alerts (tenant, incident) WHERE incident <> '';
CREATE INDEX alerts_assignee ON alerts (tenant, assignee, created_at) WHERE assignee <> '';

CREATE TABLE alert_versions (
  id text NOT NULL,
  version bigint NOT NULL,
  tenant text NOT NULL,
  status text NOT NULL,
  severity text NOT NULL,
  why text NOT NULL,
  updated_at bigint NOT NULL,
  document json NOT NULL,
  position text NOT NULL,
  PRIMARY KEY (id, version)
);
