package api

import (
	"bytes"
	"encoding/json"

	"trunkline.internal/pbx/row"
)

// oneLine is a JSON value without line breaks, else byte for byte as it came.
func oneLine(raw []byte) []byte {
	if !bytes.ContainsAny(raw, "\r\n") {
		return raw
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return raw // it was decoded: this cannot be
	}
	return b.Bytes()
}

// scan calls yield for each field of an object that is neither NULL nor nested.
func scan(object []byte, yield func(name, value string)) error {
	return row.Scan(string(object), func(f row.Field) bool {
		if !f.Null && !f.Nested {
			yield(f.Name, f.Value)
		}
		return true
	})
}
