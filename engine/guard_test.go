package engine

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadersCannot tries what a reader must not do: each must fail with an exception, show no secret and leave no trace.
func TestReadersCannot(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (a UInt8) ENGINE = MergeTree ORDER BY a")
	write(t, "INSERT INTO "+db+".t VALUES (7)")
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.csv")
	if err := os.WriteFile(secret, []byte("TOPSECRET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	expand := strings.NewReplacer("{secret}", secret, "{out}", out, "{db}", db)
	for _, c := range []struct {
		sql      string
		settings []string
	}{
		// writing
		{"INSERT INTO {db}.t VALUES (1)", nil},
		{"INSERT INTO {db}.t SELECT 1", nil},
		{"INSERT INTO {db}.t FORMAT CSV\n1\n", nil},
		{"INSERT INTO {db}.t FROM INFILE '{secret}' FORMAT CSV", nil},
		{"INSERT INTO FUNCTION file('{out}', CSV, 'a String') SELECT 'x'", nil},
		{"EXPLAIN INSERT INTO FUNCTION file('{out}', CSV, 'a String') SELECT 'x'", nil},
		{"CREATE TABLE {db}.x (a UInt8) ENGINE = Memory", nil},
		{"CREATE TEMPORARY TABLE x (a UInt8)", nil},
		{"CREATE VIEW {db}.v AS SELECT 1", nil},
		{"CREATE DATABASE evil", nil},
		{"CREATE FUNCTION evil AS (x) -> file(x)", nil},
		{"CREATE USER evil", nil},
		{"CREATE NAMED COLLECTION evil AS a = 1", nil},
		{"CREATE DICTIONARY {db}.d (k UInt64, v String) PRIMARY KEY k SOURCE(FILE(path '{secret}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)", nil},
		{"ALTER TABLE {db}.t DELETE WHERE 1", nil},
		{"DELETE FROM {db}.t WHERE 1", nil},
		{"TRUNCATE TABLE {db}.t", nil},
		{"DROP TABLE {db}.t", nil},
		{"DROP DATABASE {db}", nil},
		{"RENAME TABLE {db}.t TO {db}.u", nil},
		{"OPTIMIZE TABLE {db}.t FINAL", nil},
		{"DETACH TABLE {db}.t", nil},
		{"ATTACH TABLE {db}.x FROM '{out}' (a UInt8) ENGINE = MergeTree ORDER BY a", nil},
		{"BACKUP TABLE {db}.t TO File('{out}')", nil},
		{"RESTORE TABLE {db}.t FROM File('{out}')", nil},
		{"GRANT ALL ON *.* TO default", nil},
		{"SYSTEM FLUSH LOGS", nil},
		{"SYSTEM SHUTDOWN", nil},
		{"KILL QUERY WHERE 1", nil},
		{"BEGIN TRANSACTION", nil},
		// rights and settings
		{"SET readonly = 0", nil},
		{"SET max_threads = 8", nil},
		{"SET ROLE writer", nil},
		{"SET ROLE DEFAULT", nil},
		{"EXECUTE AS default SELECT 1", nil},
		{"USE {db}", nil},
		{"SELECT 1 SETTINGS readonly = 0", nil},
		{"SELECT 1 SETTINGS max_execution_time = 1000", nil},
		{"SELECT 1 FORMAT CSV SETTINGS readonly = 0", nil},
		{"SELECT 1", []string{"readonly", "0"}},
		{"SELECT 1", []string{"allow_ddl", "1"}},
		{"SELECT 1", []string{"format_schema", secret + ":x"}},
		{"SELECT 1", []string{"output_format_schema", out}},
		{"SELECT 1", []string{"format_template_row", secret}},
		{"SELECT 1", []string{"additional_result_filter", "file('" + secret + "') = ''"}},
		{"SELECT 1", []string{"input_format_values_interpret_expressions", "1"}},
		{"SELECT 1", []string{"allow_experimental_eval_table_function", "1"}},
		{"SELECT 1", []string{"join_use_nulls", "1', readonly = '0"}},
		{"SELECT 1", []string{"join_use_nulls = 1, readonly", "0"}},
		{"SELECT 1", []string{"database", "x`; SET readonly = 0; USE `system"}},
		// several statements
		{"SELECT 1; INSERT INTO {db}.t VALUES (1)", nil},
		{"SELECT 1; SELECT 2", nil},
		{"SELECT 1 FORMAT CSV; DROP TABLE {db}.t", nil},
		{"SELECT 1 -- \n; DROP TABLE {db}.t", nil},
		{"CREATE TABLE {db}.x (a UInt8) ENGINE = Memory PARALLEL WITH DROP TABLE {db}.t", nil},
		// files of the host
		{"SELECT file('{secret}')", nil},
		{"SELECT `file`('{secret}')", nil},
		{"SELECT \"fi\\x6ce\"('{secret}')", nil},
		{"SELECT file/**/('{secret}')", nil},
		{"SELECT file\n('{secret}')", nil},
		{"WITH file('{secret}') AS x SELECT x", nil},
		{"SELECT * APPLY(file) FROM (SELECT '{secret}' AS x)", nil},
		{"SELECT * APPLY file FROM (SELECT '{secret}' AS x)", nil},
		{"SELECT COLUMNS('x') APPLY(x -> file(x)) FROM (SELECT '{secret}' AS x)", nil},
		{"SELECT arrayMap(file, ['{secret}'])", nil},
		{"SELECT arrayMap({f:Identifier}, ['{secret}'])", []string{"param_f", "file"}},
		{"SELECT arrayMap({f:Identifier}, ['{secret}'])", []string{"param_f", "`file`"}},
		{"SELECT arrayMap({f:Identifier}, ['{secret}'])", []string{"param_f", `fi\x6ce`}},
		{"SELECT arrayMap({f:Identifier}, ['{secret}'])", []string{"param_f", `"fi\x6ce"`}},
		{"SELECT * FROM VALUES('a String', (file('{secret}')))", nil},
		{"SELECT * FROM format(Values, 'a String', $$(file('{secret}'))$$)", nil},
		{"SELECT * FROM format(Values, $$(file('{secret}'))$$)", nil},
		{"SELECT * FROM view(SELECT file('{secret}'))", nil},
		{"SELECT * FROM eval('SELECT file(''{secret}'')')", nil},
		{"EXPLAIN SELECT file('{secret}')", nil},
		{"EXPLAIN QUERY TREE SELECT file('{secret}')", nil},
		{"DESCRIBE (SELECT file('{secret}') AS x)", nil},
		{"SELECT * FROM file('{secret}')", nil},
		{"SELECT * FROM file('{secret}', LineAsString, 'a String')", nil},
		{"SELECT * FROM `file`('{secret}', LineAsString, 'a String')", nil},
		{"SELECT * FROM fileCluster('default', '{secret}', CSV, 'a String')", nil},
		{"SELECT * FROM filesystem('{secret}')", nil},
		{"SELECT * FROM `{secret}`", nil},
		{"SELECT * FROM '{secret}'", nil},
		{"SELECT * FROM default.`{secret}`", nil},
		{"SELECT * FROM merge('default', '.*')", nil},
		{"SELECT * FROM loop(default, `{secret}`)", nil},
		{"DESCRIBE TABLE `{secret}`", nil},
		{"DESCRIBE TABLE file('{secret}')", nil},
		{"SHOW CREATE TABLE default.`{secret}`", nil},
		{"EXISTS TABLE default.`{secret}`", nil},
		{"EXISTS TABLE `{secret}`", nil},
		{"CHECK TABLE default.`{secret}`", nil},
		{"SELECT * FROM {t:Identifier}", []string{"param_t", "`" + secret + "`"}},
		{"SELECT * FROM default.{t:Identifier}", []string{"param_t", secret}},
		{"SELECT * FROM sqlite('{secret}', 't')", nil},
		{"SELECT * FROM icebergLocal('{secret}')", nil},
		{"SELECT * FROM deltaLakeLocal('{secret}')", nil},
		{"SELECT * FROM paimonLocal('{secret}')", nil},
		{"SELECT * FROM executable('cat', TSV, 'a String')", nil},
		{"SELECT * FROM python('x')", nil},
		{"SELECT * FROM arrowstream('x')", nil},
		{"SELECT * FROM input('a String')", nil},
		{"SELECT 'x' INTO OUTFILE '{out}'", nil},
		{"SELECT 'x' INTO OUTFILE '{out}' APPEND FORMAT CSV", nil},
		{"SELECT 'x' INTO\tOUTFILE '{out}' AND STDOUT", nil},
		{"EXPLAIN SELECT 'x' INTO OUTFILE '{out}'", nil},
		{"SHOW TABLES INTO OUTFILE '{out}'", nil},
		{"SELECT catboostEvaluate('{secret}', 1.0)", nil},
		{"SELECT * FROM system.stack_trace", nil},
		{"SELECT * FROM system.`stack_trace`", nil},
		{"SELECT * FROM {t:Identifier}", []string{"param_t", "system.stack_trace"}},
		// other hosts
		{"SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')", nil},
		{"SELECT * FROM urlCluster('default', 'http://127.0.0.1:1/', CSV, 'a String')", nil},
		{"SELECT * FROM s3('http://127.0.0.1:1/b/k', CSV, 'a String')", nil},
		{"SELECT * FROM s3Cluster('default', 'http://127.0.0.1:1/b/k', CSV, 'a String')", nil},
		{"SELECT * FROM gcs('http://127.0.0.1:1/b/k', CSV, 'a String')", nil},
		{"SELECT * FROM azureBlobStorage('http://127.0.0.1:1/', 'c', 'b', CSV, 'auto', 'a String')", nil},
		{"SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', CSV, 'a String')", nil},
		{"SELECT * FROM remote('127.0.0.1:1', system.one)", nil},
		{"SELECT * FROM remoteSecure('127.0.0.1:1', system.one)", nil},
		{"SELECT * FROM cluster('default', system.one)", nil},
		{"SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')", nil},
		{"SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')", nil},
		{"SELECT * FROM mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a String')", nil},
		{"SELECT * FROM redis('127.0.0.1:1', 'k', 'k String, v String')", nil},
		{"SELECT * FROM odbc('DSN=x', 't')", nil},
		{"SELECT * FROM jdbc('x', 't')", nil},
		{"SELECT * FROM iceberg('http://127.0.0.1:1/b/')", nil},
		{"SELECT * FROM deltaLake('http://127.0.0.1:1/b/')", nil},
		{"SELECT * FROM hudi('http://127.0.0.1:1/b/')", nil},
		{"SELECT reverseDNSQuery('127.0.0.1')", nil},
		// nonsense
		{"", nil},
		{"SELECT", nil},
		{"SELECT '", nil},
		{"\x00", nil},
		{"1 + 1", nil},
		{"SELECT 1 FORMAT Nothing", nil},
	} {
		sql := expand.Replace(c.sql)
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			q := values(c.settings)
			var body *strings.Reader
			if method == http.MethodGet {
				if sql == "" {
					continue // a call without a query is a ping
				}
				q.Set("query", sql)
				body = strings.NewReader("")
			} else {
				body = strings.NewReader(sql)
			}
			a := call(t, method, "", q, body)
			if a.status == http.StatusOK || a.header.Get("X-ClickHouse-Exception-Code") == "" || !strings.HasPrefix(a.body, "Code: ") {
				t.Errorf("%s %s %v: got %d %q", method, sql, c.settings, a.status, a.body)
			}
			if strings.Contains(a.body, "TOPSECRET") {
				t.Errorf("%s %s: the secret is out: %q", method, sql, a.body)
			}
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("files were written: %v %v", entries, err)
	}
	if got := write(t, "SELECT count(), sum(a) FROM "+db+".t"); got != "1\t7\n" {
		t.Errorf("the table has changed: %q", got)
	}
	if got := write(t, "SELECT count() FROM system.tables WHERE database = '"+db+"'"); got != "1\n" {
		t.Errorf("there are new tables: %q", got)
	}
}

// TestReaderSession leaves the front's examination out: the session alone, by its grants and by readonly, must hold this much.
func TestReaderSession(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".t (a UInt8) ENGINE = MergeTree ORDER BY a")
	c, err := shared.connect(&request{settings: []setting{{"join_use_nulls", "1"}}}, "reader-session")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, sql := range []string{
		"INSERT INTO " + db + ".t VALUES (1)", "CREATE TABLE " + db + ".x (a UInt8) ENGINE = Memory", "CREATE TEMPORARY TABLE x (a UInt8)", "DROP TABLE " + db + ".t",
		"ALTER TABLE " + db + ".t DELETE WHERE 1", "TRUNCATE TABLE " + db + ".t", "OPTIMIZE TABLE " + db + ".t", "SET readonly = 0", "SET max_threads = 2", "SYSTEM FLUSH LOGS",
		"SELECT 1 SETTINGS readonly = 0", "SELECT * FROM `/etc/hostname`", "SELECT * FROM default.`/etc/hostname`", "EXISTS TABLE default.`/etc/hostname`",
		"SELECT * FROM file('/etc/hostname', LineAsString)", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')", "SELECT * FROM executable('cat', TSV, 'a String')",
		"SELECT * FROM remote('127.0.0.1:1', system.one)", "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')", "SELECT * FROM sqlite('/tmp/x', 't')",
		"SELECT * FROM s3('http://127.0.0.1:1/b/k', CSV, 'a String')", "SELECT * FROM eval('SELECT 1')", "SELECT * FROM format(Values, 'a UInt8', '(1 + 1)')",
		"SELECT name FROM system.users", "CREATE USER evil", "GRANT ALL ON *.* TO default",
	} {
		if got, _, err := c.exec(sql, "TSV"); err == nil {
			t.Errorf("%s: got %q", sql, got)
		}
	}
	if got, _, err := c.exec("SELECT currentRoles(), getSetting('readonly'), getSetting('join_use_nulls')", "TSV"); err != nil || string(got) != "[]\t1\ttrue\n" {
		t.Errorf("got %q %v", got, err)
	}
}

// TestNoTableFunctionIsForgotten calls every table function of the engine as a reader.
func TestNoTableFunctionIsForgotten(t *testing.T) {
	names := strings.Fields(write(t, "SELECT name FROM system.table_functions ORDER BY name"))
	if len(names) < 50 {
		t.Fatalf("only %d table functions", len(names))
	}
	for _, name := range names {
		allowed := false
		for _, a := range allowedTables {
			allowed = allowed || strings.EqualFold(a, name)
		}
		a := read(t, "SELECT * FROM "+name+"('/etc/hostname')")
		refused := strings.Contains(a.body, "is not for readers")
		if name == "viewIfPermitted" { // a form of its own
			refused = strings.Contains(a.body, "SYNTAX_ERROR")
		}
		if refused == allowed {
			t.Errorf("%s: allowed is %v, got %d %q", name, allowed, a.status, a.body)
		}
	}
}

func TestReadersMay(t *testing.T) {
	db := database(t)
	write(t, "CREATE TABLE "+db+".calls (start_time DateTime64(3, 'UTC'), site LowCardinality(String), seconds UInt32) ENGINE = MergeTree ORDER BY start_time")
	write(t, "INSERT INTO "+db+".calls SELECT toDateTime64('2026-03-01 08:00:00', 3, 'UTC') + number, ['lyon', 'metz'][number % 2 + 1], number FROM numbers(10)")
	for _, sql := range []string{
		"SELECT site, count(), sum(seconds) FROM calls GROUP BY site WITH TOTALS ORDER BY site",
		"SELECT toStartOfMinute(start_time) AS t, quantile(0.9)(seconds) OVER (PARTITION BY site) FROM calls",
		"WITH x AS (SELECT * FROM calls) SELECT format('{} {}', site, toString(seconds)) FROM x",
		"SELECT * FROM numbers(3) AS n, generate_series(1, 2) AS g",
		"SELECT * FROM values('a UInt8', 1, 2)",
		"SELECT * FROM view(SELECT 1)",
		"SELECT name, type, comment FROM system.columns WHERE database = currentDatabase()",
		"SHOW TABLES", "SHOW DATABASES", "DESCRIBE TABLE calls", "SHOW CREATE TABLE calls", "EXISTS TABLE calls", "SHOW COLUMNS FROM calls",
		"EXPLAIN SELECT count() FROM calls", "EXPLAIN indexes = 1 SELECT * FROM calls WHERE start_time > now()",
		"SELECT name, value FROM system.settings LIMIT 1", "SELECT version(), timezone(), currentUser()",
		"SELECT table, engine FROM system.tables WHERE database = currentDatabase()",
		"(SELECT 1) UNION ALL (SELECT 2)",
		"SELECT 'file(' AS \"a /* file(\"", "SELECT 1 AS profile",
	} {
		if a := read(t, sql, "database", db); a.status != http.StatusOK || a.err != nil {
			t.Errorf("%s: %d %s %v", sql, a.status, a.body, a.err)
		}
	}
}

func TestReaderSetting(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"max_execution_time", "5", "5"},
		{"max_execution_time", "0", "60"},
		{"max_execution_time", "-1", "60"},
		{"max_execution_time", "1e9", "60"},
		{"max_execution_time", "NaN", "60"},
		{"join_use_nulls", "1", "1"},
		{"output_format_json_quote_64bit_integers", "0", "0"},
	} {
		s, set, err := readerSetting(setting{c.name, c.value}, time.Minute)
		if err != nil || !set || s.value != c.want {
			t.Errorf("%s=%s: got %q %v %v, want %q", c.name, c.value, s.value, set, err, c.want)
		}
	}
	for _, name := range ignoredSettings {
		if _, set, err := readerSetting(setting{name, "9"}, time.Minute); set || err != nil {
			t.Errorf("%s: got %v %v", name, set, err)
		}
	}
	// Each allowed setting must be one of the engine, or the list is stale.
	for _, name := range readerSettings {
		if a := read(t, "SELECT count() FROM system.settings WHERE name = '"+name+"'"); a.body != "1\n" {
			t.Errorf("the engine has no setting %s", name)
		}
	}
}
