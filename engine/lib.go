package engine

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is libchdb, loaded into the process. purego calls it, so that it works with and without cgo; glibc is needed in both
// cases. The names and arguments are those of its C header, chdb.h. A pointer of the engine's own memory is a uintptr.
type library struct {
	setSignalHandlers func(enabled int32)
	connect           func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn         func(conn uintptr)
	classify          func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, database unsafe.Pointer, databaseLen uintptr, out unsafe.Pointer) int32

	query func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, n uintptr) uintptr
	insert func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, n uintptr) uintptr
	insertAppend  func(stream uintptr, data unsafe.Pointer, n uintptr) int32
	insertDone    func(stream uintptr) uintptr
	insertError   func(stream uintptr) string
	insertDestroy func(stream uintptr)

	resultBuffer       func(result uintptr) unsafe.Pointer
	resultLength       func(result uintptr) uintptr
	resultError        func(result uintptr) string
	resultRows         func(result uintptr) uint64
	resultReadRows     func(result uintptr) uint64
	resultReadBytes    func(result uintptr) uint64
	resultWrittenRows  func(result uintptr) uint64
	resultWrittenBytes func(result uintptr) uint64
	resultDestroy      func(result uintptr)
}

var loader struct {
	sync.Mutex
	path string
	lib  *library
}

// load brings the library into the process, where it stays.
func load(path string) (*library, error) {
	loader.Lock()
	defer loader.Unlock()
	if loader.lib != nil {
		if loader.path != path {
			return nil, fmt.Errorf("engine library %s is loaded already, %s cannot be beside it", loader.path, path)
		}
		return loader.lib, nil
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load engine library %s (glibc is needed): %w", path, err)
	}
	l := &library{}
	for name, fn := range map[string]any{
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConn,
		"chdb_classify_query_n":            &l.classify,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_rows_read":            &l.resultRows,
		"chdb_result_storage_rows_read":    &l.resultReadRows,
		"chdb_result_storage_bytes_read":   &l.resultReadBytes,
		"chdb_result_rows_written":         &l.resultWrittenRows,
		"chdb_result_bytes_written":        &l.resultWrittenBytes,
		"chdb_destroy_query_result":        &l.resultDestroy,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("engine library %s is not of the version this program needs: %w", path, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	l.setSignalHandlers(0) // signals are the Go runtime's
	loader.path, loader.lib = path, l
	return l, nil
}
