-- Who may do what in {{.All}}. Run it as an administrator, after the sink has made its tables, and again after an upgrade:
--   trunkline init clickhouse | clickhouse-client --multiquery
-- Then give each user a role: CREATE USER grafana IDENTIFIED WITH sha256_password BY '…' DEFAULT ROLE trunkline_reader;
--                             GRANT trunkline_reader TO grafana;

-- Limits of BI tools: they only read, may set formats and limits, and no limit above these.
CREATE SETTINGS PROFILE OR REPLACE `trunkline_bi`{{.On}} SETTINGS
    readonly = 2,
    allow_ddl = 0 CONST,
    max_execution_time = 60 MAX 600,
    max_memory_usage = 4000000000 MAX 8000000000,
    max_threads = 4 MAX 8,
    max_result_rows = 5000000 MAX 50000000,
    max_concurrent_queries_for_user = 16 MAX 16;

-- Reads everything.
CREATE ROLE IF NOT EXISTS `trunkline_reader`{{.On}};
ALTER ROLE `trunkline_reader`{{.On}} SETTINGS PROFILE 'trunkline_bi';
GRANT{{.On}} SELECT ON {{.All}} TO `trunkline_reader`;

-- Writes: the sink, and the operator's replay. It deletes nothing and changes no table.
CREATE ROLE IF NOT EXISTS `trunkline_writer`{{.On}};
GRANT{{.On}} SELECT, INSERT ON {{.All}} TO `trunkline_writer`;
GRANT{{.On}} SELECT ON system.settings TO `trunkline_writer`;

-- Makes and widens tables: beside trunkline_writer, for the sink of a new version. No table can be dropped with it.
CREATE ROLE IF NOT EXISTS `trunkline_migrator`{{.On}};
GRANT{{.On}} CREATE DATABASE, CREATE TABLE, CREATE VIEW, ALTER ADD COLUMN, ALTER MODIFY COLUMN, ALTER COMMENT COLUMN, ALTER ADD INDEX ON {{.All}} TO `trunkline_migrator`;
{{- if .Cluster}}
GRANT{{.On}} CLUSTER ON *.* TO `trunkline_migrator`;
{{- end}}
{{range .Readers}}
-- Reads {{.List}} only: tables that tell of a site, and no other.
CREATE ROLE IF NOT EXISTS {{.Role}}{{$.On}};
ALTER ROLE {{.Role}}{{$.On}} SETTINGS PROFILE 'trunkline_bi';
{{- $reader := .}}
{{- range $.Tables}}
GRANT{{$.On}} SELECT ON {{.}} TO {{$reader.Role}};
CREATE ROW POLICY OR REPLACE {{$reader.Role}}{{$.On}} ON {{.}} FOR SELECT USING site IN ({{$reader.List}}) TO {{$reader.Role}};
{{- end}}
{{end}}
-- A policy on a table hides it from everybody else, unless the server is told otherwise: these see all of it.
{{- range .Tables}}
CREATE ROW POLICY OR REPLACE `trunkline_all`{{$.On}} ON {{.}} FOR SELECT USING 1 TO `trunkline_reader`, `trunkline_writer`, `trunkline_migrator`;
{{- end}}

-- An hour of a BI user.
CREATE QUOTA OR REPLACE `trunkline_bi`{{.On}} KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 20000, read_rows = 100000000000, execution_time = 7200
    TO `trunkline_reader`{{range .Readers}}, {{.Role}}{{end}};
