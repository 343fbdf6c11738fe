package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser"
)

// outcome is what became of one ticket, as the commands print it: one JSON
// object a line. Site and link are left out where there is only one.
type outcome struct {
	Outcome string          `json:"outcome"`
	Site    string          `json:"site,omitempty"`
	Link    string          `json:"link,omitempty"`
	Cdr     json.RawMessage `json:"cdr,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Error   string          `json:"error,omitempty"`
	Raw     string          `json:"raw,omitempty"`
	// RawBase64 is there where Raw is not the bytes: JSON can only say UTF-8.
	RawBase64 string `json:"raw_base64,omitempty"`
}

// outcomes are those of a receipt's tickets: the CDRs first.
func outcomes(b *trunklinev1.CdrBatch) []outcome {
	out := make([]outcome, 0, len(b.Cdrs)+len(b.Others))
	for _, c := range b.Cdrs {
		j, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(c)
		if err != nil {
			o := outcome{Outcome: "dead", Reason: parser.ReasonNotText, Error: "the format gave a CDR that JSON cannot say: " + err.Error()}
			o.setRaw(c.Raw)
			out = append(out, o)
			continue
		}
		out = append(out, outcome{Outcome: "cdr", Cdr: j})
	}
	for _, t := range b.Others {
		o := outcome{Outcome: short(t.Outcome.String(), "OUTCOME_"), Reason: t.Reason, Error: t.Error}
		o.setRaw(t.Raw)
		out = append(out, o)
	}
	return out
}

func (o *outcome) setRaw(raw []byte) {
	o.Raw = strings.ToValidUTF8(string(raw), "\uFFFD")
	if !utf8.Valid(raw) {
		o.RawBase64 = base64.StdEncoding.EncodeToString(raw)
	}
}

// print writes the outcome and a line end. The encoder takes out the blanks that
// protojson strews in at random.
func (o outcome) print(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(o); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
