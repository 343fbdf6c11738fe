package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What keeps readers from writing and from the host's files, in this order:
//
//  1. the engine's access control: a reader's session has given up the role "writer", and may SELECT and SHOW, no more;
//  2. readonly=1, set after the reader's own settings, of which a list is allowed;
//  3. the engine's parser must find one statement that leaves no trace; what runs is that statement as the engine prints it, and in
//     that print no function may be named that reads files or evaluates text. This closes what 1 and 2 leave open: the function
//     file(), INTO OUTFILE, stacks of threads.

// deniedAnywhere are identifiers that a reader's statement may not hold at all: a function is called without parentheses
// as well, as in APPLY(file) and arrayMap(file, …).
var deniedAnywhere = []string{
	"file", "stack_trace", "catboostevaluate", "aiclassify", "aiembed", "aiextract", "aigenerate", "aitranslate", "reversednsquery",
}

// allowedTables are the table functions that touch nothing but the engine's own tables. "format" is a plain function, too: as a table
// function the engine refuses it to readers.
var allowedTables = []string{
	"dictionary", "format", "generaterandom", "generateseries", "generate_series", "null", "numbers", "numbers_mt", "primes",
	"sqlstandardvalues", "values", "view", "zeros", "zeros_mt",
}

// deniedNames asks the engine for its table functions and leaves out the allowed ones, so that what a new version brings is denied.
func deniedNames(c *conn) (map[string]bool, error) {
	list, _, err := c.exec("SELECT lower(name) FROM system.table_functions", "TSVRaw")
	if err != nil {
		return nil, fmt.Errorf("list table functions: %w", err)
	}
	denied := map[string]bool{}
	for _, name := range strings.Fields(string(list)) {
		denied[name] = !slices.Contains(allowedTables, name)
	}
	if !denied["file"] || !denied["url"] {
		return nil, fmt.Errorf("list table functions: %q lacks some", list)
	}
	return denied, nil
}

// checkReader says why a reader's statement, as the engine prints it, must not run.
func checkReader(printed string, denied map[string]bool) error {
	list := tokens(printed)
	for i, t := range list {
		name, ok := t.name()
		if !ok {
			continue
		}
		name = strings.ToLower(name)
		call := i+1 < len(list) && list[i+1].symbol('(')
		if slices.Contains(deniedAnywhere, name) || call && denied[name] {
			return exception(kindAccessDenied, "%s is not for readers", name)
		}
	}
	return nil
}

// checkReaderParams looks at what takes the place of {name:Identifier}, which the check of the statement does not see.
func checkReaderParams(printed string, params []param) error {
	if !strings.Contains(strings.ToLower(printed), "identifier") {
		return nil
	}
	for _, p := range params {
		if strings.Contains(p.value, `\`) {
			return exception(kindAccessDenied, "a backslash in the parameter %s, beside an Identifier, is not for readers", p.name)
		}
		if err := checkReader(p.value, nil); err != nil {
			return err
		}
	}
	return nil
}

type setting struct{ name, value string }

// readerSettings are what a reader may set, beside output_format_….
var readerSettings = []string{
	"aggregate_functions_null_for_empty", "any_join_distinct_right_table_keys", "bool_false_representation", "bool_true_representation",
	"cast_keep_nullable", "count_distinct_implementation", "date_time_input_format", "date_time_output_format", "date_time_overflow_behavior",
	"do_not_merge_across_partitions_select_final", "empty_result_for_aggregation_by_empty_set", "extremes", "final",
	"format_csv_delimiter", "format_csv_null_representation", "format_json_object_each_row_column_for_object_name",
	"format_tsv_null_representation", "group_by_use_nulls", "join_use_nulls", "limit", "max_bytes_to_read",
	"max_execution_time", "max_result_bytes", "max_result_rows", "max_rows_to_read", "offset", "prefer_column_name_to_alias",
	"read_overflow_mode", "result_overflow_mode", "session_timezone", "short_circuit_function_evaluation", "show_table_uuid_in_table_create_query_if_not_nil",
	"timeout_overflow_mode", "transform_null_in", "union_default_mode",
}

// ignoredSettings are what clients send of their own accord, and what the front decides for readers.
var ignoredSettings = []string{
	"allow_experimental_analyzer", "async_insert", "connect_timeout", "distributed_product_mode", "insert_quorum", "load_balancing", "log_comment",
	"log_queries", "max_block_size", "max_bytes_before_external_group_by", "max_bytes_before_external_sort", "max_concurrent_queries_for_user", "max_insert_block_size", "max_memory_usage", "max_query_size",
	"max_threads", "priority", "receive_timeout", "select_sequential_consistency", "send_timeout", "use_query_cache", "wait_for_async_insert",
}

// readerSetting gives the value that a reader's setting takes, and whether it is to be set at all.
func readerSetting(s setting, limit time.Duration) (setting, bool, error) {
	switch {
	case s.name == "max_execution_time":
		seconds, err := strconv.ParseFloat(s.value, 64)
		if err != nil {
			return s, false, exception(kindBadArguments, "max_execution_time=%s is no number of seconds", s.value)
		}
		if !(seconds > 0 && seconds < limit.Seconds()) {
			s.value = strconv.FormatFloat(limit.Seconds(), 'f', -1, 64)
		}
		return s, true, nil
	case s.name == "readonly":
		if s.value == "0" {
			return s, false, exception(kindReadonly, "Cannot set readonly=0: readers are read-only, writing needs the token")
		}
		return s, false, nil
	case slices.Contains(ignoredSettings, s.name):
		return s, false, nil
	case slices.Contains(readerSettings, s.name),
		strings.HasPrefix(s.name, "output_format_") && s.name != "output_format_schema" && s.name != "output_format_parallel_formatting":
		return s, true, nil
	default:
		return s, false, exception(kindReadonly, "Cannot modify '%s' setting in readonly mode: it is none of those that readers may set", s.name)
	}
}
