package codec_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	shelfwirev1 "github.com/shelfwire/shelfwire/schemas/gen/shelfwire/v1"
)

// A form is one record type with its four directions and the generated message that describes it.
type form[T any] struct {
	write     func([]byte, *T) []byte
	writeJSON func([]byte, *T) []byte
	read      func([]byte, *T) error
	message   proto.Message
}

func TestEveryRecordSurvivesProtobufAndAgreesWithItsSchema(t *testing.T) {
	t.Run("Event", form[record.Event]{codec.AppendEvent, codec.AppendEventJSON, codec.DecodeEvent, &shelfwirev1.Event{}}.check)
	t.Run("JournalEntry", form[record.JournalEntry]{
		codec.AppendJournalEntry, codec.AppendJournalEntryJSON, codec.DecodeJournalEntry, &shelfwirev1.JournalEntry{},
	}.check)
	t.Run("JournalEntry by Decoder", form[record.JournalEntry]{
		codec.AppendJournalEntry, codec.AppendJournalEntryJSON, codec.NewDecoder().JournalEntry, &shelfwirev1.JournalEntry{},
	}.check)
	t.Run("Availability", form[record.Availability]{
		codec.AppendAvailability, codec.AppendAvailabilityJSON, codec.DecodeAvailability, &shelfwirev1.Availability{},
	}.check)
	t.Run("Allocation", form[record.Allocation]{
		codec.AppendAllocation, codec.AppendAllocationJSON, codec.DecodeAllocation, &shelfwirev1.Allocation{},
	}.check)
	t.Run("OfferRecord", form[record.OfferRecord]{
		codec.AppendOfferRecord, codec.AppendOfferRecordJSON, codec.DecodeOfferRecord, &shelfwirev1.OfferRecord{},
	}.check)
	t.Run("OfferRecord by Decoder", form[record.OfferRecord]{
		codec.AppendOfferRecord, codec.AppendOfferRecordJSON, codec.NewDecoder().OfferRecord, &shelfwirev1.OfferRecord{},
	}.check)
	t.Run("ShipmentNotice", form[record.ShipmentNotice]{
		codec.AppendShipmentNotice, codec.AppendShipmentNoticeJSON, codec.DecodeShipmentNotice, &shelfwirev1.ShipmentNotice{},
	}.check)
	t.Run("Communication", form[record.Communication]{
		codec.AppendCommunication, codec.AppendCommunicationJSON, codec.DecodeCommunication, &shelfwirev1.Communication{},
	}.check)
	t.Run("Command", form[record.Command]{codec.AppendCommand, codec.AppendCommandJSON, codec.DecodeCommand, &shelfwirev1.Command{}}.check)
	t.Run("Rejection", form[record.Rejection]{
		codec.AppendRejection, codec.AppendRejectionJSON, codec.DecodeRejection, &shelfwirev1.Rejection{},
	}.check)
}

func (f form[T]) check(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := arbitrary[T](t)
		wire := f.write(nil, &x)

		var back T
		if err := f.read(wire, &back); err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		if !reflect.DeepEqual(back, x) {
			t.Fatalf("read = %+v, want %+v", back, x)
		}

		message := proto.Clone(f.message)
		if err := proto.Unmarshal(wire, message); err != nil {
			t.Fatalf("the generated code refuses what was written: %v", err)
		}
		theirs, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(theirs, wire) {
			t.Fatalf("the generated code writes %x, we %x", theirs, wire)
		}

		document := f.writeJSON(nil, &x)
		decoder := json.NewDecoder(bytes.NewReader(document))
		decoder.UseNumber()
		var value map[string]any
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		sameObject(t, "", message.ProtoReflect(), value)

		if again := f.writeJSON([]byte("x"), &back); string(again[1:]) != string(document) {
			t.Fatalf("equal values have the JSON %s and %s", document, again[1:])
		}
	})
}

// sameObject compares a JSON object with the message it should say, by the message's own description.
func sameObject(t *rapid.T, path string, m protoreflect.Message, object map[string]any) {
	if len(m.GetUnknown()) > 0 {
		t.Fatalf("%s has fields that its schema does not describe", path)
	}
	fields := m.Descriptor().Fields()
	for name := range object {
		if name = strings.TrimSuffix(name, "_base64"); fields.ByName(protoreflect.Name(name)) == nil {
			t.Fatalf("%s.%s is in the JSON and not in the schema", path, name)
		}
	}
	for i := range fields.Len() {
		field := fields.Get(i)
		at := path + "." + string(field.Name())
		value, there := object[string(field.Name())]
		switch {
		case at == ".times" && m.Descriptor().Name() == "Availability":
			if there {
				t.Fatalf("%s is in the JSON", at)
			}
		case field.Kind() == protoreflect.BytesKind:
			if encoded, ok := object[string(field.Name())+"_base64"].(string); ok {
				raw, _ := base64.StdEncoding.DecodeString(encoded)
				value = string(raw)
			}
			if want := string(m.Get(field).Bytes()); value != want {
				t.Fatalf("%s = %q, want %q", at, value, want)
			}
		case !there:
			// Left out: a part that is not chosen, an instant that is not given, a flag that is only written where set.
			if m.Has(field) {
				t.Fatalf("%s is set and not in the JSON", at)
			}
		default:
			sameValue(t, at, field, m, value)
		}
	}
}

func sameValue(t *rapid.T, at string, field protoreflect.FieldDescriptor, m protoreflect.Message, value any) {
	if value == nil {
		if m.Has(field) {
			t.Fatalf("%s is null, want %v", at, m.Get(field))
		}
		return
	}
	v := m.Get(field)
	switch {
	case field.IsMap():
		object := value.(map[string]any)
		if len(object) != v.Map().Len() {
			t.Fatalf("%s = %v, want %v", at, value, v)
		}
		v.Map().Range(func(k protoreflect.MapKey, item protoreflect.Value) bool {
			if object[k.String()] != item.String() {
				t.Fatalf("%s.%v = %v, want %v", at, k, object[k.String()], item)
			}
			return true
		})
	case field.IsList():
		list := value.([]any)
		if len(list) != v.List().Len() {
			t.Fatalf("%s = %v, want %v", at, value, v)
		}
		for i, item := range list {
			sameScalar(t, at, field, v.List().Get(i), item)
		}
	default:
		sameScalar(t, at, field, v, value)
	}
}

func sameScalar(t *rapid.T, at string, field protoreflect.FieldDescriptor, v protoreflect.Value, value any) {
	var want any
	switch field.Kind() {
	case protoreflect.EnumKind:
		enum := field.Enum()
		prefix := string(enum.Values().ByNumber(0).Name())
		prefix = strings.TrimSuffix(prefix, "UNSPECIFIED")
		want = strings.ToLower(strings.TrimPrefix(string(enum.Values().ByNumber(v.Enum()).Name()), prefix))
	case protoreflect.MessageKind:
		switch x := v.Message().Interface().(type) {
		case *timestamppb.Timestamp:
			want = x.AsTime().Format(time.RFC3339Nano)
		case *durationpb.Duration:
			d, err := time.ParseDuration(value.(string))
			if value = d; err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			want = x.AsDuration()
		case *shelfwirev1.OrderStatuses:
			statuses := x.ProtoReflect().Descriptor().Fields().ByNumber(1)
			if len(x.Statuses) != len(value.([]any)) {
				t.Fatalf("%s = %v, want %v", at, value, x)
			}
			for i, item := range value.([]any) {
				sameScalar(t, at, statuses, protoreflect.ValueOfEnum(x.Statuses[i].Number()), item)
			}
			return
		default:
			sameObject(t, at, v.Message(), value.(map[string]any))
			return
		}
	case protoreflect.Int64Kind, protoreflect.Int32Kind, protoreflect.Uint64Kind:
		want = json.Number(v.String())
	default:
		want = v.Interface()
	}
	if value != want {
		t.Fatalf("%s = %v, want %v", at, value, want)
	}
}

func TestAnEventIsReadTheSameFromBothFormsOrRefusedTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := arbitraryEvent(t)
		want := codec.Validate(&e)
		var fromJSON, fromWire record.Event
		errJSON := codec.ParseEvent("", codec.AppendEventJSON(nil, &e), &fromJSON)
		errWire := codec.ParseEvent(codec.ContentTypeProtobuf, codec.AppendEvent(nil, &e), &fromWire)
		if e.Tick != nil {
			if errJSON == nil || errWire == nil {
				t.Fatalf("a tick was taken: %v, %v", errJSON, errWire)
			}
			return
		}
		if fmt.Sprint(errJSON) != fmt.Sprint(want) || fmt.Sprint(errWire) != fmt.Sprint(want) {
			t.Fatalf("ParseEvent() = %v from JSON, %v from protobuf, want %v", errJSON, errWire, want)
		}
		if want == nil && (!reflect.DeepEqual(fromJSON, e) || !reflect.DeepEqual(fromWire, e)) {
			t.Fatalf("ParseEvent() =\n%+v from JSON,\n%+v from protobuf, want\n%+v", fromJSON, fromWire, e)
		}
	})
}
