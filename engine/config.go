package engine

import (
	"bytes"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config describes an engine. The zero value of a field other than DataDir is its default.
type Config struct {
	// DataDir is the data folder; it is made. One process has it at a time.
	DataDir string
	// Library is the path of libchdb.so. Else $TRUNKLINE_ENGINE_LIB, the cache that fetch.sh fills, /usr/lib/trunkline/libchdb.so.
	Library string
	// TLS is what the front speaks; nil: plain HTTP.
	TLS *tls.Config
	// Listen is the address of the HTTP front, 127.0.0.1:8123 by default; port 0 takes a free one. On an address that others can
	// reach, they can read: put a proxy that asks for a password in front, or a firewall.
	Listen string
	// Hosts are names, beside localhost and IP addresses, under which the front may be called.
	Hosts []string
	// Token lets its bearer write. Random by default.
	Token string
	// MemoryLimit is what the engine may take, in bytes; by default a quarter of what the process may have, and 700 MiB at
	// least. A query past it fails.
	MemoryLimit int64
	// Readers and Writers are how many requests of either kind run at the same time; 4 and 4 by default.
	Readers, Writers int
	// ReaderTimeout ends a reader's query; 60 s by default.
	ReaderTimeout time.Duration

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" {
		return c, errors.New("engine: no data folder")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return c, fmt.Errorf("engine: data folder: %w", err)
	}
	c.DataDir = dir
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8123"
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return c, fmt.Errorf("engine: listen address %q is not host:port: %w", c.Listen, err)
	}
	if c.Token != "" && len(c.Token) < 16 {
		return c, errors.New("engine: the write token is shorter than 16 characters")
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = max(700<<20, available()/4)
	}
	if c.MemoryLimit < 256<<20 {
		return c, fmt.Errorf("engine: a memory limit of %d MiB is less than 256 MiB", c.MemoryLimit>>20)
	}
	if c.Readers == 0 {
		c.Readers = 4
	}
	if c.Writers == 0 {
		c.Writers = 4
	}
	if c.Readers < 0 || c.Writers < 0 || c.ReaderTimeout < 0 {
		return c, errors.New("engine: readers, writers and reader timeout must be positive")
	}
	if c.ReaderTimeout == 0 {
		c.ReaderTimeout = time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	return c, nil
}

// fetchScript pins the version of the library; what it says is read, so that there is one place for it.
//
//go:embed fetch.sh
var fetchScript string

// Version is the version of libchdb that the engine wants, as its npm package calls it.
var Version = pinnedVersion(fetchScript)

func pinnedVersion(script string) string {
	for line := range strings.Lines(script) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "version="); ok {
			return v
		}
	}
	return ""
}

// CachedLibrary is where fetch.sh puts the library.
func CachedLibrary() (string, error) {
	dir := os.Getenv("TRUNKLINE_CACHE")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("cache folder: %w", err)
		}
		dir = filepath.Join(cache, "trunkline")
	}
	return filepath.Join(dir, "engine", Version, "libchdb.so"), nil
}

// installedLibrary is where an image has the library.
var installedLibrary = "/usr/lib/trunkline/libchdb.so"

func findLibrary(configured string) (string, error) {
	if configured == "" {
		configured = os.Getenv("TRUNKLINE_ENGINE_LIB")
	}
	if configured != "" {
		if _, err := os.Stat(configured); err != nil {
			return "", fmt.Errorf("engine library: %w", err)
		}
		return filepath.Abs(configured)
	}
	places := []string{installedLibrary}
	if cached, err := CachedLibrary(); err == nil {
		places = []string{cached, installedLibrary}
	}
	for _, p := range places {
		_, err := os.Stat(p)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("engine library: %w", err)
		}
	}
	return "", fmt.Errorf("the ClickHouse engine (libchdb %s) is at none of %s: run engine/fetch.sh, which downloads it once (178 MB), "+
		"or name the file in $TRUNKLINE_ENGINE_LIB", Version, strings.Join(places, ", "))
}

// The engine's configuration. Memory and threads are for one machine that does other things too. Merges get few threads, so the
// MergeTree settings that count free ones must be lowered with them, or neither mutations nor merges of whole partitions ever run.
// The engine signs everybody in as "default": the role "writer" makes a writer of it, without the role it reads. The database
// "default" answers for files of the host, too, and is closed to readers.
var serverXML = template.Must(template.New("config").Parse(`<clickhouse>
 <users_config>{{.Users}}</users_config>
 <max_server_memory_usage>{{.Memory}}</max_server_memory_usage>
 <mark_cache_size>67108864</mark_cache_size>
 <index_mark_cache_size>16777216</index_mark_cache_size>
 <primary_index_cache_size>67108864</primary_index_cache_size>
 <uncompressed_cache_size>0</uncompressed_cache_size>
 <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
 <mmap_cache_size>16</mmap_cache_size>
 <query_condition_cache_size>16777216</query_condition_cache_size>
 <compiled_expression_cache_size>16777216</compiled_expression_cache_size>
 <background_pool_size>2</background_pool_size>
 <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
 <background_move_pool_size>1</background_move_pool_size>
 <background_fetches_pool_size>1</background_fetches_pool_size>
 <background_common_pool_size>2</background_common_pool_size>
 <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
 <background_schedule_pool_size>4</background_schedule_pool_size>
 <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
 <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
 <merge_tree>
  <fsync_after_insert>1</fsync_after_insert>
  <fsync_part_directory>1</fsync_part_directory>
  <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
  <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
  <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
 </merge_tree>
</clickhouse>
`))

const usersXML = `<clickhouse>
 <profiles><default/></profiles>
 <quotas><default/></quotas>
 <roles>
  <writer><grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants></writer>
 </roles>
 <users>
  <default>
   <password></password>
   <networks><ip>::/0</ip></networks>
   <profile>default</profile>
   <quota>default</quota>
   <grants>
    <query>GRANT SELECT, SHOW DATABASES, SHOW TABLES, SHOW COLUMNS, SHOW DICTIONARIES, dictGet ON *.*</query>
    <query>REVOKE SELECT, SHOW DATABASES, SHOW TABLES, SHOW COLUMNS, SHOW DICTIONARIES, dictGet ON default.*</query>
    <query>GRANT writer</query>
   </grants>
  </default>
 </users>
</clickhouse>
`

// writeConfig writes the engine's configuration into a folder and gives the path of the main file.
func writeConfig(dir string, memory int64) (string, error) {
	users := filepath.Join(dir, "users.xml")
	if err := os.WriteFile(users, []byte(usersXML), 0o600); err != nil {
		return "", err
	}
	var b bytes.Buffer
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(users)
	if err := serverXML.Execute(&b, map[string]any{"Users": escaped, "Memory": memory}); err != nil {
		return "", err
	}
	main := filepath.Join(dir, "config.xml")
	return main, os.WriteFile(main, b.Bytes(), 0o600)
}
