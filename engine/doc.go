// Package engine is ClickHouse inside the process, behind an HTTP front that speaks ClickHouse's HTTP interface. It is for one machine,
// for the demonstration and for tests; production at scale has a ClickHouse server.
//
//	e, err := engine.Open(engine.Config{DataDir: "/var/lib/trunkline/clickhouse"})
//	…
//	defer e.Close()
//	err = e.Run(ctx) // serves http://127.0.0.1:8123 until ctx is done
//
// The engine is libchdb, which is ClickHouse as a library (566 MB, linux on x86_64, glibc). fetch.sh fetches it once from npm. It is
// loaded with purego, with and without cgo. A process has one engine, and an engine has its data folder for itself.
//
// # The front
//
// GET and POST on / take a statement in the URL (query=), in the body, or its head in the URL and its data in the body; GET
// only reads. Understood are database, default_format, param_NAME for {NAME:Type}, query_id, wait_end_of_query, settings as parameters, the
// headers X-ClickHouse-User, -Key, -Database and -Format, forms without files, bodies in gzip, deflate and zstd, results in the same with
// enable_http_compression=1, ClickHouse's own frames in LZ4 and ZSTD with compress=1 and decompress=1, and client_protocol_version for results
// in Native. /ping and /replicas_status answer Ok. Published clients work unchanged: clickhouse-go over HTTP, @clickhouse/client, curl.
//
// Results and data of INSERTs pass through as they come; neither is held whole. Results wait at most 50 ms for company. An exception
// before the first 64 KiB and those 50 ms has the status that ClickHouse gives it and the header X-ClickHouse-Exception-Code; a later one is
// written behind the rows, marked with the tag of the header X-ClickHouse-Exception-Tag as ClickHouse 26 does, and the connection is broken. An
// INSERT whose body breaks off is given up, though blocks of a million rows before it may stand, as in ClickHouse.
//
// Each request has a session of its own, so there are no lasting ones: session_id is accepted, SET and USE under it are refused, temporary tables
// end with their request. External data for queries is refused. Times in text are UTC unless session_timezone says otherwise.
//
// # Readers and writers
//
// Whoever gives no password reads. The token (Engine.Token) makes a writer: as the password of the user trunkline, as the
// X-ClickHouse-Key, or as a bearer token. A wrong one is refused with 403 and exception 516, and does not read either.
//
// A writer may do everything, on the host, too, that this process may. A reader may SELECT from and SHOW what is in the databases but
// "default", which answers for files of the host; may set what changes the look and the limits of results; may use table functions that
// touch nothing outside. How that is held is told in guard.go. A reader's query ends after Config.ReaderTimeout, has its part of five eighths of the memory, half the
// processors, and 256 KiB of statement; so many run at once, 128 more wait up to 15 s, the rest get 429 with exception 202. A client that goes
// away takes its query with it. Writers have places of their own.
//
// The front listens on loopback. On another address everybody who reaches it reads: that is decided by the configuration. Its Host header
// must be an address or a known name, so that no web page gets at it by a name of its own, and posts from pages of other sites are refused.
//
// # Durability and limits
//
// MergeTree tables have fsync_after_insert and fsync_part_directory on by default: an INSERT that was answered survives a power cut. async_insert
// is off by default. Merges and mutations have four places. The engine takes up to Config.MemoryLimit, about 230 MiB when idle.
package engine
