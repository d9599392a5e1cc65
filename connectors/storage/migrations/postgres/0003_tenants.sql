-- Who is not the owner reads one tenant: the one its login role is bound to in tenant_roles, or else the one it says
-- by SET app.tenant. Neither: no row at all. The owner writes, and is not held to it.

CREATE TABLE tenant_roles (role name PRIMARY KEY, tenant text NOT NULL);

CREATE FUNCTION current_tenant() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
RETURN coalesce(
  (SELECT tenant FROM tenant_roles WHERE role = session_user),
  nullif(current_setting('app.tenant', true), '')
);

ALTER TABLE alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE alert_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE operations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON alerts FOR SELECT USING (tenant = (SELECT current_tenant()));
CREATE POLICY own_tenant ON alert_versions FOR SELECT USING (tenant = (SELECT current_tenant()));
CREATE POLICY own_tenant ON deliveries FOR SELECT USING (tenant = (SELECT current_tenant()));
CREATE POLICY own_tenant ON operations FOR SELECT USING (tenant = (SELECT current_tenant()));
