package codec_test

import (
	"fmt"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// arbitrary draws a T with every field of every depth filled, so that a field that is new to package record and unknown to
// the codec cannot hide. Values stay within what a record may hold, but for what a whole event must obey.
func arbitrary[T any](t *rapid.T) T {
	var x T
	fill(t, reflect.ValueOf(&x).Elem(), reflect.TypeFor[T]().Name())
	return x
}

// arbitraryEvent draws an event of one kind.
func arbitraryEvent(t *rapid.T) record.Event {
	var e record.Event
	v := reflect.ValueOf(&e).Elem()
	field := v.Field(rapid.IntRange(0, v.NumField()-1).Draw(t, "part"))
	field.Set(reflect.New(field.Type().Elem()))
	fill(t, field.Elem(), field.Type().Elem().Name())
	return e
}

// How many values the enumerations have beyond 0.
var enumSizes = map[reflect.Type]uint64{
	reflect.TypeFor[stock.MovementKind]():        uint64(stock.Transfer),
	reflect.TypeFor[record.OrderStatus]():        uint64(record.Archived),
	reflect.TypeFor[record.Fulfiller]():          uint64(record.ByChannel),
	reflect.TypeFor[record.Reporter]():           uint64(record.ChannelReport),
	reflect.TypeFor[record.WhenStopped]():        uint64(record.StopLeave),
	reflect.TypeFor[record.Preference]():         uint64(record.PriorityFirst),
	reflect.TypeFor[record.Release]():            uint64(record.OnArchive),
	reflect.TypeFor[record.CommunicationState](): uint64(record.Quarantined),
	reflect.TypeFor[record.CommunicationKind]():  uint64(record.ReadLevel),
	reflect.TypeFor[record.CommandKind]():        uint64(record.CommandOrders),
}

func fill(t *rapid.T, v reflect.Value, label string) {
	switch x := v.Addr().Interface().(type) {
	case *record.Event:
		*x = arbitraryEvent(t)
		return
	case *stock.Instant:
		*x = stock.Instant(rapid.Int64Range(946_684_800_000_000, 4_133_980_799_999_999).Draw(t, label))
		if rapid.IntRange(0, 3).Draw(t, label+" given") == 0 {
			*x = 0
		}
		return
	case *time.Duration:
		*x = time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, label))
		return
	case *[]record.OrderStatus:
		all := []record.OrderStatus{record.Pending, record.Open, record.Shipped, record.Cancelled, record.Archived}
		*x = nil
		*x = append(*x, rapid.Permutation(all).Draw(t, label)[:rapid.IntRange(0, 5).Draw(t, label+" count")]...)
		return
	case *record.Dict:
		*x = record.DictOf(rapid.MapOfN(text(), text(), 0, 3).Draw(t, label))
		return
	case *record.OfferRecord:
		part := reflect.ValueOf(x).Elem().Field(rapid.IntRange(0, 2).Draw(t, label))
		part.Set(reflect.New(part.Type().Elem()))
		fill(t, part.Elem(), label)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, label+" given") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), label)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if b := rapid.SliceOf(rapid.Byte()).Draw(t, label); len(b) > 0 {
				v.SetBytes(b)
			}
			return
		}
		if n := rapid.IntRange(0, 3).Draw(t, label+" count"); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, v.Index(i), label)
			}
		}
	case reflect.String:
		v.SetString(text().Draw(t, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, label))
	case reflect.Int64:
		v.SetInt(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(-1<<40, 1<<40), rapid.Int64()).Draw(t, label))
	case reflect.Int32:
		v.SetInt(int64(rapid.Int32().Draw(t, label)))
	case reflect.Uint64:
		v.SetUint(uint64(rapid.Int64Range(0, 1<<53).Draw(t, label)))
	case reflect.Uint8:
		size, ok := enumSizes[v.Type()]
		if !ok {
			t.Fatalf("%s: enumeration %v is not known to this test", label, v.Type())
		}
		if label == "State" && v.Type() == reflect.TypeFor[record.OrderStatus]() {
			size = uint64(record.PartiallyShipped)
		}
		v.SetUint(rapid.Uint64Range(1, size).Draw(t, label))
	default:
		t.Fatalf("%s: kind %v is not known to this test", label, v.Kind())
	}
}

// text draws strings of which some are alike, some are empty, some need escapes and some take more than a byte's length.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "1", "MTL", "SHIRT", "Montréal", "a/b%{c}:", "\"\\\n\t\x01\u2028", "😀", fmt.Sprintf("%0150d", 7)}),
		rapid.String(),
	)
}
