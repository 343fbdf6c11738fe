package engine

import (
	"runtime"
	"strconv"
	"strings"
)

// connect opens the session of a request: its database, its settings and its rights.
func (e *Engine) connect(req *request, mark string) (*conn, error) {
	args := []string{
		"clickhouse", "--path=" + e.cfg.DataDir,
		"--log_comment=" + mark, "--session_timezone=UTC", "--implicit_select=0", "--allow_introspection_functions=0",
		"--async_insert=0", "--query_profiler_real_time_period_ns=0", "--query_profiler_cpu_time_period_ns=0",
		"--output_format_parallel_formatting=0",
	}
	if !req.writer {
		// All readers at their limits leave the writers room; past half of it, sorting and grouping go to disk.
		memory := e.cfg.MemoryLimit * 5 / 8 / int64(e.cfg.Readers)
		args = append(args,
			"--max_threads="+strconv.Itoa(max(1, runtime.NumCPU()/2)), "--input_format_values_interpret_expressions=0",
			"--max_execution_time="+strconv.FormatFloat(e.cfg.ReaderTimeout.Seconds(), 'f', -1, 64),
			"--max_memory_usage="+strconv.FormatInt(memory, 10),
			"--max_bytes_before_external_group_by="+strconv.FormatInt(memory/2, 10),
			"--max_bytes_before_external_sort="+strconv.FormatInt(memory/2, 10),
			"--max_temporary_data_on_disk_size_for_query=4294967296")
	} else {
		// When memory runs out, the engine ends the query that is furthest over its share: never a writer's.
		args = append(args, "--memory_overcommit_ratio_denominator=1099511627776", "--memory_overcommit_ratio_denominator_for_user=1099511627776")
	}
	c, err := e.lib.open(args)
	if err != nil {
		return nil, err
	}
	prologue, err := e.prologue(req)
	if err == nil && prologue != "" {
		_, _, err = c.exec(prologue, "Null")
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// prologue are the statements that make a session ready.
func (e *Engine) prologue(req *request) (string, error) {
	var list []string
	if req.database != "" && req.database != "default" {
		list = append(list, "USE "+quoteName(req.database))
	}
	var sets []string
	for _, s := range req.settings {
		if !req.writer {
			var set bool
			var err error
			if s, set, err = readerSetting(s, e.cfg.ReaderTimeout); err != nil {
				return "", err
			} else if !set {
				continue
			}
		}
		if s.name == "log_comment" {
			continue // the front's own mark
		}
		sets = append(sets, s.name+" = "+quoteString(s.value))
	}
	if len(sets) > 0 {
		list = append(list, "SET "+strings.Join(sets, ", "))
	}
	switch {
	case !req.writer:
		list = append(list, "SET ROLE NONE", "SET readonly = 1")
	case req.readonly:
		list = append(list, "SET readonly = 2")
	}
	return strings.Join(list, "; "), nil
}
