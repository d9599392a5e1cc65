-- Neither record has an id of its own: what was read twice is known by its position.

CREATE TABLE deliveries (
  notification_id text NOT NULL,
  alert_id text NOT NULL,
  tenant text NOT NULL,
  sink text NOT NULL,
  attempt bigint NOT NULL,
  outcome text NOT NULL,
  at bigint NOT NULL,
  latency_ms bigint NOT NULL,
  reference text NOT NULL,
  error text NOT NULL,
  document json NOT NULL,
  position text NOT NULL,
  PRIMARY KEY (notification_id, position)
);
CREATE INDEX deliveries_alert ON deliveries (tenant, alert_id);
CREATE INDEX deliveries_sink ON deliveries (sink, at);

CREATE TABLE operations (
  command_id text NOT NULL,
  alert_id text NOT NULL,
  tenant text NOT NULL,
  action text NOT NULL,
  outcome text NOT NULL,
  by text NOT NULL,
  at bigint NOT NULL,
  asked_at bigint NOT NULL,
  reason text NOT NULL,
  document json NOT NULL,
  position text NOT NULL,
  PRIMARY KEY (command_id, position)
);
CREATE INDEX operations_alert ON operations (tenant, alert_id);
CREATE INDEX operations_at ON operations (tenant, at);
