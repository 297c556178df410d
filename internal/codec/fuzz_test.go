package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	shelfwirev1 "github.com/shelfwire/shelfwire/schemas/gen/shelfwire/v1"
)

// sameAgain fails unless e survives both forms.
func sameAgain(t *testing.T, e *record.Event) {
	t.Helper()
	for contentType, value := range map[string][]byte{
		"":                        codec.AppendEventJSON(nil, e),
		codec.ContentTypeProtobuf: codec.AppendEvent(nil, e),
	} {
		var again record.Event
		if err := codec.ParseEvent(contentType, value, &again); err != nil {
			t.Fatalf("%q refuses what it wrote, %q: %v", contentType, value, err)
		}
		if !reflect.DeepEqual(&again, e) {
			t.Fatalf("%q reads %+v back, want %+v", contentType, again, e)
		}
	}
}

func refused(t *testing.T, err error) {
	t.Helper()
	if field, ok := errors.AsType[*codec.FieldError](err); !ok || field.Reason == "" {
		t.Fatalf("ParseEvent() = %v, want a *FieldError with a reason", err)
	}
}

// parse is ParseEvent, which must say the same as a decoder that has read another event before.
func parse(t *testing.T, contentType string, value []byte, e *record.Event) error {
	t.Helper()
	err := codec.ParseEvent(contentType, value, e)
	d := codec.NewDecoder()
	var other record.Event
	if err := d.Event("", []byte(contractEvents[0]), &other); err != nil {
		t.Fatal(err)
	}
	d.Recycle()
	again := d.Event(contentType, value, &other)
	if fmt.Sprint(again) != fmt.Sprint(err) || !reflect.DeepEqual(&other, e) {
		t.Fatalf("a decoder reads %+v, %v from %q, want %+v, %v", other, again, value, e, err)
	}
	return err
}

func FuzzParseEventJSON(f *testing.F) {
	for _, line := range contractEvents {
		f.Add([]byte(line))
	}
	f.Add([]byte(movement("quantity", `1e999`)))
	f.Add([]byte(movement("sku", `"\ud83d\ude00"`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e record.Event
		if err := parse(t, "", text, &e); err != nil {
			refused(t, err)
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q was taken and is not JSON", text)
		}
		sameAgain(t, &e)
	})
}

func FuzzParseEventProto(f *testing.F) {
	for _, line := range contractEvents {
		var e record.Event
		if err := codec.ParseEvent("", []byte(line), &e); err != nil {
			f.Fatal(err)
		}
		f.Add(codec.AppendEvent(nil, &e))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var e record.Event
		if err := parse(t, codec.ContentTypeProtobuf, wire, &e); err != nil {
			refused(t, err)
			return
		}
		if err := proto.Unmarshal(wire, &shelfwirev1.Event{}); err != nil {
			t.Fatalf("%x was taken and the generated code refuses it: %v", wire, err)
		}
		sameAgain(t, &e)
	})
}

func FuzzJournalEntry(f *testing.F) {
	f.Add(codec.AppendJournalEntry(nil, &benchEntry))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var e, again record.JournalEntry
		err := codec.DecodeJournalEntry(wire, &e)
		if other := codec.NewDecoder().JournalEntry(wire, &again); fmt.Sprint(err) != fmt.Sprint(other) {
			t.Fatalf("DecodeJournalEntry() = %v, Decoder %v", err, other)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(again, e) {
			t.Fatalf("DecodeJournalEntry() = %+v, Decoder %+v", e, again)
		}
		out := codec.AppendJournalEntry(nil, &e)
		if err := codec.DecodeJournalEntry(out, &again); err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%v: read %+v back, want %+v", err, again, e)
		}
		if !bytes.Equal(codec.AppendJournalEntry(nil, &again), out) {
			t.Fatalf("equal entries have unequal bytes")
		}
		if !json.Valid(codec.AppendJournalEntryJSON(nil, &e)) {
			t.Fatalf("not JSON: %s", codec.AppendJournalEntryJSON(nil, &e))
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte("[{\"a\":1}, {}]"))
	f.Add([]byte("{\"a\":\n1}"))
	f.Add([]byte("{}\n\n{}\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		next := 0
		for row := range codec.Batch(body) {
			if row.Index != next || row.Line < 1 || row.Line > 1+bytes.Count(body, []byte{'\n'}) {
				t.Fatalf("row %d has index %d and line %d", next, row.Index, row.Line)
			}
			next++
			if row.Err == nil && !bytes.Contains(body, row.Value) {
				t.Fatalf("row %q is not in the body", row.Value)
			}
		}
	})
}
